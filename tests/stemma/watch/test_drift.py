"""Drift of a log beside a bundle: what is planted is found by its name, and nothing else is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundles import DATED, contents
from stemma.bundle import Bundle
from stemma.errors import BundleError, StemmaError
from stemma.tables.distance import jensen_shannon, psi, shares
from stemma.tables.profile import described
from stemma.watch import outcomes, shown
from stemma.watch.drift import Drift, _of_figure, drift
from stemma.watch.expected import Came
from stemma.watch.log import Options
from watched import DAY, REGRESSION, SIGNATURE, logged, source

WEEK = 7 * DAY
MONDAY = WEEK * 2900  # where a window begins
ROWS = 1500
Rows = dict[str, np.ndarray]


def rows(count: int, seed: int) -> Rows:
    """As in training: three months, a number with gaps, a truth value."""
    draw = np.random.default_rng(seed)
    value = np.where(draw.random(count) < 0.02, np.nan, draw.normal(10, 3, count)).astype(np.float32)
    month = draw.choice(np.array(["May", "Nov", "Dec", ""], object), count, p=[0.5, 0.3, 0.15, 0.05])
    return {"Month": month, "PageValues": value, "Weekend": (draw.random(count) < 0.3).astype(np.float32)}


def predicted(of: Rows) -> np.ndarray:
    return np.where(np.nan_to_num(of["PageValues"], nan=10) > 12, 0.9, 0.1)


def reference(of: Rows) -> dict[str, Any]:
    names, counts = np.unique(of["Month"], return_counts=True)
    months = dict(zip(names.tolist(), counts.tolist(), strict=True))
    value, truth = of["PageValues"].astype(np.float64), of["Weekend"]
    present = value[~np.isnan(value)]
    return {
        "Month": {"missing": months.pop(""), "values": months, "other": 0},
        "PageValues": {"missing": len(value) - len(present), **described(present)},
        "Weekend": {"missing": 0, "values": {"0": int((truth == 0).sum()), "1": int((truth == 1).sum())}},
    }


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    trained = rows(8000, 100)
    share = float((predicted(trained) > 0.5).mean())
    confusion = [[int(2000 * (1 - share)), 0], [0, int(2000 * share)]]
    record = {"format": 1, "evaluation": {"confusion": confusion, "test": {"roc_auc": ROC_AUC}}}
    files = {"reference.json": json.dumps({"columns": reference(trained)}), "version.json": json.dumps(record)}
    return Bundle.of(contents() | {name: text.encode() for name, text in files.items()})


ROC_AUC = {"value": 0.9, "low": 0.88, "high": 0.92}


def weeks(folder: Path, *parts: Rows, version: str = "model@v1.0.0", first: int = 0, **more: Any) -> None:
    for week, part in enumerate(parts, first):
        count = len(part["Weekend"])
        times = MONDAY + WEEK * (week + np.arange(count) / count)
        ids = [f"{week}-{n}" for n in range(count)]
        logged(folder, predicted(part), of=source(version), inputs=part, times=times, ids=ids, **more)


def alarms(found: Drift) -> list[tuple[int, str, str | None]]:
    return [
        (round((each.first - MONDAY) / WEEK), shift.name, shift.kind) for each in found.windows for shift in each.alarms
    ]


def changed(name: str, change: Any, every: int = 1, count: int = ROWS) -> Rows:
    """The second week, with some values of a column changed."""
    made = rows(count, 2)
    values = made[name].copy()
    values[::every] = change(values[::every])
    return made | {name: values}


PLANTED = {  # what is done to the second week -> what is found
    "a number moved": (changed("PageValues", lambda x: x + 0.8), {("PageValues", "moved"), ("prediction", "moved")}),
    "a number spreads": (changed("PageValues", lambda x: 10 + (x - 10) * 0.6),
                         {("PageValues", "moved"), ("prediction", "moved")}),
    "a unit": (changed("PageValues", lambda x: x * 100), {("PageValues", "unit"), ("prediction", "moved")}),
    "another unit": (changed("PageValues", lambda x: x / 1000), {("PageValues", "unit"), ("prediction", "moved")}),
    "beyond the range": (changed("PageValues", lambda x: x * 0 - 99, every=75), {("PageValues", "range")}),
    "no values": (changed("PageValues", lambda x: x * np.nan, every=15), {("PageValues", "missing")}),
    "no texts": (changed("Month", lambda x: np.full(len(x), "", object), every=8), {("Month", "missing")}),
    "a new text": (changed("Month", lambda x: np.full(len(x), "Jan", object), every=30), {("Month", "new")}),
    "other shares": (changed("Month", lambda x: np.where(x == "May", "Dec", x), every=5), {("Month", "moved")}),
    "a truth value": (changed("Weekend", lambda x: np.maximum(x, np.arange(len(x)) % 8 == 0).astype(np.float32)),
                      {("Weekend", "moved")}),
    "nothing": (changed("Weekend", lambda x: x), set()),
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED)
@pytest.mark.parametrize("beside", ["the bundle", "the first week"])
def test_a_planted_drift_is_found_by_its_name_and_no_other(
    plant: str, beside: str, bundle: Bundle, tmp_path: Path
) -> None:
    drifted, expected = PLANTED[plant]
    weeks(tmp_path, rows(ROWS, 1), drifted)
    found = drift(tmp_path, bundle if beside == "the bundle" else None)
    states = [each.state for each in found.windows]
    assert states == ["judged" if beside == "the bundle" else "reference", "judged"]
    assert {(1, *each) for each in expected} == set(alarms(found))


@pytest.mark.parametrize("known_by", ["its name", "its version"])
def test_another_model_of_the_same_inputs_is_not_held_beside_the_bundle(
    known_by: str, bundle: Bundle, tmp_path: Path
) -> None:
    record = json.loads(bundle.files["version.json"]) | ({"name": "shop"} if known_by == "its name" else {})
    known = Bundle.of(dict(bundle.files) | {"version.json": json.dumps(record).encode()})
    other = SIGNATURE if known_by == "its name" else SIGNATURE | {"threshold": 0.75}
    weeks(tmp_path, rows(ROWS, 1), version="shop@v1.0.0")
    drifted = PLANTED["a unit"][0]
    logged(tmp_path, predicted(drifted), of=source("fr@v1.0.0", other), inputs=drifted, times=MONDAY + np.arange(ROWS))
    found = drift(tmp_path, known)
    assert {each.version for each in found.windows} == {"shop@v1.0.0"} and not alarms(found)
    assert {each.version for each in drift(tmp_path, known, of="fr@v1.0.0").windows} == {"fr@v1.0.0"}


def test_of_which_rows_the_reference_is_is_told_where_training_left_some_out(bundle: Bundle, tmp_path: Path) -> None:
    contract = json.loads(bundle.files["signature.json"]) | {"keep": {"paid": "PageValues > 0", "old": "Weekend"}}
    weeks(tmp_path, rows(ROWS, 1))
    found = drift(tmp_path, Bundle.of(dict(bundle.files) | {"signature.json": json.dumps(contract).encode()}))
    assert shown.doubts(found) == ["The reference is of rows where PageValues > 0 and Weekend; others are asked too."]
    assert shown.doubts(drift(tmp_path, bundle)) == []


def test_what_was_found_is_told_in_figures(bundle: Bundle, tmp_path: Path) -> None:
    weeks(tmp_path, rows(ROWS, 1), PLANTED["a unit"][0])
    found = drift(tmp_path, bundle)
    (unit,) = (each for each in found.windows[1].alarms if each.name == "PageValues")
    assert unit.told.startswith("about ") and unit.told.endswith(" times as large")
    assert 95 < float(unit.told.split()[1]) < 105 and unit.size.endswith(" large") and unit.p < 1e-6
    assert found.sentence.startswith("2 drifts in 2 windows of 7 days: PageValues: about ")


def test_sizes_are_those_of_the_distance_between_profiles(bundle: Bundle, tmp_path: Path) -> None:
    part = rows(ROWS, 1)
    weeks(tmp_path, part)
    (window,) = drift(tmp_path, bundle).windows
    before = json.loads(bundle.files["reference.json"])["columns"]["PageValues"]
    cut = shares(before, reference(part)["PageValues"])
    (shift,) = (each for each in window.shifts if each.name == "PageValues")
    assert cut is not None
    assert (shift.psi, shift.jensen_shannon) == pytest.approx((psi(*cut), jensen_shannon(*cut)))
    assert shift.size.endswith("stable")


@pytest.mark.slow
def test_undrifted_weeks_raise_an_alarm_in_one_of_twenty(bundle: Bundle, tmp_path: Path) -> None:
    """By chance at most; bench/watch.py has a thousand of them."""
    weeks(tmp_path, *(rows(400, week) for week in range(20)))
    for found in (drift(tmp_path, bundle), drift(tmp_path, bundle, seconds=DAY), drift(tmp_path)):
        assert len({each.first for each in found.windows if each.alarms}) <= 1
        assert len([each for each in found.windows if each.state == "judged"]) >= 19


def test_a_window_is_judged_once_when_it_is_over(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the clock of a server was ahead for a moment."""
    weeks(tmp_path, rows(300, 1), changed("PageValues", lambda x: x * 100, count=300))
    weeks(tmp_path, rows(1, 3), first=60)
    monkeypatch.setattr("time.time", lambda: MONDAY + 1.5 * WEEK)
    found = drift(tmp_path, bundle)
    assert [each.state for each in found.windows] == ["judged", "not over", "not over"] and alarms(found) == []


@pytest.mark.parametrize("count", [1, 2, 49])
def test_tiny_windows_are_told_and_not_judged(count: int, bundle: Bundle, tmp_path: Path) -> None:
    weeks(tmp_path, changed("PageValues", lambda x: x * 100, count=count))
    for found in (drift(tmp_path, bundle), drift(tmp_path)):
        assert [(each.state, each.rows) for each in found.windows] == [("few rows", count)]
        assert found.sentence.startswith("no window is judged yet")


def test_small_windows_share_a_smaller_chance_of_a_false_alarm(bundle: Bundle, tmp_path: Path) -> None:
    weeks(tmp_path, rows(700, 1))
    for seconds, alpha in ((WEEK, 0.05), (DAY, 0.05 / 7), (4 * WEEK, 0.05)):
        assert drift(tmp_path, bundle, seconds).windows[0].alpha == pytest.approx(alpha)


def test_versions_are_judged_apart(bundle: Bundle, tmp_path: Path) -> None:
    weeks(tmp_path, rows(600, 1), version="v1")
    weeks(tmp_path, changed("PageValues", lambda x: x * 100, count=600), version="v2")
    found = drift(tmp_path, bundle)
    assert [(each.version, bool(each.alarms)) for each in found.windows] == [("v1", False), ("v2", True)]


def test_figures_drift_once_outcomes_are_there(bundle: Bundle, tmp_path: Path) -> None:
    weeks(tmp_path, rows(600, 1), rows(600, 2))
    assert alarms(drift(tmp_path, bundle)) == []
    draw = np.random.default_rng(0)
    for week, sure in ((0, 0.1), (1, 0.5)):  # chance that an outcome is not the prediction
        said = predicted(rows(600, week + 1)) > 0.5
        came = np.where(draw.random(600) < sure, ~said, said)
        outcomes.Ledger(tmp_path).keep(
            {(f"{week}-{n}", 0): "TRUE" if one else "FALSE" for n, one in enumerate(came)}, MONDAY
        )
    found = drift(tmp_path, bundle)
    assert alarms(found) == [(1, "roc_auc", "figure")]
    assert found.windows[1].alarms[0].told.startswith("0.9000 -> 0.")
    assert alarms(drift(tmp_path)) == [(1, "roc_auc", "figure")]


def test_a_figure_that_did_not_move_is_seldom_an_alarm_though_it_is_looked_at_with_each_outcome_that_comes() -> None:
    draw, told, alarmed = np.random.default_rng(0), 2400, 0  # rows of the test
    for _ in range(400):
        usual, error = draw.normal(0, 1 / told**0.5), 1 / told**0.5
        for rows, total in zip(looks := range(100, 5000, 100), draw.normal(0, 10, len(looks)).cumsum(), strict=True):
            came = Came((total + 0.0) / rows, rows**-0.5, rows)
            if any(shift.kind for shift in _of_figure("rmse", Came(usual, error), came, 0.05, 1)):
                alarmed += 1
                break
    assert alarmed <= 20


SEASONS = {  # how the time of the week moves a number, in its deviations, and the months of a row
    "of a day": lambda hours: np.sin(hours / 24 * 2 * np.pi),
    "of a week": lambda hours: (hours // 24 % 7 >= 5) * 2.0,
}


@pytest.mark.parametrize("season", SEASONS)
def test_a_season_that_fits_into_a_window_is_no_drift_and_one_that_does_not_is(
    season: str, bundle: Bundle, tmp_path: Path
) -> None:
    def moved(hours: np.ndarray, seed: int) -> Rows:
        part = rows(len(hours), seed)
        return part | {"PageValues": (part["PageValues"] + 3 * SEASONS[season](hours)).astype(np.float32)}

    trained = moved(np.random.default_rng(0).random(8000) * 52 * 168, 100)  # of a year
    told = json.dumps({"columns": reference(trained)}).encode()
    yearly = Bundle.of({**bundle.files, "reference.json": told})
    week = [moved(168 * np.arange(ROWS) / ROWS, seed) for seed in range(1, 5)]
    weeks(tmp_path, *week)
    named = {name for _, name, _ in alarms(drift(tmp_path, yearly))}
    assert named <= {"prediction"}  # the bundle's record is of other rows
    hourly = {name for _, name, _ in alarms(drift(tmp_path, yearly, seconds=DAY / 4))}
    assert "PageValues" in hourly


def test_hashed_columns_are_held_beside_the_first_window(bundle: Bundle, tmp_path: Path) -> None:
    options = Options(columns={"Month": "hash", "PageValues": "mask", "Weekend": "omit"}, key=b"k")
    drifted = changed("Month", lambda x: np.where(x == "May", "Dec", x), every=4)
    weeks(tmp_path, rows(ROWS, 1), drifted, options=options)
    assert alarms(drift(tmp_path, bundle)) == [(1, "Month", "moved")]
    weeks(tmp_path, changed("PageValues", lambda x: x * np.nan, every=10), first=2, options=options)
    assert (2, "PageValues", "missing") in alarms(drift(tmp_path))


def test_values_and_dates_are_columns_too(tmp_path: Path) -> None:
    draw, of = np.random.default_rng(0), source("r", DATED)
    for week, (shift, day) in enumerate(((0, 0), (0, 0), (2, 0), (0, 400))):
        days = MONDAY + DAY * (draw.integers(0, 30, 400) + day)
        times = MONDAY + WEEK * (week + np.arange(400) / 400)
        logged(tmp_path, draw.normal(size=400) + shift, of=of, inputs={"Day": days.astype(float)}, times=times)
    looked = drift(tmp_path)
    found = [each for each in alarms(looked) if each[2]]
    assert found == [(2, "prediction", "moved"), (3, "Day", "range")]
    (told,) = (each.told for each in looked.windows[3].alarms)
    assert told == "2025-07-31 to 2025-08-29 -> 2026-09-04 to 2026-10-03"


def test_a_bundle_of_other_inputs_or_a_damaged_one_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    weeks(tmp_path, rows(100, 1))
    other = Bundle.of(contents(DATED))
    with pytest.raises(StemmaError, match=r"no version in .* takes the inputs of the bundle"):
        drift(tmp_path, other)
    texts = {"missing": 0, "values": {"a": 1}, "other": 0}  # of a number
    for text in ("[", "[]", '{"columns": 3}', json.dumps({"columns": {"PageValues": texts}})):
        damaged = Bundle.of({**bundle.files, "reference.json": text.encode()})
        with pytest.raises(BundleError, match=r"reference\.json is damaged"):
            drift(tmp_path, damaged)


def test_a_bundle_without_a_reference_says_nothing_and_the_first_window_does(tmp_path: Path) -> None:
    weeks(tmp_path, rows(ROWS, 1), PLANTED["a unit"][0])
    found = drift(tmp_path, Bundle.of(contents()))
    assert (1, "PageValues", "unit") in alarms(found) and found.bundle == "not registered"


def test_other_signatures_of_the_log_are_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    """A regression on the same columns: held beside the columns of the bundle, and not beside its figures."""
    assert REGRESSION["inputs"] == SIGNATURE["inputs"]
    logged(tmp_path, np.zeros(100), of=source("r", REGRESSION), inputs=rows(100, 1), times=MONDAY + np.arange(100))
    (window,) = drift(tmp_path, bundle).windows
    assert {each.name for each in window.shifts} == {"Month", "PageValues", "Weekend", "prediction"}
    assert window.alarms == ()


@pytest.mark.parametrize("told", [None, {"value": 0.9, "low": None, "high": None}])
def test_a_figure_without_an_interval_is_held_beside_the_first_window(
    told: Any, bundle: Bundle, tmp_path: Path
) -> None:
    """As of an evaluation without a bootstrap."""
    record = {"format": 1, "evaluation": {"confusion": [[9, 1], [1, 9]], "test": {"roc_auc": told}}}
    bare = Bundle.of({**bundle.files, "version.json": json.dumps(record).encode()})
    weeks(tmp_path, rows(200, 1))
    said = predicted(rows(200, 1)) > 0.5
    outcomes.Ledger(tmp_path).keep({(f"0-{n}", 0): "TRUE" if one else "FALSE" for n, one in enumerate(said)}, MONDAY)
    (window,) = drift(tmp_path, bare).windows
    assert "roc_auc" not in {each.name for each in window.shifts if each.kind}


EVIDENCE = {  # planted as above -> rows that make it
    "a number moved": lambda rows: rows["PageValues"] > 14.9,
    "beyond the range": lambda rows: rows["PageValues"] == -99,
    "no values": lambda rows: np.isnan(rows["PageValues"]),
    "no texts": lambda rows: rows["Month"] == "",
    "a new text": lambda rows: rows["Month"] == "Jan",
    "other shares": lambda rows: rows["Month"] == "Dec",
    "a truth value": lambda rows: rows["Weekend"] == 1,
}


@pytest.mark.parametrize("plant", EVIDENCE)
def test_requests_that_make_a_drift_are_named(plant: str, bundle: Bundle, tmp_path: Path) -> None:
    drifted, expected = PLANTED[plant]
    weeks(tmp_path, rows(ROWS, 1), drifted)
    makes = {f"1-{n}" for n in np.flatnonzero(EVIDENCE[plant](drifted))}
    found = [each for each in drift(tmp_path, bundle).windows[1].alarms if (each.name, each.kind) in expected]
    (shift,) = (each for each in found if each.name != "prediction")
    assert len(shift.ids) == len(set(shift.ids)) > 1 and set(shift.ids) <= makes


def test_a_drift_is_weighed_by_what_the_column_does_to_the_prediction(bundle: Bundle, tmp_path: Path) -> None:
    """The graph adds its columns: one that spreads by 3 does more than truth values do, and one that is hashed is not
    known."""
    weeks(tmp_path, rows(ROWS, 1), PLANTED["a unit"][0])
    registered = bundle.files | {"registered.json": b'{"format": 1, "version": "v1.0.0"}'}
    found = drift(tmp_path, Bundle.of(registered)).windows[1]
    weight = {each.name: each.importance for each in found.shifts}
    assert sum(weight[name] or 0 for name in ("Month", "PageValues", "Weekend")) == pytest.approx(1)
    assert (weight["PageValues"] or 0) > 0.5 and weight["prediction"] is None
    (unit,) = (each for each in found.alarms if each.name == "PageValues")
    assert unit.matters == pytest.approx((unit.psi or 0) * (unit.importance or 0)) and unit.weight.endswith("%")
    weeks(tmp_path / "hashed", rows(ROWS, 1), options=Options(columns={"Month": "hash"}, key=b"k"))
    (window,) = drift(tmp_path / "hashed", bundle).windows
    assert {each.importance for each in window.shifts} == {None}

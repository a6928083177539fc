"""Functions whose explanations are known."""

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import DataError, EntryError
from stemma.explain import METHODS, Asked, Model, Table, explain
from stemma.signature import Input, Signature

ROWS = 60
KINDS = {"pages": "number", "minutes": "number", "month": "string", "day": "date", "weekend": "boolean"}
MONTHS = {"May": 0.0, "Nov": 2.0, "": -1.0}
WITH_EFFECTS = ("shap", "linear", "permutation", "dependence")


def table(rows: int, seed: int = 0) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    pages = draw.gamma(2, 10, rows).astype(np.float32)
    return {
        "pages": np.where(draw.random(rows) < 0.1, np.float32(np.nan), pages),
        "minutes": draw.normal(5, 2, rows).astype(np.float32),
        "month": draw.choice(np.array([*MONTHS], object), rows),
        "day": draw.integers(19_000, 19_400, rows) * 86_400.0,
        "weekend": draw.integers(0, 2, rows).astype(np.float32),
    }


def scored(rows: Table) -> Any:
    """Linear in what each column is; nobody looks at minutes."""
    pages = np.where(np.isnan(rows["pages"]), 7.0, rows["pages"])
    months = np.array([MONTHS[name] for name in rows["month"]])
    return 0.1 * pages + months + (rows["day"] - 19_200 * 86_400) / 86_400 / 100 - rows["weekend"]


def known(kinds: Mapping[str, str] = KINDS, classes: tuple[str, ...] = ()) -> Signature:
    task = {0: "regression", 2: "binary"}.get(len(classes), "multiclass")
    decided = (classes[1], 0.5) if task == "binary" else (None, None)
    inputs = tuple(Input(*each) for each in kinds.items())
    return Signature(task, "target", inputs, "probabilities" if classes else "prediction", classes, *decided)


def model() -> Model:
    return Model(lambda rows: scored(rows)[:, np.newaxis], table(ROWS), known())


def yes_or_no(chance: Any) -> Any:
    return np.column_stack([1 - chance, chance])


def crossed(rows: Table) -> Any:
    """Columns that need each other, as a probability."""
    missing = np.isnan(rows["pages"])
    score = np.where(missing, 0, rows["pages"] / 10) * (rows["month"] == "Nov") - rows["weekend"] - 0.5
    return 1 / (1 + np.exp(-score))


def binary() -> Model:
    return Model(lambda rows: yes_or_no(crossed(rows)), table(ROWS), known(classes=("FALSE", "TRUE")))


def of_three(rows: Table) -> Any:
    scores = np.column_stack([0 * rows["minutes"], rows["minutes"] - 5, 2 * rows["weekend"] - 1])
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def multiclass() -> Model:
    return Model(of_three, table(ROWS), known(classes=("a", "b", "c")))


def effects(found: Any) -> dict[str, float]:
    return {each.column: each.effect for each in found}


# Shapley values.


def test_shap_values_of_a_linear_network_are_its_terms() -> None:
    rows, linear = table(5, seed=1), model()
    for place, one in enumerate(explain("shap", linear, rows).reasons):
        neutral = {name: np.repeat(values[place], ROWS) for name, values in rows.items()}
        for each in one.effects:
            own = scored(neutral) - scored({**neutral, each.column: linear.background[each.column]})
            assert each.effect == pytest.approx(own.mean(), abs=1e-9) and each.error < 1e-9
        assert abs(one.gap) < 1e-9


def exact(of: Model, row: Table, output: int) -> dict[str, float]:
    """By all sets of columns."""
    names = [*of.kinds]
    value = {}
    for size in range(len(names) + 1):
        for own in itertools.combinations(names, size):
            rows = {n: np.repeat(row[n], ROWS) if n in own else of.background[n] for n in names}
            value[frozenset(own)] = float(of.predict(rows)[:, output].mean())
    found = dict.fromkeys(names, 0.0)
    for own, before in value.items():
        for name in set(names) - own:
            weight = math.factorial(len(own)) * math.factorial(len(names) - len(own) - 1) / math.factorial(len(names))
            found[name] += weight * (value[own | {name}] - before)
    return found


def test_shap_values_are_those_of_all_sets_of_columns() -> None:
    rows = table(4, seed=2)
    for place, one in enumerate(explain("shap", binary(), rows).reasons):
        told = exact(binary(), {name: values[place : place + 1] for name, values in rows.items()}, 1)
        assert effects(one.effects) == pytest.approx(told, abs=0.01)
        assert all(abs(each.effect - told[each.column]) <= 5 * each.error + 1e-9 for each in one.effects)


def test_shap_values_of_ten_columns_are_within_a_hundredth() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.normal(size=(10, 16)), draw.normal(size=16)
    names = [f"c{place}" for place in range(10)]

    def network(rows: Table) -> Any:
        hidden = np.maximum(0, np.column_stack([rows[name] for name in names]) @ first / 2)
        return yes_or_no(1 / (1 + np.exp(-hidden @ second / 2)))

    background = dict(zip(names, draw.normal(size=(10, ROWS)), strict=True))
    ten = Model(network, background, known(dict.fromkeys(names, "number"), ("FALSE", "TRUE")))
    row = dict(zip(names, draw.normal(size=(10, 1)), strict=True))
    (one,) = explain("shap", ten, row).reasons
    assert effects(one.effects) == pytest.approx(exact(ten, row, 1), abs=0.01)
    assert abs(one.gap) < 1e-4


# All methods.


@pytest.mark.parametrize("name", WITH_EFFECTS)
@pytest.mark.parametrize("of", [model, binary])
def test_a_column_that_is_ignored_gets_nothing(name: str, of: Callable[[], Model]) -> None:
    found = explain(name, of(), table(10, seed=4))
    got = next(each for each in found.effects if each.column == "minutes")
    assert abs(got.effect) <= (4 * got.error if name == "linear" else 1e-9)
    assert found.effects[0].effect > 0.1


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("of", [model, binary, multiclass])
def test_what_is_found_is_found_again_and_is_json(name: str, of: Callable[[], Model]) -> None:
    rows = table(6, seed=5)
    once, again = (explain(name, of(), rows, Asked(seed=3)) for _ in range(2))
    assert once == again
    json.dumps(dataclasses.asdict(once), allow_nan=False)
    assert once.rows == 6 and once.background == ROWS


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_columns_does_not_matter(name: str) -> None:
    rows = table(4, seed=6)
    assert explain(name, binary(), rows) == explain(name, binary(), dict(reversed(rows.items())))
    turned = dataclasses.replace(binary(), background=dict(reversed(table(ROWS).items())))
    assert explain(name, turned, rows) == explain(name, binary(), rows)


@pytest.mark.parametrize("name", ["shap", "linear", "counterfactual"])
def test_no_row_depends_on_its_company(name: str) -> None:
    rows = table(4, seed=6)
    found = explain(name, binary(), rows)
    last = explain(name, binary(), {column: values[3:] for column, values in rows.items()})
    pick = found.turned if name == "counterfactual" else found.reasons
    (alone,) = last.turned if name == "counterfactual" else last.reasons
    assert dataclasses.replace(alone, row=4) == pick[3]


def test_of_several_classes_the_one_that_is_answered_is_explained() -> None:
    rows = table(8, seed=7)
    answers = of_three(rows)
    found = explain("shap", multiclass(), rows).reasons
    assert [one.output for one in found] == [("a", "b", "c")[number] for number in answers.argmax(axis=1)]
    asked = explain("shap", multiclass(), rows, Asked(output="b")).reasons
    assert [one.answer for one in asked] == pytest.approx(answers[:, 1].tolist())


@given(st.integers(1, 4), st.integers(0, 100), st.data())
def test_effects_add_up_for_any_table(rows: int, seed: int, data: st.DataObject) -> None:
    levels = st.sampled_from(["", "May", "Nov"])
    numbers = st.one_of(st.just(math.nan), st.floats(-1e3, 1e3))
    made: dict[str, Any] = {
        "pages": np.array(data.draw(st.lists(numbers, min_size=rows, max_size=rows))),
        "month": np.array(data.draw(st.lists(levels, min_size=rows, max_size=rows)), object),
        "weekend": np.array(data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=rows, max_size=rows))),
    }
    kinds = {name: kind for name, kind in KINDS.items() if name in made}
    small = Model(binary().predict, {n: values[:1] for n, values in made.items()}, known(kinds, ("FALSE", "TRUE")))
    for one in explain("shap", small, made, Asked(seed)).reasons:
        assert one.base + sum(each.effect for each in one.effects) == pytest.approx(one.answer, abs=1e-6)
    for name in METHODS:
        explain(name, small, made, Asked(seed))


@pytest.mark.parametrize("cells", [10, 7000])
def test_parts_that_run_at_once_change_nothing(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = explain("shap", binary(), table(2, seed=11))
    monkeypatch.setattr("stemma.explain.shap.CELLS", cells)
    assert explain("shap", binary(), table(2, seed=11)) == whole


# Each.


def test_a_date_and_a_category_are_told_as_they_are_known() -> None:
    rows = {"pages": [math.nan], "minutes": [2.5], "month": [""], "day": [19_000 * 86_400.0], "weekend": [1.0]}
    typed = {name: np.array(values, object if name == "month" else float) for name, values in rows.items()}
    told = {each.column: each.value for each in explain("shap", model(), typed).reasons[0].effects}
    assert told == {"pages": "missing", "minutes": "2.5", "month": "missing", "day": "2022-01-08", "weekend": "true"}


def test_curves_are_those_of_the_function() -> None:
    found = {curve.column: curve for curve in explain("dependence", model()).curves}
    means = dict(zip(found["month"].values, found["month"].means, strict=True))
    assert means["Nov"] - means["May"] == pytest.approx(2) and means["missing"] - means["May"] == pytest.approx(-1)
    pages = found["pages"]
    places = [float(value) for value in pages.values]
    assert places == sorted(places)
    assert np.diff(pages.means) == pytest.approx(0.1 * np.diff(places), abs=1e-5)
    assert all(len(single) == len(pages.values) for single in pages.single)


def test_a_planted_rule_is_found() -> None:
    planted = lambda rows: np.where((rows["month"] == "Nov") & (rows["minutes"] > 5), 0.9, 0.1)  # noqa: E731
    found = explain("surrogate", dataclasses.replace(binary(), predict=lambda rows: yes_or_no(planted(rows))))
    (rule,) = [each for each in found.rules if each.answer == "TRUE"]
    month, minutes = sorted(rule.conditions, key=lambda told: told.startswith("minutes"))
    assert month == "month is Nov"
    assert minutes.startswith("minutes > ") and float(minutes.split()[-1]) == pytest.approx(5, abs=0.3)
    assert found.fidelity is not None and found.fidelity > 0.97
    assert sum(each.share for each in found.rules) == pytest.approx(1)


def test_a_counterfactual_turns_the_answer_and_stays_within_what_was_seen() -> None:
    asked, rows = binary(), table(20, seed=8)
    found = explain("counterfactual", asked, rows, Asked(keep=("weekend",))).turned
    before = asked.said(asked.predict(rows))
    assert any(each.changes for each in found)
    for place, each in enumerate(found):
        assert each.answer == before[place] and bool(each.changes) == (each.instead != each.answer)
        row = {name: values[place : place + 1].copy() for name, values in rows.items()}
        for column, _, needed in each.changes:
            assert (column in ("pages", "month") and needed != "missing") or column == "month"
            row[column][0] = needed.replace("missing", "") if column == "month" else np.float32(needed)
            assert row[column][0] in asked.background[column]
        assert asked.said(asked.predict(row)) == [each.instead]


def test_of_several_changes_the_least_is_told() -> None:
    row = {name: values[:1] for name, values in table(ROWS).items()} | {"month": np.array(["Nov"], object)}
    row |= {"pages": np.array([2.0], np.float32), "weekend": np.array([0.0], np.float32)}
    (each,) = explain("counterfactual", binary(), row).turned
    ((column, value, needed),) = each.changes
    there = binary().background["pages"]
    assert (column, value) == ("pages", "2") and np.float32(needed) == there[there >= 5].min()


def test_of_a_regression_the_answer_passes_the_middle_one() -> None:
    middle, rows = float(np.median(model().usual)), table(5, seed=9)
    for place, each in enumerate(explain("counterfactual", model(), rows).turned):
        assert (float(each.instead) >= middle) != (scored(rows)[place] >= middle)


def test_the_class_that_is_asked_for_is_reached() -> None:
    found = explain("counterfactual", multiclass(), table(10, seed=10), Asked(output="b")).turned
    assert {each.instead for each in found if each.answer != "b"} == {"b"}
    assert all(each.instead != "b" for each in found if each.answer == "b")


def test_columns_that_go_together_are_told_of() -> None:
    rows = table(ROWS)
    pages = rows["minutes"] * 3 + np.random.default_rng(0).normal(size=ROWS)
    ((a, b, strength),) = explain("shap", Model(model().predict, {**rows, "pages": pages}, known()), table(1)).related
    assert (a, b) == ("pages", "minutes") and strength > 0.5
    assert explain("shap", model(), table(1)).related == ()


@pytest.mark.parametrize(
    ("error", "method", "asked", "told"),
    [
        (EntryError, "shapp", Asked(), "no explanation is named 'shapp' (did you mean shap?): there are shap, linear"),
        (DataError, "shap", Asked(keep=("page",)), "the network has no column 'page' (did you mean pages?)"),
        (DataError, "shap", Asked(output="TRU"), "the network has no output 'TRU' (did you mean TRUE?): it has FALSE"),
    ],
)
def test_what_is_not_there_is_one_line(error: type[Exception], method: str, asked: Asked, told: str) -> None:
    with pytest.raises(error) as caught:
        explain(method, binary(), None, asked)
    assert str(caught.value).startswith(told) and "\n" not in str(caught.value)

"""The report of every task, from a baseline in the place of the network: no framework is needed."""

import copy
import functools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import stemma.task
from stemma.errors import EvaluationError
from stemma.evaluation import assessment, baselines, decision, gate, record
from stemma.evaluation.baselines import NETWORK
from stemma.metrics import resampling
from stemma.report import charts, curves, document, pictures, plots
from stemma.report import evaluation as report
from stemma.report.pictures import COLOURS
from stemma.tables.arrays import Arrays
from stemma.text import escaped
from tiny.params import settled

pytestmark = pytest.mark.xdist_group("evaluated")  # each worker would fit and draw it all
VOID = {"meta", "link", "br", "img", "path", "use", "rect", "circle", "line"}
HOSTILE = ("<script>alert(1)</script>", 'a|b $x$ & "c"', "*c*")  # classes of a table that somebody else made


def made(make: Any, task: str, *chosen: Any, **changed: Any) -> tuple[dict, dict[str, str]]:
    """As `anew`, and a copy of what the test before was given, if it asked for the same."""
    told, drawn = once(make, task, *chosen, **changed)
    return copy.deepcopy(told), dict(drawn)


def anew(
    make: Any, task: str, classes: tuple[str, ...] | None = None, repeated: int | None = None, **changed: Any
) -> tuple[dict, dict[str, str]]:
    """The record and pictures of a gradient boosting that plays the network; so many test rows are training rows."""
    problem, about, rows = make.prepared(task, 600)
    if repeated is not None:  # rows without a size are alike
        rows.frame["size"] = rows.frame["size"].fillna(rows.frame["row"] + 10.0)
    if classes:
        posed = stemma.task.of(task, classes)
        problem, about = replace(problem, task=posed), replace(about, task=posed)
    names = ("train", "validation", "test")
    raw = {"source": "a.csv", "rows": 600, "splits": {name: {"rows": 200} for name in names}}
    about = replace(about, raw=raw)
    again = repeated or 0
    parts = [[*range(200)], [*range(200, 400)], [*range(again), *range(400 + again, 600)]]
    cut = {name: Arrays(rows.x[p], rows.y[p], rows.frame.iloc[p].reset_index(drop=True))
           for name, p in zip(names, parts, strict=True)}  # fmt: skip
    own = make.settings(**{"slices": ("kind", "size")} | changed)
    splits = {name: cut[name] for name in ("validation", "test")}
    others = {
        each.name: assessment.of_baseline(each, problem.task, splits, own)
        for each in baselines.fit(problem, about, cut["train"], 0)
    }
    chosen = decision.Decision("fixed" if task == "binary" else None, 0.5 if task == "binary" else None)
    network = assessment.Judgement(problem.task, others["gradient_boosting"].predictions, chosen.threshold)
    settings = settled().model_copy(update={"evaluate": own})
    figures = {"roc_auc": 0.5, "balanced_accuracy": 0.5, "rmse": 0.5, "mae": 0.4, "r2": 0.3}
    figures |= dict.fromkeys(("pr_auc", "log_loss", "f1", "accuracy"), 0.5)
    summary = {name: {"mean": v, "deviation": 0.1, "low": 0.4, "high": 0.6} for name, v in figures.items()}
    fold = {"rows": {"train": 300, "validation": 100, "test": 200}, "test": figures}
    folds = {"k": 2, "folds": [fold, fold], "summary": summary}
    known = splits if repeated is None else cut
    told = record.make(settings, about, known, chosen, network, others, {"folds": folds})
    learned = {name: e for name, e in others.items() if name not in baselines.CONSTANT}
    points = {
        name: curves.tables(problem.task, cut["test"].y, e.predictions["test"], e.decided("test"), 10)
        for name, e in {baselines.NETWORK: network, **learned}.items()
    }
    return told, charts.draw_all(problem.task, told, cut["test"].y, network.predictions["test"], points)


once = functools.cache(anew)


class Checker(HTMLParser):
    """Tags that are open, and every id."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attributes if name == "id" and value]
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attributes if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_page_stands_alone_and_is_well_formed(make: Any, task: str) -> None:
    told, drawn = made(make, task)
    page = document.html(report.write(told), drawn)
    assert re.findall(r"(?i)https?:|src=|@import|<script|<link|<iframe|url\((?!#)", page) == []
    checker = Checker()
    checker.feed(page)
    assert checker.open == [] and len(checker.ids) == len(set(checker.ids))
    assert {"caption", "th", "svg", "figcaption"} <= checker.seen
    for target in re.findall(r'(?:href="|url\()#([^")]*)', page):
        assert target in checker.ids, target
    assert page.count('role="img" aria-label="') == len(drawn)
    assert "prefers-color-scheme:dark" in page
    pictures = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert not any(colour in pictures for colour in COLOURS.values())  # all by CSS, so they turn with the page


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_part_is_told_in_both_forms(make: Any, task: str) -> None:
    main = {"binary": "ROC-AUC", "multiclass": "balanced accuracy", "regression": "RMSE"}[task]
    linear = {"regression": "ridge regression"}.get(task, "logistic regression")
    told, drawn = made(make, task)
    written = report.write(told)
    page, text = document.html(written, drawn), document.markdown(written, "plots")
    for title in ("Figures", "Beside simple models", "Slices", "Cross-validation", "Data and settings"):
        assert f"<h2>{title}</h2>" in page and f"## {title}" in text
    for part in (main, linear, "gradient boosting", "By kind", "By size", "k000"):
        assert part in page and part in text
    assert set(re.findall(r"\(plots/(\w+)\.svg\)", text)) == set(drawn)


def test_the_same_record_gives_the_same_bytes(make: Any) -> None:
    first, again = made(make, "binary"), anew(make, "binary")
    assert json.dumps(first[0], sort_keys=True) == json.dumps(again[0], sort_keys=True)
    assert first[1] == again[1]
    assert not re.search(r"20\d\d-\d\d-\d\d", "".join(first[1].values()))  # no date


def test_names_from_a_table_never_become_markup(make: Any) -> None:
    told, drawn = made(make, "multiclass", HOSTILE)
    written = report.write(told)
    page, text = document.html(written, drawn), document.markdown(written, "plots")
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "a\\|b" in text and "\\*c\\*" in text and not re.search(r"(?<!\\)<script", text)
    rows = [line for line in text.splitlines() if line.startswith("| a\\|b")]
    assert rows and all(len(re.findall(r"(?<!\\)\|", row)) in (5, 8) for row in rows)
    told, drawn = made(make, "binary", HOSTILE[:2])  # its pictures name the classes
    assert "<script" not in document.html(report.write(told), drawn)


def test_the_first_lines_say_that_a_class_is_missed_and_what_was_done(make: Any) -> None:
    told, _ = made(make, "binary")
    told |= {"main": "pr_auc", "confusion": [[190, 0], [10, 0]]}
    told["classes"] = [one | {"rows": rows} for one, rows in zip(told["classes"], (190, 10), strict=True)]
    first = document.markdown(report.write(told), "plots").partition("## ")[0]
    assert "PR-AUC" in first and "5 % of them are b, which is what guessing reaches" in first
    assert "0 of 10 rows of b are found; evaluate.threshold: auto chooses another threshold" in first
    told["evaluate"] |= {"threshold": "auto"}
    told["decision"] |= {"rule": "macro_f1", "threshold": 0.0625}
    told["confusion"] = [[170, 20], [4, 6]]
    text = document.markdown(report.write(told), "plots")
    assert "b from a probability of 0.0625 on" in text.partition("## ")[0] and "rows of b are found" not in text
    assert text.index("| PR-AUC |") < text.index("| ROC-AUC |")


def test_a_figure_that_is_not_defined_is_a_dash_and_null(make: Any) -> None:
    told, _ = made(make, "binary", bootstrap=0)
    told["test"]["precision"] |= {"value": None, "low": None, "high": None}
    assert "| precision | - |  |" in document.markdown(report.write(told), "plots")
    assert "NaN" not in json.dumps(told, allow_nan=False)


def test_a_metric_of_your_own_is_told_before_it_has_words(make: Any) -> None:
    told, _ = made(make, "binary")
    told["test"]["own_figure"], told["validation"]["own_figure"] = told["test"]["accuracy"], 0.25
    assert "| own figure | " in document.markdown(report.write(told), "plots")


def test_a_failed_gate_and_a_worse_network_stand_at_the_top(make: Any) -> None:
    told, _ = anew(make, "binary", minimum={"roc_auc": 0.9999, "log_loss": 9.0})
    told["baselines"]["logistic"]["ahead"] |= {"value": -0.1, "low": -0.2, "high": -0.05}
    badges = dict(report.write(told).badges)
    assert any(text.startswith("Worse than logistic") and kind == "bad" for text, kind in badges.items())
    missed = next(text for text in badges if text.startswith("Quality gate failed"))
    assert "needed: at least 0.9999" in missed and "log loss" not in missed and badges[missed] == "bad"


def test_settings_are_told_as_they_are(make: Any) -> None:
    text = document.markdown(report.write(made(make, "binary", seed=1, bins=2)[0]), "plots")
    assert "| seed | 1 |" in text and "| bins | 2 |" in text and "| folds | none |" in text
    assert "| seed | 0 |" in document.markdown(report.write(made(make, "binary")[0]), "plots")


def test_slices_of_many_rows_tell_that_they_are_of_fewer_resamples(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = made(make, "binary", bootstrap=20)[0]
    assert "Intervals are of" not in document.markdown(report.write(told), "plots")
    monkeypatch.setattr(resampling, "LARGE", 100)
    monkeypatch.setattr(resampling, "FEWEST", 5)
    most = max(entry["rows"] * len(entries) for entries in told["slices"].values() for entry in entries)
    assert f"Intervals are of {max(5, 2000 // most)} resamples or more" in document.markdown(
        report.write(told), "plots"
    )


def test_slices_have_the_figures_of_their_rows_alone(make: Any) -> None:
    told, _ = made(make, "binary")
    assert sum(entry["rows"] for entry in told["slices"]["kind"]) == 200
    assert [entry["value"] for entry in told["slices"]["kind"]] == ["k000", "k001", "k002"]
    assert told["slices"]["size"][-1]["value"] == "(missing)"
    area = told["slices"]["kind"][0]["test"]["roc_auc"]
    assert area["low"] <= area["value"] <= area["high"]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_groups_stand_beside_each_other_with_their_gaps(make: Any, task: str) -> None:
    told, _ = made(make, task)
    text = document.markdown(report.write(told), "plots")
    table = text.partition("## Groups beside each other")[2].partition("\n## ")[0]
    assert set(told["fairness"]) == {"kind", "size"} and table.count("| gap |") == 2
    assert ("mean error" if task == "regression" else "true positive rate") in table
    assert all(f"| {group} |" in table for group in ("k000", "k001", "k002", "(missing)"))
    assert bool(re.search(r"selection rate of [abc] \|", table)) == (task == "multiclass")
    assert "Groups beside" not in document.markdown(report.write(made(make, task, slices=())[0]), "plots")


def test_what_worse_rows_cost_is_told_with_the_column_that_does_it(make: Any) -> None:
    told, _ = made(make, "binary")
    assert "Where rows are worse" not in document.markdown(report.write(told), "plots")
    change = {"size": 0.1, "value": 0.02, "low": 0.01, "high": 0.03, "columns": {"size": 0.05, "kind": None}}
    told["robustness"] = {"rows": 200, "alone": 50, "changes": {"noise": change, "missing": change}}
    text = document.markdown(report.write(told), "plots")
    assert "| noise of 0.1 deviations | 0.0200 | 0.0100 to 0.0300 | size | 0.0500 |" in text
    assert "| 10 % of the values missing |" in text


def test_what_columns_add_is_shown_where_it_was_asked_for(make: Any) -> None:
    told, drawn = made(make, "binary")
    effects = [{"column": "<b>", "effect": 0.25, "error": 0.01, "value": ""}]
    nothing = dict.fromkeys(("reasons", "curves", "rules", "turned", "related"), ())
    told["explanation"] = nothing | {"method": "shap", "effects": effects}
    text = document.markdown(report.write(told, drawn), "plots")
    assert "## What each column adds (Shapley values)" in text and "shap-effects.svg" in text
    assert "| 0.2500 | 0.0100 |" in text and "| <b> |" not in text


def test_the_gate_asks_for_gaps_and_says_which_failed(make: Any) -> None:
    told, _ = anew(make, "binary", minimum={"gap.selection_rate.kind": 0.0, "gap.calibration.kind": 1.0})
    assert [(line["metric"], line["better"], line["passed"]) for line in told["gate"]] == [
        ("gap.selection_rate.kind", "lower", False), ("gap.calibration.kind", "lower", True)]  # fmt: skip
    with pytest.raises(EvaluationError, match=r"^the quality gate failed: gap\.selection_rate\.kind \d\.\d+ on the"):
        gate.stop(told["gate"], Path("report.html"))


def test_a_network_is_not_ahead_of_itself(make: Any) -> None:
    told, _ = made(make, "multiclass")
    same = told["baselines"]["gradient_boosting"]["ahead"]
    assert (same["value"], same["low"], same["high"]) == (0, 0, 0)
    other = told["baselines"]["majority"]["ahead"]
    assert other["low"] < other["value"] < other["high"] and other["low"] > 0


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_test_rows_that_were_learned_from_are_told_of_and_judged_apart(make: Any, task: str) -> None:
    told, _ = made(make, task, repeated=80)
    page = document.markdown(report.write(told), "plots")
    assert told["repeated"]["rows"] == 80 and "80 of 200 test rows repeat a training row" in page
    assert "judge by the 120 that are new" in page
    main, new = told["main"], told["repeated"]["test"]
    assert new[NETWORK][main] == new["gradient_boosting"][main]  # which plays it
    apart = new[NETWORK][main]["value"] - told["test"][main]["value"]
    assert apart < 0 if told["test"][main]["better"] == "higher" else apart > 0
    assert new[NETWORK][main]["low"] <= new[NETWORK][main]["value"] <= new[NETWORK][main]["high"]
    assert set(new) == {NETWORK, *told["baselines"]}


def test_where_all_rows_were_learned_from_nothing_is_left_to_judge_by(make: Any) -> None:
    told, _ = made(make, "binary", repeated=200)
    page = document.markdown(report.write(told), "plots")
    assert told["repeated"]["test"][NETWORK]["roc_auc"]["value"] is None and "the 0 that are new" in page


def test_hints_at_the_table_are_in_the_report(make: Any) -> None:
    told, _ = made(make, "binary", repeated=0)
    hint = "column 'n' <b>alone</b> predicts"
    assert "repeated" not in told and "looks wrong" not in document.markdown(report.write(told), "plots")
    assert escaped(hint) in document.markdown(report.write(told | {"hints": [hint]}), "plots")


def test_importance_hashes_and_learning_curves_are_shown_where_there_are_some(make: Any, tmp_path: Path) -> None:
    told, drawn = made(make, "binary")
    plain = document.markdown(report.write(told, drawn), "plots")
    assert not any(text in plain for text in ("What the network goes by", "## Training", "SHA-256"))
    columns = {f"column {number} with a name that is long": 0.1 * number for number in range(30)} | {"<b>": -0.01}
    told |= {"importance": {"rows": 200, "repeats": 3, "columns": columns}, "table": "ab" * 32, "weights": "cd" * 32}
    for split in ("train", "validation"):
        (tmp_path / f"plots/metrics/{split}").mkdir(parents=True)
        (tmp_path / f"plots/metrics/{split}/loss.tsv").write_text("step\tloss\n0\t0.9\n1\t0.5\n", encoding="utf-8")
    (tmp_path / "training.json").write_text('{"epoch_kept": 2}', encoding="utf-8")
    drawn |= plots.of_training(tmp_path, tmp_path / "training.json") | {"importance": charts._importance(told)}
    written = report.write(told, drawn)
    document.write(written, tmp_path / "report.html", drawn, tmp_path / "pictures")
    text, page = ((tmp_path / f"report.{end}").read_text(encoding="utf-8") for end in ("md", "html"))
    for part in ("What the network goes by", "Training", "ab" * 32, "cd" * 32):
        assert part in text and part in page
    for name in re.findall(r"\]\((pictures/\w+\.svg)\)", text):
        assert (tmp_path / name).read_text(encoding="utf-8").startswith("<?xml")
    assert drawn["importance"].count("column ") == charts.MOST_COLUMNS and "<b>" not in drawn["importance"]
    assert plots.of_training(tmp_path / "nowhere", tmp_path / "training.json") == {}


def test_a_loss_below_zero_is_not_written_over_the_name_of_its_column() -> None:
    axes = Figure().add_subplot()
    pictures.paint_bars(axes, [("a", 0.2), ("b", -0.01)], "ROC-AUC")
    assert [(text.get_text(), text.xy) for text in axes.texts] == [("0.2000", (0.2, 1)), ("-0.0100", (0, 0))]


@pytest.mark.parametrize(("sizes", "told"), [((0.2, 3e-5), ["0.2000", "0.0000"]), ((3e-5, 2e-6), ["3e-05", "2e-06"])])
def test_what_is_nothing_beside_the_longest_bar_is_told_as_0(sizes: tuple[float, float], told: list[str]) -> None:
    axes = Figure().add_subplot()
    pictures.paint_bars(axes, [*zip("ab", sizes, strict=True)], "ROC-AUC")
    assert [text.get_text() for text in axes.texts] == told

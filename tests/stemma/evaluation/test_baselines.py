"""The simple models: right, bounded, and the same on any number of threads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stemma import metrics
from stemma.entries import Entry
from stemma.errors import EntryError
from stemma.evaluation import baselines
from stemma.tables.arrays import Split


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("levels", [3, 80], ids=["one-hot", "codes"])
def test_baselines_learn_from_numbers_with_gaps_and_texts(make: Any, task: str, levels: int) -> None:
    problem, about, train = make.prepared(task, 1500, levels)
    made = baselines.fit(problem, about, train, seed=0)
    assert tuple(each.name for each in made) == baselines.names(problem.task)
    main, worth = metrics.METRICS[problem.task.main], []
    for each in made:
        predicted = each.predict(train)
        assert predicted.shape == (1500, max(1, len(problem.task.classes)))
        if problem.task.classes:
            assert predicted.sum(axis=1) == pytest.approx(1)
        figure = metrics.figures(
            metrics.Rows.of(problem.task, train.y, predicted, problem.task.decide(predicted)), of=[main]
        )[main.name]
        worth.append(-figure if main.better == "lower" else figure)
    assert worth[0] < worth[1] and worth[0] < worth[2]
    if task == "binary":
        assert worth[0] == 0.5 and worth[1] > 0.9


def test_the_constant_baseline_gives_shares_or_the_mean(make: Any) -> None:
    problem, about, train = make.prepared("multiclass")
    shares = np.bincount(train.y) / len(train.y)
    assert np.allclose(baselines.fit(problem, about, train, 0)[0].predict(train), shares)
    problem, about, train = make.prepared("regression")
    assert np.allclose(baselines.fit(problem, about, train, 0)[0].predict(train), train.y.mean())


def test_more_levels_than_boosting_takes_and_texts_never_seen_are_taken(make: Any) -> None:
    problem, about, train = make.prepared("binary", 3000, levels=400)
    trees = baselines.fit(problem, about, train, 0)[2]
    strange = train.frame.assign(kind="never seen")
    assert np.isfinite(trees.predict(type(train)(train.x, train.y, strange))).all()
    assert metrics.figures(metrics.Rows.of(problem.task, train.y, trees.predict(train)))["roc_auc"] > 0.9


def test_no_more_rows_are_encoded_than_are_learned_from(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, about, train = make.prepared("binary", 500)

    class Encoder:
        def encode(self, frame: pd.DataFrame) -> np.ndarray:
            encoded.append(len(frame))
            return np.asarray(train.x[frame.index])

    encoded: list[int] = []
    monkeypatch.setattr(baselines, "ROWS", 200)
    split = Split(train.y, train.frame, Encoder())
    made = zip(baselines.fit(problem, about, train, 0), baselines.fit(problem, about, split, 0), strict=True)
    assert all(np.array_equal(a.predict(train), b.predict(train)) for a, b in made)
    assert encoded == [200]


def test_a_large_table_is_learned_from_a_sample_that_is_told(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, about, train = make.prepared("binary", 500)
    monkeypatch.setattr(baselines, "ROWS", 200)
    made = baselines.fit(problem, about, train, 0)
    assert [each.rows for each in made] == [500, 200, 200]
    monkeypatch.setattr(baselines, "LEAST", 50)
    monkeypatch.setattr(baselines, "CELLS", 200)
    assert made[0].rows == 500 and [each.rows for each in baselines.fit(problem, about, train, 0)][1:] == [50, 100]


@pytest.mark.parametrize(
    ("task", "most", "lacking"), [("multiclass", 1, [2]), ("multiclass", 0, [1, 2]), ("binary", 0, [1])]
)
def test_a_class_that_the_sample_lacks_has_probability_0(make: Any, task: str, most: int, lacking: list[int]) -> None:
    problem, about, train = make.prepared(task, 60)
    sample = type(train)(train.x, np.minimum(train.y, most), train.frame)
    for each in baselines.fit(problem, about, sample, 0):
        predicted = each.predict(train)
        assert (predicted[:, lacking] == 0).all() and predicted.sum(axis=1) == pytest.approx(1)


def test_a_solver_that_stops_early_is_told(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, about, train = make.prepared("binary")
    assert baselines.fit(problem, about, train, 0)[1].converged is True
    monkeypatch.setattr(baselines, "ITERATIONS", 1)
    assert baselines.fit(problem, about, train, 0)[1].converged is False


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_everything_is_fitted_and_predicted_on_one_thread(
    make: Any, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums are cut by threads."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from threadpoolctl import threadpool_info, threadpool_limits

    seen: list[int] = []

    def watched(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            seen.append(max(pool["num_threads"] for pool in threadpool_info()))
            return method(*arguments, **named)

        return call

    classes, numbers = (LogisticRegression, HistGradientBoostingClassifier), (Ridge, HistGradientBoostingRegressor)
    linear, trees = classes if task == "binary" else numbers
    verb = "decision_function" if task == "binary" else "predict"
    for kind, name in ((linear, "fit"), (trees, "fit"), (trees, verb)):
        monkeypatch.setattr(kind, name, watched(getattr(kind, name)))
    problem, about, train = make.prepared(task)
    with threadpool_limits(2):
        for each in baselines.fit(problem, about, train, 0):
            each.predict(train)
    assert len(seen) == 3 and set(seen) == {1}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Entry]:
    """own("lambda rows: ..."): the line of a baseline that predicts so."""
    monkeypatch.syspath_prepend(tmp_path)

    def line(predict: str) -> Entry:
        name = f"baseline_{abs(hash(predict))}"
        text = f"import numpy as np\ndef fit(problem, train, seed):\n    return {predict}\n"
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return Entry(f"{name}:fit")

    return line


def test_a_baseline_of_ones_own_stands_beside_the_others(make: Any, own: Callable[[str], Entry]) -> None:
    problem, about, train = make.prepared("binary", 300)
    lines = {"half": own("lambda rows: np.full((len(rows.y), 2), 0.5)")}
    made = baselines.fit(problem, about, train, 0, lines)[-1]
    assert (made.name, made.rows, baselines.title(made.name)) == ("half", 300, "half")
    assert (made.predict(train) == 0.5).all()


@pytest.mark.parametrize(
    ("predict", "told"),
    [
        ("lambda rows: np.ones(len(rows.y))", r"gives no finite numbers of the shape \(300, 2\)"),
        ("lambda rows: np.full((len(rows.y), 2), np.nan)", "gives no finite numbers"),
        ("lambda rows: 1 / 0", "fails .ZeroDivisionError"),
        ("train.nothing", "fails .AttributeError"),
    ],
)
def test_a_baseline_of_ones_own_that_is_wrong_is_named(
    predict: str, told: str, make: Any, own: Callable[[str], Entry]
) -> None:
    problem, about, train = make.prepared("binary", 300)
    with pytest.raises(EntryError, match=rf"^the baseline mine .baseline_\d+:fit. {told}"):
        baselines.fit(problem, about, train, 0, {"mine": own(predict)})[-1].predict(train)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("levels", [3, 80], ids=["one-hot", "codes"])
def test_predictions_are_those_of_scikit_learn(make: Any, task: str, levels: int) -> None:
    """Up to the steps in which coefficients and scores are told."""
    from sklearn.linear_model import LogisticRegression, Ridge

    problem, about, train = make.prepared(task, 1500, levels)
    x = baselines._design(problem, train.x)
    if task == "regression":
        expected = Ridge().fit(x, train.y).predict(x)[:, None]
    else:
        expected = LogisticRegression(max_iter=baselines.ITERATIONS).fit(x, train.y).predict_proba(x)
    predicted = baselines.fit(problem, about, train, seed=0)[1].predict(train)
    assert predicted == pytest.approx(expected, abs=1e-4 * problem.task.deviation)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("levels", [3, 80], ids=["one-hot", "codes"])
def test_predictions_are_the_same_however_many_rows_are_taken_at_once(
    make: Any, monkeypatch: pytest.MonkeyPatch, task: str, levels: int
) -> None:
    problem, about, train = make.prepared(task, 401, levels)
    made = baselines.fit(problem, about, train, 0)
    whole = [each.predict(train) for each in made]
    monkeypatch.setattr(baselines, "PIECE", 200)  # two pieces, and one row more
    for each, expected in zip(made, whole, strict=True):
        assert each.predict(train).tobytes() == expected.tobytes()

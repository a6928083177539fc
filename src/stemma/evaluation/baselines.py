"""What simple models reach on the same rows: the figure that a network has to beat.

    majority, mean        the shares of the classes, or the mean, of the training rows
    logistic, ridge       scikit-learn's LogisticRegression or Ridge on the encoded rows, codes as one-hot
    gradient_boosting     scikit-learn's HistGradientBoosting on the raw columns

All with scikit-learn's defaults, on one thread, so that the same rows give the same bytes on any machine's number of
cores; and on any processor: solvers add by BLAS, which ends elsewhere in the last digits where instructions differ, so
what they come to is rounded (STEPS), and predictions are made of it here. Of a large table each learns from a sample of
rows (ROWS, CELLS), and `Baseline.rows` says how many.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stemma import exact
from stemma.entries import Entry, added, naming
from stemma.errors import EntryError
from stemma.tables.arrays import Arrays, Labelled
from stemma.tables.profile import Profile
from stemma.task import Task
from stemma.training.base import Problem
from stemma.values import seconds

Array = NDArray[Any]
Predict = Callable[[Arrays], Array]
ROWS = 100_000  # learned from, at most
CELLS = 10_000_000  # rows * columns * outputs, at most
LEAST = 1_000  # rows are learned from however wide they are
PIECE = 2**17  # rows that are predicted at once
LEVELS = 254  # of a categorical column; HistGradientBoosting takes 255, one is for all others
ITERATIONS = 200  # of the logistic regression, at most
# Of a unit, log odds or standard deviations of the target: coefficients and scores are multiples of 2^-20. Processors
# were seen to differ by 1e-13, by 3e-12 where columns are nearly equal (docs/rebuild.md).
STEPS = 2.0**20
BASELINES = {
    "majority": "class shares", "mean": "mean", "logistic": "logistic regression", "ridge": "ridge regression",
    "gradient_boosting": "gradient boosting",
}  # fmt: skip
NETWORK = "this network"
CONSTANT = ("majority", "mean")  # the same prediction for every row


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline."""

    name: str
    rows: int  # that it learned from
    converged: bool | None  # whether its solver came to an end; None where it has none
    predict: Predict  # probabilities (rows, classes), or values (rows, 1), as a network gives them


def names(task: Task) -> tuple[str, ...]:
    """In the order in which they are shown."""
    return (*(("majority", "logistic") if task.has_classes else ("mean", "ridge")), "gradient_boosting")


def title(name: str) -> str:
    """What people read."""
    return BASELINES.get(name) or name.replace("_", " ")


def fit(
    problem: Problem, about: Profile, train: Labelled, seed: int, own: Mapping[str, Entry] | None = None
) -> tuple[Baseline, ...]:
    """All baselines of a task, fitted to the training rows.

    Args:
        own: those that a project adds: functions of a problem, its training rows and a seed that give a `Predict`.

    Raises:
        EntryError: one of these cannot be loaded or fitted; and as it predicts, what is wrong with that.
    """
    first, linear, trees = names(problem.task)
    encoded = train.taken(sample(len(train.y), problem.inputs * problem.outputs, seed))
    raw = sample(len(train.y), len(about.features) * problem.outputs, seed)
    frame, y = train.frame.iloc[raw], train.y[raw]
    return (
        Baseline(first, len(train.y), None, _constant(problem, train)),
        Baseline(linear, len(encoded.y), *_linear(problem, encoded)),
        Baseline(trees, len(y), None, _in_pieces(_boosting(problem, about, frame, y, seed))),
        *(_own(*line, problem, encoded, seed) for line in lines(own or {}).items()),
    )


def lines(own: Mapping[str, Entry]) -> dict[str, Entry]:
    """Those of a project and of installed packages, beside the toolkit's; raises as `entries.added`."""
    return added("baselines", own, BASELINES)


def _own(name: str, entry: Entry, problem: Problem, train: Arrays, seed: int) -> Baseline:
    learn, which = entry.load(), f"the baseline {name} ({entry.path})"
    with naming(f"{which} fails"):
        predict = _limited(lambda: learn(problem, train, seed))

    def checked(rows: Arrays) -> Array:
        wanted = (len(rows.y), problem.task.width)
        with naming(f"{which} fails"):
            found = np.asarray(_limited(lambda: predict(rows)), np.float64)
        if found.shape != wanted or not np.isfinite(found).all():
            raise EntryError(f"{which} gives no finite numbers of the shape {wanted}")
        return found

    return Baseline(name, len(train.y), None, checked)


def sample(rows: int, width: int, seed: int) -> Array | slice:
    """The places of all rows, or of as many by chance as are allowed at this width."""
    most = min(ROWS, max(LEAST, CELLS // max(1, width)))
    if rows <= most:
        return slice(None)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _constant(problem: Problem, train: Labelled) -> Predict:
    if not problem.task.classes:
        values = np.array([train.y.mean()])
    else:
        values = np.bincount(train.y.astype(np.int64), minlength=len(problem.task.classes)) / len(train.y)
    return lambda rows: np.tile(values, (len(rows.y), 1))


def _linear(problem: Problem, train: Arrays) -> tuple[bool | None, Predict]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    x = _design(problem, train.x)
    if not problem.task.classes:
        ridge = _limited(lambda: Ridge().fit(x, train.y))
        return None, _in_pieces(_by_coefficients(problem, ridge))
    classes = train.y.astype(np.int64)
    if len(present := np.unique(classes)) == 1:  # the solver refuses a sample that lacks all others
        return None, lambda rows: _all_classes(problem, present, np.zeros((len(rows.y), 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told by `converged`
        model = _limited(lambda: LogisticRegression(max_iter=ITERATIONS).fit(x, classes))
    ended = bool(np.max(model.n_iter_) < ITERATIONS)
    predict = _by_coefficients(problem, model)
    return ended, _in_pieces(lambda rows: _all_classes(problem, model.classes_, predict(rows)))


def _in_pieces(predict: Predict) -> Predict:
    """The same, PIECE rows at a time, so that only what comes of it grows with the table."""

    def whole(rows: Arrays) -> Array:
        starts = range(0, max(1, len(rows.y)), PIECE)
        return np.concatenate([predict(rows.taken(slice(start, start + PIECE))) for start in starts])

    return whole


def _by_coefficients(problem: Problem, model: Any) -> Predict:
    """Scores or values (rows, width) of a linear model; no sum of it goes through BLAS."""
    weights = _rounded(problem, np.atleast_2d(model.coef_))
    intercept = _rounded(problem, np.atleast_1d(model.intercept_))

    def predict(rows: Arrays) -> Array:
        x = _design(problem, rows.x)
        scores: Array = np.einsum("ij,kj->ik", x, weights) if isinstance(x, np.ndarray) else x @ weights.T
        return scores + intercept

    return predict


def _rounded(problem: Problem, values: Array) -> Array:
    unit = problem.task.deviation
    return np.asarray(np.round(values / unit * STEPS) / STEPS * unit)


def _design(problem: Problem, x: Array) -> Any:
    """Encoded rows in float64, codes as one-hot; sparse where there are codes."""
    codes = [block for block in problem.blocks if block.kind == "code"]
    if not codes:
        return x.astype(np.float64)
    from scipy import sparse

    plain = np.ones(x.shape[1], bool)
    plain[[block.start for block in codes]] = False
    parts = [sparse.csr_array(x[:, plain].astype(np.float64))]
    for block in codes:
        places = (np.arange(len(x)), x[:, block.start].astype(np.int64))
        parts.append(sparse.csr_array((np.ones(len(x)), places), shape=(len(x), block.size)))
    return sparse.hstack(parts, format="csr")


def _boosting(problem: Problem, about: Profile, frame: pd.DataFrame, y: Array, seed: int) -> Predict:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    levels = {name: _levels(frame[name]) for name, role in about.features if role == "categorical"}
    categorical = [role == "categorical" for _, role in about.features]
    x = _columns(about, frame, levels)
    if not problem.task.classes:
        trees = HistGradientBoostingRegressor(categorical_features=categorical, random_state=seed)
        _limited(lambda: trees.fit(x, y))
        return lambda rows: _scores(problem, trees.predict, _columns(about, rows.frame, levels))
    classes = y.astype(np.int64)
    # Early stopping as by default, unless a class is too rare for its split of the rows.
    early = len(y) > 10_000 and int(np.unique(classes, return_counts=True)[1].min()) > 1
    forest = HistGradientBoostingClassifier(categorical_features=categorical, random_state=seed, early_stopping=early)
    _limited(lambda: forest.fit(x, classes))

    def predict(rows: Arrays) -> Array:
        scores = _scores(problem, forest.decision_function, _columns(about, rows.frame, levels))
        return _all_classes(problem, forest.classes_, scores)

    return predict


def _scores(problem: Problem, predict: Callable[[Array], Array], x: Array) -> Array:
    return _rounded(problem, _limited(lambda: predict(x))).reshape(len(x), -1)


def _columns(about: Profile, frame: pd.DataFrame, levels: dict[str, list[str]]) -> Array:
    """Raw columns (rows, features) as float64: numbers, seconds since 1970, codes of texts; NaN where there is none."""
    made = np.empty((len(frame), len(about.features)))
    for place, (name, role) in enumerate(about.features):
        column = frame[name]
        if role == "categorical":
            made[:, place] = _codes(column, levels[name])
        elif role == "date":
            made[:, place] = seconds(column.to_numpy("datetime64[us]"))
        else:
            made[:, place] = column.to_numpy(np.float64, na_value=np.nan)
    return made


def _levels(column: pd.Series) -> list[str]:
    """The texts of a column, the most frequent first."""
    counts = column.astype(str).value_counts(sort=False)
    return [str(text) for text in counts.sort_index().sort_values(ascending=False, kind="stable").index]


def _codes(column: pd.Series, levels: Sequence[str]) -> Array:
    """Numbers from 0, one for all levels beyond LEVELS; NaN for a text that is none of them."""
    codes = np.asarray(pd.Categorical(column.astype(str), categories=levels).codes, np.float64)
    codes[codes < 0] = np.nan
    return np.minimum(codes, LEVELS)


def _all_classes(problem: Problem, classes: Array, scores: Array) -> Array:
    """Probabilities of every class, 0 for one that the sample lacked, from scores (rows, classes); of two classes from
    those of the second alone."""
    if len(classes) == 2:
        scores = np.column_stack([np.zeros(len(scores)), scores])
    made = np.zeros((len(scores), len(problem.task.classes)))
    parts = exact.exp(scores - scores.max(axis=1, keepdims=True))
    made[:, classes] = parts / parts.sum(axis=1, keepdims=True)
    return made


def _limited(work: Callable[[], Any]) -> Any:
    """On one thread: sums are cut by threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return work()

"""A small tree that answers as the network does, told as rules, with how often it does.

It learns from mixtures of rows, as many as it likes, and is judged on rows as they are, which it has not seen. A number
that is missing counts as less than any other.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from stemma.explain.model import Array, Asked, Model, Table, length
from stemma.explain.told import Explanation, Rule

SAMPLES, LEAVES, LEAST = 4000, 8, 0.02  # rows to learn from; rules at most; share of the rows that each has
Feature = tuple[str, Any]  # a column, and the category that it is; None: of a number


def surrogate(model: Model, rows: Table, asked: Asked) -> Explanation:
    draw, count = np.random.default_rng(asked.seed), length(model.background)
    one, other = draw.integers(count, size=(2, SAMPLES))
    learned = {n: np.where(draw.random(SAMPLES) < 0.5, v[one], v[other]) for n, v in model.background.items()}
    levels = {name: model.levels(name) if kind == "string" else [None] for name, kind in model.kinds.items()}
    features = [(name, level) for name in levels for level in levels[name]]
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=LEAST, random_state=asked.seed)
    tree.fit(_numbers(model, learned, features), model.predict(learned))
    numbers, answers = _numbers(model, rows, features), model.predict(rows)
    told, leaves = tree.predict(numbers).reshape(answers.shape), tree.apply(numbers)
    rules = [_rule(model, path, tree.tree_.value[leaf].reshape(1, -1), answers[leaves == leaf], len(answers))
             for leaf, path in _paths(model, tree.tree_, features)]  # fmt: skip
    return Explanation(rules=tuple(rules), fidelity=_fidelity(model, answers, told))


def _numbers(model: Model, rows: Table, features: list[Feature]) -> Array:
    least = {name: np.nanmin([0, *model.background[name]]) - 1 for name, level in features if level is None}
    filled = {name: np.where(np.isnan(rows[name]), least[name], rows[name]) for name in least}
    return np.column_stack([filled[name] if level is None else rows[name] == level for name, level in features])


def _paths(
    model: Model, made: Any, features: list[Feature], node: int = 0, path: Any = ()
) -> Iterator[tuple[int, Any]]:
    """Each leaf, and the conditions on the way to it, of those of one kind the last, which is the narrowest."""
    left, right = made.children_left[node], made.children_right[node]
    if left == right:
        yield node, tuple(dict(path).values())
        return
    (name, level), threshold = features[made.feature[node]], made.threshold[node]
    for child, is_left in ((left, True), (right, False)):
        told = _condition(model, name, level, threshold, is_left)
        yield from _paths(model, made, features, child, (*path, ((name, level, is_left), told)))


def _condition(model: Model, name: str, level: Any, threshold: float, is_left: bool) -> str:
    if level is not None:
        return f"{name} is {'not ' * is_left}{model.shown(name, level)}"
    missing = " or missing" * (is_left and bool(np.isnan(model.background[name]).any()))
    if model.kinds[name] == "boolean" and threshold > 0:
        return f"{name} is {'false' if is_left else 'true'}{missing}"
    return f"{name} {'<=' if is_left else '>'} {model.shown(name, threshold)}{missing}"


def _rule(model: Model, path: tuple[str, ...], told: Array, answers: Array, rows: int) -> Rule:
    """`told` (1, outputs) by the leaf; `answers`: of those of the rows that come there."""
    (said,) = model.said(told)
    agreed = float(np.mean(np.array(model.said(answers)) == said)) if len(answers) and model.known.classes else None
    return Rule(path, said, len(answers) / rows, agreed)


def _fidelity(model: Model, answers: Array, told: Array) -> float:
    if model.known.classes:
        return float(np.mean(np.array(model.said(answers)) == np.array(model.said(told))))
    spread = ((answers - answers.mean(axis=0)) ** 2).sum()
    return float(1 - ((answers - told) ** 2).sum() / spread) if spread else 1.0

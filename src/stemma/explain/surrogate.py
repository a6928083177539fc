"""A small tree that answers as the network does, told as rules, with how often it does.

It learns from mixtures of rows, as many as it likes, and is judged on rows as they are, which it has not seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stemma.explain.model import Array, Asked, Model, Table, length
from stemma.explain.related import related
from stemma.explain.told import Explanation, Rule

SAMPLES, LEAVES, LEAST = 4000, 8, 0.02  # rows to learn from; rules at most; share of the rows that each has
Feature = tuple[str, Any]  # a column, and the category that it is; None: of a number


@dataclass(frozen=True)
class _Condition:
    """`with_missing`: it holds for what is missing, too."""

    told: str
    with_missing: bool = True


def surrogate(model: Model, rows: Table, asked: Asked) -> Explanation:
    from sklearn.tree import DecisionTreeRegressor

    features = [*_features(model)]
    learned = _mixtures(model, asked.seed)
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=LEAST, random_state=asked.seed)
    tree.fit(_numbers(learned, features), model.predict(learned))
    numbers, answers = _numbers(rows, features), model.predict(rows)
    leaves, told = tree.apply(numbers), tree.predict(numbers).reshape(len(answers), -1)
    rules = tuple(_rule(model, tree.tree_, leaf, path, leaves, answers) for leaf, path in _paths(model, tree, features))
    return Explanation(
        "surrogate", length(rows), length(model.background), asked.seed, rules=rules,
        fidelity=_fidelity(model, answers, told), related=related(model, asked),
    )  # fmt: skip


def _features(model: Model) -> Iterator[Feature]:
    for name, kind in model.kinds.items():
        yield from ((name, level) for level in model.levels(name)) if kind == "string" else [(name, None)]


def _mixtures(model: Model, seed: int) -> dict[str, Array]:
    """Rows that have about half of their columns of one row, and half of another."""
    draw, count = np.random.default_rng(seed), length(model.background)
    one, other = draw.integers(count, size=(2, SAMPLES))
    return {n: np.where(draw.random(SAMPLES) < 0.5, v[one], v[other]) for n, v in model.background.items()}


def _numbers(rows: Table, features: list[Feature]) -> Array:
    return np.column_stack([rows[name] if level is None else rows[name] == level for name, level in features])


def _fidelity(model: Model, answers: Array, told: Array) -> float:
    if model.classes:
        return float((model.decided(answers) == model.decided(told)).mean())
    left, spread = ((answers - told) ** 2).sum(), ((answers - answers.mean(axis=0)) ** 2).sum()
    return float(1 - left / spread) if spread else 1.0


def _paths(model: Model, tree: Any, features: list[Feature]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each leaf, and the conditions on the way to it, of those of one kind the last, which is the narrowest."""
    made, todo = tree.tree_, [(0, dict[tuple[Feature, bool], _Condition]())]
    while todo:
        node, path = todo.pop()
        left, right = made.children_left[node], made.children_right[node]
        if left == right:
            yield node, tuple(each.told for each in path.values())
            continue
        feature = features[made.feature[node]]
        for child, is_left in ((right, False), (left, True)):
            may = all(each.with_missing for (other, _), each in path.items() if other == feature)
            missing = may and bool(made.missing_go_to_left[node]) == is_left
            todo.append(
                (child, path | {(feature, is_left): _condition(model, feature, made.threshold[node], is_left, missing)})
            )


def _condition(model: Model, feature: Feature, threshold: float, is_left: bool, missing: bool) -> "_Condition":
    name, level = feature
    if level is not None:
        return _Condition(f"{name} is {'not ' * is_left}{model.shown(name, level)}")
    with_missing = missing and bool(np.isnan(model.background[name]).any())
    if model.kinds[name] == "boolean":
        told = f"{name} is {'false' if is_left else 'true'}"
    else:
        told = f"{name} {'<=' if is_left else '>'} {model.shown(name, threshold)}"
    return _Condition(told + " or missing" * with_missing, missing)


def _rule(model: Model, made: Any, leaf: int, path: tuple[str, ...], leaves: Array, answers: Array) -> Rule:
    said, own = made.value[leaf].reshape(1, -1), answers[leaves == leaf]
    is_there = len(own) and bool(model.classes)
    agreed = float((model.decided(own) == model.decided(said)).mean()) if is_there else None
    return Rule(path, model.said(said[0]), len(own) / len(answers), agreed)

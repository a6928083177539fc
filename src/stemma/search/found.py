"""What a search found, as plain data."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemma import metrics
from stemma.errors import EvaluationError
from stemma.metrics import Metric
from stemma.search import optimism
from stemma.search.optimism import Optimism
from stemma.search.space import Space
from stemma.search.study import COMPOSED, FAULT, NUMBER, SETTINGS, Place, counts, library
from stemma.search.trial import PARAMETERS, Judged, Table, is_present

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Trial:
    """One trial."""

    number: int  # in the search
    outcome: str  # complete, stopped, failed
    values: tuple[float, ...]  # of the figures; none where it did not come to its end
    drawn: Mapping[str, Any]  # what Optuna drew, by dimension
    settings: tuple[str, ...]  # the same as `dvc exp run -S` takes them
    composed: Mapping[str, Any]  # the sections of params.yaml that it was of
    fault: str | None


@dataclass(frozen=True)
class Found:
    """A study, as far as it came."""

    name: str
    study: str
    figures: tuple[str, ...]  # that were searched by; the first leads
    higher: tuple[bool, ...]  # whether more of each is better
    trials: tuple[Trial, ...]
    best: tuple[Trial, ...]  # one trial, or the front of Pareto, the best by the leading figure first
    keep: tuple[Trial, ...]  # of the best those that are worth an experiment: other settings than the present ones
    importance: Mapping[str, float]
    optimism: Optimism | None  # of the leading figure of the best; None where it cannot be told
    rows: int  # that judged
    settings: tuple[str, ...]  # of every trial

    @property
    def complete(self) -> tuple[Trial, ...]:
        return tuple(each for each in self.trials if each.outcome == "complete")

    @property
    def ranked(self) -> list[Trial]:
        """The complete ones, the best by the leading figure first."""
        return _ranked(self.complete, self.higher[0])


def gather(space: Space, place: Place, known: Table, bins: int) -> Found:
    """Read a study; an EvaluationError where no trial came to its end."""
    study = place.open()
    told = study.get_trials(deepcopy=False)
    made = sorted(filter(None, map(_trial, told)), key=lambda each: each.number)
    higher = tuple(direction == "maximize" for direction in place.directions)
    complete = [each for each in made if each.outcome == "complete"]
    if not complete:
        first = next((each.fault for each in made if each.fault), "none was begun")
        raise EvaluationError(f"no trial of {place.name} came to its end: {first}")
    ranked = _ranked(complete, higher[0])
    if len(higher) > 1:
        front = {each.user_attrs[NUMBER] for each in study.best_trials}
        ranked = [each for each in ranked if each.number in front]
    files = [place.predictions(each) for each in told if each.state.name == "COMPLETE"]
    return Found(
        name=space.name, study=place.name, figures=tuple(each.name for each in known.figures), higher=higher,
        trials=tuple(made), best=tuple(ranked if len(higher) > 1 else ranked[:1]),
        keep=_worth_keeping(space, ranked, known), importance=_importance(study) if len(complete) > 1 else {},
        optimism=_optimism(known, files, bins, higher[0]), rows=len(known.y), settings=space.search.settings,
    )  # fmt: skip


def _ranked(complete: Sequence[Trial], higher: bool) -> list[Trial]:
    return sorted(complete, key=lambda each: -each.values[0] if higher else each.values[0])


def _trial(each: "optuna.trial.FrozenTrial") -> Trial | None:
    """None where it is to be tried again."""
    if not counts(each):
        return None
    fault, settings = each.user_attrs.get(FAULT), tuple(each.user_attrs.get(SETTINGS, ()))
    outcome = "failed" if fault else "complete" if each.state.name == "COMPLETE" else "stopped"
    values = tuple(each.values) if outcome == "complete" else ()
    composed = each.user_attrs.get(COMPOSED, {})
    return Trial(each.user_attrs[NUMBER], outcome, values, each.params, settings, composed, fault)


def _worth_keeping(space: Space, ranked: Sequence[Trial], known: Table) -> tuple[Trial, ...]:
    """As many as the search keeps, each with settings of its own: down to where the present ones stand, or, as on a
    front none is better than another, all but these."""
    kept: dict[tuple[str, ...], Trial] = {}
    for each in ranked:
        if len(kept) == space.search.keep:
            break
        if not is_present(space, each.settings, known):
            kept.setdefault(each.settings, each)
        elif len(known.figures) == 1:
            break
    return tuple(kept.values())


def _importance(study: "optuna.Study") -> dict[str, float]:
    """The share of each dimension (PED-ANOVA, IJCAI 2023; under conditions: KDD 2026)."""
    with warnings.catch_warnings(action="ignore"):  # of few trials: then all are alike
        return {key: float(value) for key, value in library().importance.get_param_importances(study).items()}


def _optimism(known: Table, files: Sequence[Path], bins: int, higher: bool) -> Optimism | None:
    """None where the figure is not of predictions, or predictions are gone."""
    leading = known.figures[0]
    if leading is PARAMETERS or not all(file.is_file() for file in files):
        return None
    trials = [Judged.read(file).rows(known.task, known.y, bins) for file in files]
    return optimism.estimate([partial(_measure, leading, rows) for rows in trials], len(known.y), higher)


def _measure(figure: Metric, rows: Sequence[metrics.Rows], weights: NDArray[np.float64] | None) -> float:
    return float(np.mean([metrics.figures(one, weights, of=(figure,))[figure.name] for one in rows]))

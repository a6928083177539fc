"""The whole of a search: trials in processes of their own, what they found, its report."""

import json
import math
import os
import sys
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemma import conf, layout, runners
from stemma.errors import EvaluationError, MissingExtra, RunnerError, SettingsError, StemmaError
from stemma.evaluation.folds import Tables
from stemma.search import report, space, study, trial
from stemma.search.found import Found, gather
from stemma.search.space import Load, Space
from stemma.search.study import Place
from stemma.search.trial import Table
from stemma.text import figure, say

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Asked:
    """What the command line says; without a name the search of the model in conf/, and else as its file says."""

    name: str | None = None
    trials: int | None = None
    keep: int | None = None
    jobs: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Search:
    """All that a process needs to try settings."""

    space: Space
    tables: Tables
    prepared: Path
    place: Place
    seed: int


def search(root: Path, asked: Asked, tables: Tables, load: Load) -> Found:
    """Try settings until there are as many trials as asked for; one that was cut short goes on.

    Raises:
        SettingsError: the space is wrong. EvaluationError: no trial came to its end, or another search runs.
    """
    called = asked.name or conf.choices(root).get("model") or ""
    where, prepared = space.read(root, called, load), root / layout.PREPARED
    base = where.settings(())
    for name in space.OF_VERSIONS:
        if getattr(base.train, name) is not None:
            raise SettingsError(
                f"train.{name}: no trial reads another version: set it to null, then", run="stemma search"
            )
    if any(getattr(load(root / conf.PARAMS), name) != getattr(base, name) for name in ("data", "prepare")):
        raise SettingsError(
            "params.yaml has other data than conf/, which trials are composed from", run="stemma conf sync"
        )
    known = trial.table(prepared, where.search, base.data, tables)
    place = study.place(where, asked.seed, known.figures, prepared)
    told = {name: value for name, value in (("trials", asked.trials), ("keep", asked.keep)) if value is not None}
    where = replace(where, search=where.search.model_copy(update=told))
    with study.held(place.folder):
        study.interrupt(place.open())
        _tried(Search(where, tables, prepared, place, asked.seed), asked.jobs)
        found = gather(where, place, known, base.evaluate.bins)
        report.write(root / report.FOLDER / called, found)
    return found


def _tried(made: Search, jobs: int) -> None:
    """A process that dies costs its own trial alone: the others' are tried again."""
    opened, until = made.place.open(), time.time() + (made.space.search.seconds or math.inf)
    names = [f"process {number} of {jobs}" for number in range(1, jobs + 1)]
    while (numbers := study.missing(opened, made.space.search.trials)) and time.time() < until:
        taken = get_context("spawn").Value("i", 0)
        try:
            with runners.chosen("local") as runner:
                runner.run(work, [(made, numbers, taken, until, name) for name in names], names, jobs)
        except RunnerError as error:
            if not study.interrupt(opened, error.name if isinstance(error, runners.Died) else ""):
                raise
            say(f"note: {error}; the search goes on without its trial", error=True)


def work(made: Search, numbers: list[int], taken: Any, until: float, name: str) -> None:
    """Try one number after the other, until none is left, or the time is over."""
    opened = made.place.open()
    known = trial.table(made.prepared, made.space.search, made.space.settings(()).data, made.tables)
    present = trial.present(made.space, known)
    while time.time() < until and (number := _next(numbers, taken)) is not None:
        asked = study.ask(opened, made.space, present, made.seed, number)
        asked.set_user_attr(study.WORKER, name)
        say(f"trial {number}: {_try(made, opened, asked, known)}", error=True)


def _next(numbers: list[int], taken: Any) -> int | None:
    with taken.get_lock():
        taken.value += 1
        return numbers[taken.value - 1] if taken.value <= len(numbers) else None


def _try(made: Search, opened: "optuna.Study", asked: "optuna.Trial", known: Table) -> str:
    """Its outcome, in words."""
    optuna = study.library()
    states, several = optuna.trial.TrialState, len(known.figures) > 1
    checkpoint = made.place.folder / f"{asked.number}.safetensors"
    try:
        values, judged = trial.run(asked, made.space, made.tables, known, checkpoint)
        if not all(map(math.isfinite, values)):
            raise EvaluationError(f"{known.figures[0].name} is not defined on the judged rows")
    except optuna.TrialPruned:
        opened.tell(asked, state=states.PRUNED)
        return "stopped, its learning curve is worse than others' were"
    except MissingExtra:  # no trial can be: to count them would leave nothing to try once it is installed
        raise
    except StemmaError as error:
        asked.set_user_attr(study.FAULT, str(error))
        opened.tell(asked, state=states.FAIL if several else states.PRUNED)
        return f"failed: {error}"
    finally:
        checkpoint.unlink(missing_ok=True)
    judged.write(made.place.predictions(asked))
    opened.tell(asked, values)
    told = ", ".join(f"{each.name} {figure(value)}" for each, value in zip(known.figures, values, strict=True))
    return f"{told} of {', '.join(asked.user_attrs[study.SETTINGS])}"


def answer(root: Path, asked: Asked, tables: Tables, load: Load) -> None:
    """For `stemma search`, which started this process: what it goes on with, as JSON. It ends when that one does."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
    found = search(root, asked, tables, load)
    best = [{"number": each.number, "settings": [*found.settings, *each.settings]} for each in found.keep]
    told = {"name": found.name, "study": found.study, "sentence": report.sentence(found), "best": best}
    print(json.dumps(told))

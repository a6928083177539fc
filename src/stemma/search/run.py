"""The whole of a search: trials drawn one after the other and tried by a runner, what they found, its report."""

import json
import math
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from stemma import conf, layout, runners
from stemma.conf.composition import mapping
from stemma.errors import EvaluationError, SettingsError, StemmaError
from stemma.evaluation.folds import Tables
from stemma.evaluation.settings import Settings
from stemma.search import report, space, study, trial
from stemma.search.found import Found, gather
from stemma.search.space import SEARCHED, Load, Space, override
from stemma.search.study import Place
from stemma.search.trial import Common, Ended, Table
from stemma.text import say

if TYPE_CHECKING:
    import optuna

SCRATCH = "checkpoints"  # in the folder of a search


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
    """What is tried, and where that is recorded."""

    space: Space
    common: Common
    known: Table
    opened: "optuna.Study"
    place: Place
    seed: int
    prepared: Path  # the folder of the rows
    states: list[tuple[Path, tuple[int, ...] | None]]  # of all that trials are made of

    def check(self) -> None:
        """Nothing, if what trials are made of is as it was when the first one began; an EvaluationError otherwise."""
        if study.states(self.space, self.prepared) == self.states:
            return
        now = study.place(self.space, self.seed, self.known.figures, self.prepared)
        if now.name != self.place.name:
            what = "conf/, the code or data/prepared changed while trials ran, and those that ran are not recorded"
            raise EvaluationError(what, run="stemma search")


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
    try:
        known = trial.table(prepared, where.search, base.data, tables)
    except SettingsError as error:
        raise SettingsError(f"{where.file}: {error}") from None
    states = study.states(where, prepared)
    place = study.place(where, asked.seed, known.figures, prepared)
    told = {name: value for name, value in (("trials", asked.trials), ("keep", asked.keep)) if value is not None}
    where = replace(where, search=where.search.model_copy(update=told))
    with study.held(place.folder):
        opened = place.open()
        study.interrupt(opened)
        common = Common(tables, where.search, known.parts, place.folder / SCRATCH)
        _tried(Search(where, common, known, opened, place, asked.seed, prepared, states), base, asked.jobs)
        found = gather(where, place, known, base.evaluate.bins)
        report.write(root / report.FOLDER / called, found)
    return found


def _tried(made: Search, base: Settings, jobs: int) -> None:
    """A process that dies costs its own trial alone."""
    asked: list[optuna.Trial] = []
    made.common.scratch.mkdir(exist_ok=True)
    try:
        with (
            runners.chosen(base.runner.name, base.runner.address) as runner,
            closing(runner.stream(partial(trial.run, made.common), _drawn(made, asked), jobs)) as ended,
        ):
            for number, outcome in ended:
                made.check()
                told = _record(made, asked[number], outcome)
                say(f"trial {asked[number].user_attrs[study.NUMBER]}: {told}", error=True)
    finally:
        shutil.rmtree(made.common.scratch)


def _drawn(made: Search, asked: list["optuna.Trial"]) -> Iterator[runners.Job]:
    """A job for each trial that is to be tried yet, unless the time is over. Those that jobs are of are `asked`."""
    until = time.time() + (made.space.search.seconds or math.inf)
    present = trial.present(made.space, made.known)
    for number in study.missing(made.opened, made.space.search.trials):
        if time.time() >= until:
            return
        one = study.ask(made.opened, made.space, present, made.seed, number)
        chosen = [override(key, value) for key, value in trial.drawn(one, made.space.search.space).items()]
        one.set_user_attr(study.SETTINGS, chosen)
        try:
            text = made.space.text(chosen)
            composed = mapping(text, "conf/")
            one.set_user_attr(study.COMPOSED, {section: composed[section] for section in SEARCHED})
            settings = made.space.loaded(text)
        except StemmaError as error:
            made.check()
            say(f"trial {number}: {_record(made, one, Ended((), fault=str(error)))}", error=True)
            continue
        asked.append(one)
        yield f"trial {number}", (settings, study.complete(made.opened))


def _record(made: Search, asked: "optuna.Trial", ended: Ended | runners.Died) -> str:
    """Tell Optuna how a trial came to its end; the same in words."""
    states, figures = study.library().trial.TrialState, made.known.figures
    if isinstance(ended, runners.Died):
        ended = Ended((), fault=f"its process {ended.how}")
    for epoch, loss in ended.curve:
        asked.report(loss, epoch)
    if ended.fault is not None:
        asked.set_user_attr(study.FAULT, ended.fault)
        made.opened.tell(asked, state=states.FAIL if len(figures) > 1 else states.PRUNED)
        return f"failed: {ended.fault}"
    if ended.judged is None:
        made.opened.tell(asked, state=states.PRUNED)
        return "stopped, its learning curve is worse than others' were"
    ended.judged.write(made.place.predictions(asked))
    made.opened.tell(asked, ended.values)
    names = [each.name for each in figures]
    told = ", ".join(f"{name} {trial.shown(name, value)}" for name, value in zip(names, ended.values, strict=True))
    return f"{told} of {', '.join(asked.user_attrs[study.SETTINGS])}"


def answer(root: Path, asked: Asked, tables: Tables, load: Load) -> None:
    """For `stemma search`, which started this process: what it goes on with, as JSON. It ends when that one does."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
    found = search(root, asked, tables, load)
    best = [
        {"number": each.number, "settings": [*found.settings, *each.settings], "composed": each.composed}
        for each in found.keep
    ]
    told = {"name": found.name, "study": found.study, "sentence": report.sentence(found), "best": best}
    print(json.dumps(told))

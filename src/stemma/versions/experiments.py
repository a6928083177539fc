"""DVC's experiments beside the commits that they were made on: which settings changed, and what that moved."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from stemma import conf
from stemma.conf.hydra_yaml import parse, read_text
from stemma.errors import SettingsError
from stemma.evaluation.results import main_figure, told
from stemma.repo.git import commit_of
from stemma.repo.git import dates as dates_of
from stemma.repo.repository import Repo, Repository, Revision, Version, opened
from stemma.task import KINDS
from stemma.versions.best import Facts
from stemma.versions.diff.settings import MetricMove, Setting, metric_moves, settings_that_differ
from stemma.versions.doctor import untrue

SAVED = ("noted",)  # the check that finds what `dvc exp save` saved and did not run; all of them take six times as long
Options = Mapping[str, Mapping[str, Any]]  # of groups, by their names


@dataclass(frozen=True)
class Experiment:
    """An experiment beside the commit that it was made on."""

    name: str
    commit: str
    date: datetime
    # that are others than in its base; of a group of conf/ its option, where that says it in fewer words
    settings: tuple[Setting, ...]
    # of reports/metrics.json, by name (roc_auc is that of the test rows), each against its base's
    figures: Mapping[str, MetricMove]
    alike: bool  # whether its base was judged on the same: target and task, table, test rows. Else no figure has moved
    untrue: tuple[str, ...]  # what of it is not what made its model, in words


@dataclass(frozen=True)
class Base:
    """A commit, and the experiments on it, the newest first. Args: figures: its own."""

    name: str
    commit: str
    figures: Mapping[str, float]
    experiments: tuple[Experiment, ...]


@dataclass(frozen=True)
class Experiments:
    """DVC's experiments, by the commits that they were made on."""

    main: str | None  # the figure that the newest experiment was judged by; None where none has figures
    shown: tuple[str, ...]  # those that people see first, the main one before the others
    bases: tuple[Base, ...]
    elsewhere: int  # experiments on commits that are not shown


def experiments(repo: Repo = ".", *, all: bool = False) -> Experiments:
    """The experiments on HEAD.

    Args:
        all: on every commit instead; the newest first.

    Raises:
        VersionError: a version cannot be read.
    """
    repository = opened(repo)
    made = repository.experiments_by_base
    head = commit_of(repository.root, "HEAD")
    wanted = {base: named for base, named in made.items() if all or base == head}
    dates = dates_of(repository.root, [commit for named in wanted.values() for commit, _ in named])
    order = {commit: place for place, commit in enumerate(dates)}
    options = _options(repository.root)
    bases = [
        _base(repository, base, sorted(wanted[base], key=lambda one: order[one[0]]), dates, options) for base in wanted
    ]
    bases.sort(key=lambda base: order[base.experiments[0].commit])
    main, shown = _figures(Version(repository, Revision("", next(iter(dates))))) if dates else (None, ())
    return Experiments(
        main=main,
        shown=shown,
        bases=tuple(bases),
        elsewhere=sum(len(named) for base, named in made.items() if base not in wanted),
    )


def _figures(newest: Version) -> tuple[str | None, tuple[str, ...]]:
    """The main figure of a version, and those that people see first."""
    facts = Facts(newest, "")
    main = main_figure(facts.of("evaluation"), facts.metrics)
    kind = KINDS.get(told(facts.of("settings"), "data", "task"))
    return main, () if main is None else tuple(dict.fromkeys((main, *(() if kind is None else kind.shown))))


def _options(root: Path) -> Options:
    """What each file of a group in conf/ sets, by the group."""
    found: dict[str, dict[str, Any]] = {}
    with suppress(SettingsError):  # no experiment is hidden by a conf/ that is being edited
        for file in sorted(conf.source(root).folder.glob("*/*.yaml")):
            found.setdefault(file.parent.name, {})[file.stem] = parse(read_text(file), file.name)
    return found


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], options: Options) -> tuple[Setting, ...]:
    found = settings_that_differ(before, after)
    for group, files in options.items():
        own = tuple(each for each in found if each.key.startswith(f"{group}."))
        now = {group: after.get(group)}
        ways = [(Setting(group, None, name), *settings_that_differ({group: tree}, now)) for name, tree in files.items()]
        fewest = min(ways, key=len, default=own)
        if len(fewest) < len(own):
            found = (*fewest, *(each for each in found if each not in own))
    return found


def _base(
    repository: Repository,
    commit: str,
    named: Sequence[tuple[str, str]],
    dates: Mapping[str, datetime],
    options: Options,
) -> Base:
    """Args: named: commit and name of each experiment, the newest first."""
    name = "HEAD" if commit == commit_of(repository.root, "HEAD") else commit[:7]
    facts = Facts(Version(repository, Revision(name, commit)), name)
    each = [(Facts(Version(repository, Revision(name, one)), name), dates[one]) for one, name in named]
    return Base(name, commit, facts.metrics, tuple(_experiment(facts, *one, options) for one in each))


def _experiment(base: Facts, own: Facts, date: datetime, options: Options) -> Experiment:
    alike = base.prepared == own.prepared or base.judged == own.judged
    before = base.metrics if alike else {}
    moves = metric_moves(before, own.metrics, told(base.of("evaluation"), "test"))
    return Experiment(
        name=own.name,
        commit=str(own.version.commit),
        date=date,
        settings=_changed(base.of("settings") or {}, own.of("settings") or {}, options),
        figures={move.key: move for move in moves},
        alike=alike,
        untrue=untrue(own.version, SAVED),
    )

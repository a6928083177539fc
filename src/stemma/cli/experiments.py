"""`stemma experiments`: DVC's experiments, in few columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from stemma.cli.here import repository
from stemma.cli.options import flag
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer, titled
from stemma.text import counted, few, figure, short, signed

if TYPE_CHECKING:
    from stemma.versions.experiments import Base, Experiment, Experiments

FIGURES = 3  # shown beside each other
SETTINGS = 4  # of an experiment
WITHIN = "~: inside the 95 % interval of the base's figure"
OTHERWISE = "no move: judged by another target, or on another table or other test rows"
EXAMPLE = "dvc exp run -S train.learning_rate=0.01"


def experiments(
    all: Annotated[bool, flag("--all", "On every commit, with all figures that people see first.")] = False,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Show DVC's experiments on HEAD: main figures, their move against the commit, and the settings that changed.

    Example: stemma experiments --all --md
    """
    from stemma.versions.experiments import experiments

    found = experiments(repository(), all=all)
    answer(found, lambda: report(found, found.shown if all else found.shown[:FIGURES]), as_json, as_md)


def report(found: "Experiments", shown: tuple[str, ...]) -> Report:
    """A table for each commit; one line where there is no experiment."""
    other = f"{counted(found.elsewhere, 'experiment')} on other commits: run `stemma experiments --all`"
    if not found.bases:
        return [other if found.elsewhere else f"no experiment is here: run `{EXAMPLE}`"]
    tables = [(base.name, _table(base, shown)) for base in found.bases]
    every = [each for base in found.bases for each in base.experiments]
    wrong = [each.name for each in every if each.untrue]
    notes = {
        WITHIN: any(each.figures[name].within for each in every for name in shown[:1] if name in each.figures),
        OTHERWISE: not all(each.alike for each in every),
        f"not what made its model: {few(wrong)}: run `stemma doctor {''.join(wrong[:1])}`": wrong,
        other: found.elsewhere,
    }
    shown_tables = titled(tables) if len(tables) > 1 else [tables[0][1]]
    return [*shown_tables, *(note for note, holds in notes.items() if holds)]


def _table(base: "Base", shown: tuple[str, ...]) -> Table:
    own = (base.name, "", *_beside([figure(base.figures.get(name)) for name in shown], ""))
    head = ("experiment", "changed settings", *_beside(shown, "move"))
    return Table(head, [own, *(_row(each, shown) for each in base.experiments)], left=2)


def _row(each: "Experiment", shown: tuple[str, ...]) -> tuple[str, ...]:
    moves = [each.figures.get(name) for name in shown]
    first = moves[0] if moves else None
    moved = "" if first is None or first.move is None else f"{signed(first.move)}{' ~' * bool(first.within)}"
    set_first = sorted(each.settings, key=lambda setting: setting.after is None)  # of another model some are gone
    shown_as = [f"{one.key}={short('-' if one.after is None else one.after, 30)}" for one in set_first]
    changed = few(shown_as, SETTINGS)
    return (each.name, changed, *_beside([figure(None if move is None else move.after) for move in moves], moved))


def _beside(figures: Sequence[str], move: str) -> tuple[str, ...]:
    """The move stands behind the main figure, the first."""
    return (figures[0], move, *figures[1:]) if figures else ()

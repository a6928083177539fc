"""What is wrong with a version, for `stemma doctor`: every check, what it found, and what helps.

- `network`  the weights and the units
- `results`  the figures
- `rows`     the prepared rows
- `rebuilt`  a run that was to give what HEAD has
- `state`    settings, objects, environment

To add a check: a function in one of them that takes a Version and yields a Finding for each fault, or raises Skipped
where there is nothing to look at; and a line in CHECKS. A project has its own in the table CHECKS of its
extensions/checks, whose code runs only where the repository is trusted.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stemma.entries import Entry, added, installed, naming
from stemma.errors import EntryError, StemmaError
from stemma.repo.repository import WORKSPACE, Repo, Repository, Version, no_model, opened
from stemma.text import in_one_line
from stemma.versions import own
from stemma.versions.doctor import network, rebuilt, results, rows, state
from stemma.versions.doctor.finding import Finding, Skipped

__all__ = ["CHECKS", "Diagnosis", "Finding", "Skipped", "doctor", "examine", "untrue"]

Check = Callable[[Version], Iterable[Finding]]
TABLE = "src/*/extensions/checks/__init__.py"  # of a project's own checks; one file beside it or more

CHECKS: dict[str, Check] = {
    "finite": network.weights_are_finite,
    "norms": network.norms_are_ordinary,
    "moved": network.layers_have_moved,
    "dead-units": network.units_are_alive,
    "gap": results.training_and_validation_agree,
    "believable": results.figures_are_believable,
    "imbalance": results.imbalance_is_met,
    "calibration": results.probabilities_are_calibrated,
    "groups": results.groups_are_treated_alike,
    "robust": results.worse_rows_are_borne,
    "seen-rows": rows.test_rows_are_new,
    "split-drift": rows.splits_are_alike,
    "conf": state.conf_is_composed,
    "results": state.results_are_of_these_settings,
    "edited": state.files_are_those_that_stages_had,
    "noted": state.weights_are_of_the_settings_that_dvc_noted,
    "judged": state.figures_are_of_these_weights_and_rows,
    "rebuilt": rebuilt.results_are_those_of_head,
    "outputs": state.outputs_are_there,
    "files": state.weights_are_those_of_their_index,
    "objects": state.objects_are_in_reach,
    "remote": state.remote_is_complete,
    "toolkit": state.toolkit_is_the_locked_one,
    "pins": state.packages_are_the_pinned_ones,
    "environment": state.environment_is_the_recorded_one,
}


OF_THE_RECORD = ("results", "edited", "noted", "judged")  # what makes a version tell what was not so
UNREADABLE = "readable"  # no check of the table: of what a check asked for and could not have


@dataclass(frozen=True)
class Diagnosis:
    revision: str  # as it was asked for
    findings: tuple[Finding, ...]  # errors first
    passed: tuple[str, ...]  # names of the checks that found nothing
    skipped: Mapping[str, str]  # why a check had nothing to look at, by its name

    @property
    def errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        return len(self.findings) - self.errors

    def is_sound(self, strict: bool = False) -> bool:
        """No errors; with `strict`, no warnings either."""
        return not self.findings if strict else not self.errors


def doctor(repo: Repo = ".", revision: str = WORKSPACE) -> Diagnosis:
    """Examine one version; a VersionError where there is no such revision, or nothing of it could be examined."""
    version = opened(repo).version(revision)
    found = examine(version, CHECKS | _loaded(installed("checks")))
    if not found.findings and not found.passed:
        raise no_model(version)
    tables = [table for table in sorted(version.repository.root.glob(TABLE)) if list(table.parent.glob("[!_]*.py"))]
    return _joined([found, *(_by_own(version, table) for table in tables)])


def untrue(version: Version, checks: Iterable[str] = OF_THE_RECORD) -> tuple[str, ...]:
    """What a commit holds that is not what made its model, in words; a work tree is still worked on."""
    if version.commit is None:
        return ()
    found = examine(version, {name: CHECKS[name] for name in checks}).findings
    certain = (each for each in found if each.severity == "error" and each.check != UNREADABLE)
    return tuple(f"{each.what} ({each.evidence})" for each in certain)


def _by_own(version: Version, table: Path) -> Diagnosis:
    """What the checks of the work tree's project find; they are not run unless the repository is trusted."""
    root, package = version.repository.root, table.parents[2].name
    try:
        with own.code(Repository(root).version(WORKSPACE), "a check of the project's own") as source:
            found: Diagnosis = own.run(_examine_by_own, "own checks", source, package, root, version.name)
            return found
    except StemmaError as error:
        return Diagnosis(version.name, (), (), {"own checks": str(error)})


def _examine_by_own(package: str, root: Path, revision: str) -> Diagnosis:
    """Where the project's code can be imported."""
    lines = Entry(f"{package}.extensions.checks:CHECKS").load()
    added("checks", lines, CHECKS)
    return examine(Repository(root).version(revision), _loaded(lines))


def _loaded(lines: Mapping[str, Entry]) -> dict[str, Check]:
    def loaded(name: str, entry: Entry) -> Check:
        def check(version: Version) -> list[Finding]:
            with naming(f"the check {name} ({entry.path}) fails"):
                found = list(entry.load()(version))
            if not all(isinstance(each, Finding) for each in found):
                raise EntryError(f"the check {name} ({entry.path}) gives what is no Finding")
            return found

        return check

    return {name: loaded(name, entry) for name, entry in lines.items()}


def _joined(parts: list[Diagnosis]) -> Diagnosis:
    findings = sorted((each for part in parts for each in part.findings), key=lambda each: each.severity != "error")
    passed = tuple(name for part in parts for name in part.passed)
    skipped = {name: why for part in parts for name, why in part.skipped.items()}
    return Diagnosis(parts[0].revision, tuple(findings), passed, skipped)


def examine(version: Version, checks: Mapping[str, Check] = CHECKS) -> Diagnosis:
    findings: list[Finding] = []
    passed, skipped = [], {}
    unread: dict[str, Finding] = {}  # by its reason: one file out of reach stops several checks
    for name, check in checks.items():
        try:
            found = list(check(version))
        except Skipped as reason:
            skipped[name] = str(reason)
        except EntryError as error:
            remedy = "mend it, or take its line out of the table CHECKS"
            findings.append(Finding("error", name, "the check itself fails", error.what, remedy))
        except StemmaError as error:
            skipped[name] = f"it cannot be read ({error.what})"
            unread.setdefault(error.what, _unreadable(error.what, error.run))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            told = f"a file of the version has another form ({type(error).__name__}: {in_one_line(error)})"
            skipped[name] = told
            unread.setdefault(told, _unreadable(told, None))
        else:
            findings += found
            passed += [] if found else [name]
    ordered = sorted([*findings, *unread.values()], key=lambda finding: finding.severity != "error")
    return Diagnosis(version.name, tuple(ordered), tuple(passed), skipped)


def _unreadable(what: str, run: str | None) -> Finding:
    """A part that is damaged or out of reach."""
    remedy = f"run `{run}`" if run else "make the version again"
    return Finding("error", UNREADABLE, "a part of the version cannot be read", what, remedy)

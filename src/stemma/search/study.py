"""The record of a search, in Optuna's storage: what was tried, what is to be tried yet, what was cut short.

A trial is drawn from the seed, its number in the search and the trials before it. So a search with one process gives
the same trials twice, also where it was killed and goes on.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemma import files
from stemma.errors import EvaluationError, MissingExtra
from stemma.files import state
from stemma.metrics import Metric
from stemma.search.settings import SearchSettings, contains
from stemma.search.space import Space, override

if TYPE_CHECKING:
    import optuna

FOLDER = Path("models/search")  # a folder for each search, which Git ignores
VARIABLE = "OPTUNA_STORAGE"  # of the environment, as Optuna's own commands have it: a URL may hold a password
NUMBER, SETTINGS, COMPOSED, FAULT = "number", "settings", "composed", "fault"  # what a trial says of itself
RANDOM_FIRST = 8  # trials by chance before the sampler learns


@dataclass(frozen=True)
class Place:
    """Where a study is, and how it goes on; any process can open it."""

    folder: Path
    name: str
    directions: tuple[str, ...]

    def open(self) -> "optuna.Study":
        """The study; a new one where there is none."""
        create_study, url = library().create_study, os.environ.get(VARIABLE)
        made = {"directions": list(self.directions), "load_if_exists": True}
        try:
            study: optuna.Study = create_study(study_name=self.name, storage=url or _journal(self.folder), **made)
        except Exception as error:  # of any database's driver, which may tell the URL
            kind = f"{VARIABLE if url else self.folder}: {type(error).__name__}"
            raise EvaluationError(f"the storage of the search cannot be opened ({kind})") from error
        return study

    def predictions(self, trial: Any) -> Path:
        return self.folder / self.name / f"{trial.number}.npz"


def library() -> Any:
    """Optuna, quiet; a MissingExtra where it is not installed."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise MissingExtra("optuna", "search") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def place(space: Space, seed: int, figures: Sequence[Metric], prepared: Path) -> Place:
    """The study of a search on these rows, settings and code: others are another study, in the same storage."""
    content = hashlib.sha256()
    base = space.composed(space.search.settings)
    decides = [space.search.deciding(), space.options(), seed, [base[each] for each in ("model", "train", "evaluate")]]
    content.update(json.dumps(decides, sort_keys=True, default=str).encode())
    for file in _files(space, prepared):
        content.update(file.relative_to(space.root).as_posix().encode() + hashlib.sha256(file.read_bytes()).digest())
    directions = tuple(map(direction, figures))
    return Place(space.root / FOLDER / space.name, f"{space.name}-{content.hexdigest()[:8]}", directions)


def states(space: Space, prepared: Path) -> list[tuple[Path, tuple[int, ...] | None]]:
    """When what `place` reads has changed, file by file: that is asked after each trial, and rows may be gigabytes."""
    return [(file, state(file)) for file in (*_files(space, prepared), *sorted((space.root / "conf").rglob("*.yaml")))]


def _files(space: Space, prepared: Path) -> list[Path]:
    found = [*prepared.glob("*"), *(space.root / "src").rglob("*.py"), space.root / "stemma.lock"]
    return sorted(file for file in found if file.is_file())


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder for one search at a time; what a killed one left half done is put right.

    Raises:
        EvaluationError: another one runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with files.held(folder / "lock") as is_ours:
        if not is_ours:
            raise EvaluationError(f"a search runs in {folder}: wait for its end")
        _mended(folder)
        yield


def interrupt(study: "optuna.Study") -> None:
    """Close the trials that were cut short: they are tried again."""
    states = library().trial.TrialState
    for trial in study.get_trials(states=(states.RUNNING,)):
        study.tell(trial.number, state=states.FAIL)


def complete(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    """Those whose learning curves others are held beside."""
    return study.get_trials(states=(library().trial.TrialState.COMPLETE,))


def beside(others: Sequence["optuna.trial.FrozenTrial"], figure: Metric) -> "optuna.Trial":
    """A trial that nobody records, to be held beside others by the median of their curves, on whatever machine.

    Golovin et al., Google Vizier, KDD 2017.
    """
    pruner = library().pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=5)
    study: optuna.Study = library().create_study(direction=direction(figure), pruner=pruner)
    study.add_trials(others)
    return study.ask()


def direction(figure: Metric) -> str:
    return "maximize" if figure.better == "higher" else "minimize"


def missing(study: "optuna.Study", trials: int) -> list[int]:
    """The numbers in the search that are to be tried yet."""
    done = {trial.user_attrs.get(NUMBER) for trial in study.get_trials(deepcopy=False) if counts(trial)}
    return [number for number in range(trials) if number not in done]


def counts(trial: "optuna.trial.FrozenTrial") -> bool:
    """Whether a trial came to an end of its own."""
    return trial.state.name in ("COMPLETE", "PRUNED") or FAULT in trial.user_attrs


def ask(study: "optuna.Study", space: Space, present: Mapping[str, Any], seed: int, number: int) -> "optuna.Trial":
    """The trial of this number; the first is of the settings as they are, as far as the space holds them."""
    study.sampler = _sampler(space.search, seed, number)
    if number == 0:
        with warnings.catch_warnings(action="ignore"):  # that it is an experiment of Optuna's
            study.sampler = library().samplers.PartialFixedSampler(_within(space.search, present), study.sampler)
    trial = study.ask()
    trial.set_user_attr(NUMBER, number)
    return trial


def _sampler(search: SearchSettings, seed: int, number: int) -> Any:
    samplers, drawn = library().samplers, int(np.random.default_rng([seed, number]).integers(2**32))
    if search.sampler == "random":
        return samplers.RandomSampler(seed=drawn)
    return samplers.TPESampler(seed=drawn, n_startup_trials=RANDOM_FIRST)


def _within(search: SearchSettings, present: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the present values that the space holds, as Optuna has them."""
    held = {key: each for key, each in search.space.items() if contains(each, present.get(key))}
    return {key: present[key] if each.choices is None else override(key, present[key]) for key, each in held.items()}


def _journal(folder: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(folder / "journal.log")))


def _mended(folder: Path) -> None:
    """A line that was cut by a kill or a full disk spoils what any process wrote behind it; a lock of Optuna's would be
    waited for."""
    (folder / "journal.log.lock").unlink(missing_ok=True)
    with suppress(FileNotFoundError), (folder / "journal.log").open("rb+") as file:
        file.truncate(sum(map(len, takewhile(_is_whole, file.readlines()))))


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return line.endswith(b"\n")

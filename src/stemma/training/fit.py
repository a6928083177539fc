"""The fit, told once for both frameworks: epochs, learning rate, early stopping, checkpoint, a stop when it goes wrong.

Everything random in an epoch follows from the seed and the epoch's number. So an interrupted fit goes on from its last
epoch without any generator's state, to the same bytes as one that was never interrupted.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.entries import naming
from stemma.errors import EntryError, TrainingError
from stemma.text import counted, say
from stemma.training import inputs, objective, rows, shrink
from stemma.training.base import Draw, Epoch, Fit, Floats, Given, Network, Rows, Session, State
from stemma.training.own import Schedule
from stemma.training.progress import Checkpoint, Progress, identity
from stemma.training.settings import Settled, TrainSettings

EXPLODED = 1e4  # times the loss of the untrained network
TRIED = 32  # rows that a network is tried out with
STEPS = 48  # of an epoch, where the batch size is not set
MOST_EPOCHS, FEWEST_EPOCHS = 60, 3  # where their number is not set; in fewer the learning rate does not come down
PASSED = 5_000_000  # rows that these epochs go through together, but for the fewest
DECAY, STRONG_DECAY = 0.001, 1.0  # where weight decay is not set
WIDE, ROWS_PER_INPUT = 64, 50  # a table of more inputs, and of fewer rows for each, has the strong one
Failing = Callable[[], contextlib.AbstractContextManager[None]]  # says in a line what fails within


def run(
    network: Network,
    given: Given,
    validation: Rows,
    checkpoint: Path,
    watch: Callable[[Epoch], None] = lambda epoch: None,
) -> Fit:
    """Fit a network to what is given, judged on `validation` after every epoch.

    Args:
        checkpoint: file that holds the last finished epoch, so that an interrupted fit can go on.
        watch: called after every epoch, and for each earlier one when a fit is resumed.

    Raises:
        TrainingError: the loss is not finite or explodes, the device is not there, or the checkpoint is of another fit.
        EntryError: the network, or its device, fails.
    """
    settings = settled(given.settings, given.train.x)
    given = replace(given, settings=settings)
    failing = partial(naming, _failure(network, len(given.train.x), settings), partial(_failed, network))
    with _session(network, given, failing) as session:
        with failing():
            untrained = network.problem.task.losses(network.scores(validation.x), validation.y)
        arrays, start = rows.of(network.problem, given) if rows.are_changed(settings) else None, network.tensors()
        limit = EXPLODED * max(1.0, float(untrained.mean()))
        saved = Checkpoint(checkpoint, identity(network, given, validation, session), session)
        progress = _begun(saved, start, settings, watch)
        first = None if settings.patience is None else shrink.ramp(settings)
        while not progress.is_over(settings):
            draw = _draw(network, given, arrays, settings, len(progress.epochs))
            with failing():
                loss = session.run_epoch(draw)
            number = len(progress.epochs) + 1
            with shrink.kept(network, progress.mean, draw.masks, settings, number) as mean:
                with failing():
                    epoch = _epoch(number, network, loss, validation, draw.rate)
                if not (epoch.train_loss < limit and epoch.validation_loss < limit):
                    saved.read()
                    raise _stopped(epoch, session.find_fault(draw), settings)
                progress = progress.after(epoch, network, mean, first)
            saved.write(progress)
            watch(epoch)
    network.set_tensors(progress.weights)
    return _told(progress, start, settings)


def try_out(network: Network, x: Floats) -> None:
    """Nothing, if a network not yet fitted gives as many scores as the task needs; columns whose codes it takes as
    numbers are told.

    Raises:
        TrainingError: it gives another number of scores.
        EntryError: it fails.
    """
    x, name, wanted = x[:TRIED], network.settings.name, network.problem.outputs
    with naming(f"the network {name} fails"):
        scores = network.scores(x)
        if scores.shape != (len(x), wanted):
            raise TrainingError(
                f"the network {name} gives the shape {scores.shape} for {counted(len(x), 'row')}: its last layer must "
                f"give self.problem.outputs numbers a row, here {wanted}"
            )
        numbers = [code.name for code in inputs.codes(network.problem) if _matters(network, x, scores, code.start)]
    if numbers:
        say(
            f"note: the network {name} takes the codes of {', '.join(numbers)} as numbers, though their order means "
            "nothing: an embedding gives each level a vector (docs/models.md)",
            error=True,
        )


def _matters(network: Network, x: Floats, scores: Floats, place: int) -> bool:
    """Whether a code that is moved by less than to the next one gives other scores: not if it is looked up."""
    moved = x.copy()
    moved[:, place] += 0.25
    return not np.array_equal(network.scores(moved), scores, equal_nan=True)


def _begun(saved: Checkpoint, start: State, settings: Settled, watch: Callable[[Epoch], None]) -> Progress:
    """That of an interrupted fit, whose epochs are told again, or none yet."""
    if settings.resume and saved.path.exists():
        progress = saved.read()
        for epoch in progress.epochs:
            watch(epoch)
        return progress
    progress = Progress((), 0, start)
    saved.write(progress)
    return progress


@contextlib.contextmanager
def _session(network: Network, given: Given, failing: Failing) -> Iterator[Session]:
    with failing():
        session = network.session(given)
    with contextlib.closing(session):
        yield session


def _failure(network: Network, rows: int, settings: Settled) -> str:
    what = f"the network {network.settings.name} fails in training"
    if rows % settings.batch_size == 1:
        what += "; its last batch has one row, which a layer that normalises may refuse: set train.batch_size"
    return what


def _failed(network: Network, what: str) -> EntryError:
    """A GPU may be full of what others compute, or unknown to the framework's build."""
    is_cpu = "cpu" in str(network.device).lower()
    return EntryError(what, run=None if is_cpu else "dvc exp run -S train.device=cpu")


def _told(progress: Progress, start: State, settings: TrainSettings) -> Fit:
    still = frozen(start, settings)
    moved = {name: _distance(start[name], tensor) for name, tensor in progress.weights.items() if name not in still}
    return Fit(progress.epochs, progress.kept, still, moved)


def frozen(names: Iterable[str], settings: TrainSettings) -> tuple[str, ...]:
    """Those of the tensors that train.freeze names; a TrainingError where a pattern matches none, or all are frozen."""
    names = list(names)
    for pattern in settings.freeze:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise TrainingError(f"train.freeze: {pattern!r} matches no tensor of the network ({', '.join(names)})")
    found = tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in settings.freeze))
    if len(found) == len(names):
        raise TrainingError(f"train.freeze: {', '.join(settings.freeze)} leaves no tensor to train")
    return found


def _distance(before: NDArray[Any], after: NDArray[Any]) -> float:
    """L2 norm of the change over that of the start; over 1 where the start is 0."""
    before, after = before.astype(np.float64), after.astype(np.float64)
    return _norm(after - before) / (_norm(before) or 1.0)


def _norm(tensor: NDArray[Any]) -> float:
    """By a sum of NumPy's: BLAS adds as the processor can."""
    return math.sqrt(np.square(tensor).sum())


def settled(settings: TrainSettings, train: Floats) -> Settled:
    """The settings with what they leave to the encoded training rows (rows, inputs).

    epochs: MOST_EPOCHS, or fewer, but FEWEST_EPOCHS, that go through PASSED rows.
    batch_size: the power of two from 32 to 512 that gives an epoch about STEPS steps.
    weight_decay: DECAY, or STRONG_DECAY of more than WIDE inputs with fewer than ROWS_PER_INPUT rows for each.

    Raises:
        TrainingError: a whole batch has fewer rows than it is cut into pieces.
    """
    rows, width = train.shape
    is_wide = width > WIDE and rows < ROWS_PER_INPUT * width
    found = {
        "epochs": min(MOST_EPOCHS, max(FEWEST_EPOCHS, PASSED // max(1, rows))),
        "batch_size": int(min(512, max(32, 2 ** round(math.log2(max(1, rows) / STEPS))))),
        "weight_decay": STRONG_DECAY if is_wide else DECAY,
    }
    given = dict(settings)
    whole = given | {name: v for name, v in found.items() if given[name] is None}
    for fault in objective.without_rows(whole | {"batch_size": min(whole["batch_size"], max(1, rows))}):
        raise TrainingError(fault)
    return Settled.model_construct(**whole)


def device(settings: TrainSettings, present: Sequence[str]) -> str:
    """The device that settings name; auto takes the first of those that are there.

    Raises:
        TrainingError: it is not there, or mixed precision was asked for without a GPU.
    """
    name = present[0] if settings.device == "auto" else settings.device
    if name not in present:
        what = f"train.device: {name} is not on this machine (there: {', '.join(present)})"
        raise TrainingError(what, run="dvc exp run -S train.device=auto")
    if settings.precision == "mixed" and name == "cpu":
        what = "train.precision: mixed needs a GPU, and the device is cpu"
        raise TrainingError(what, run="dvc exp run -S train.precision=float32")
    return name


def learning_rate(settings: Settled, epoch: int, own: Schedule | None = None) -> float:
    """Of an epoch counted from 0. Cosine: Loshchilov and Hutter, SGDR, ICLR 2017, equation 5, without restarts. Before
    it, it rises in equal steps: Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2.

    Args:
        own: a schedule in the place of those here, see `Parts`.
    """
    rising = min(1.0, (epoch + 1) / (settings.warm_up + 1))
    return settings.learning_rate * rising * _scheduled(settings, epoch / settings.epochs, own)


def _scheduled(settings: Settled, done: float, own: Schedule | None) -> float:
    if own is not None:
        with naming(f"the schedule {settings.schedule} fails"):
            return float(own(done))
    match settings.schedule:
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        case "step":
            return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01
        case _:
            return 1.0


def sure_epochs(settings: Settled) -> int:
    """That run whatever the losses are."""
    return settings.epochs if settings.patience is None else min(settings.epochs, settings.patience)


def _epoch(number: int, network: Network, train_loss: float, validation: Rows, rate: float) -> Epoch:
    scores = network.scores(validation.x)
    task, y = network.problem.task, validation.y
    loss, score = float(task.losses(scores, y).mean()), task.scored(task.predictions(scores), y)
    return Epoch(number, rate, train_loss, loss, score)


def _draw(network: Network, given: Given, arrays: rows.Arrays | None, settings: Settled, done: int) -> Draw:
    generator = np.random.default_rng([settings.seed, done])
    rate = learning_rate(settings, done, given.parts.schedule)
    order, seed = generator.permutation(len(given.train.x)), int(generator.integers(2**31))
    changed = None if arrays is None else rows.changed(network.problem, arrays, order, settings, generator)
    return Draw(order, rate, seed, changed, _masks(network, settings, done))


def _masks(network: Network, settings: Settled, done: int) -> shrink.Masks:
    if settings.prune is None:
        return {}
    tensors = network.tensors()
    return shrink.masks(tensors, settings, done, frozen(tensors, settings))


def _stopped(epoch: Epoch, fault: str, settings: TrainSettings) -> TrainingError:
    """The error of a fit that went wrong: which epoch, where first, what to try."""
    losses = f"training {epoch.train_loss:.3g}, validation {epoch.validation_loss:.3g}"
    return TrainingError(
        f"the loss went wrong in epoch {epoch.number} ({losses}): {fault}; lower train.learning_rate "
        f"({settings.learning_rate:g}) or set train.clip_norm",
        run=f"dvc exp run -S train.learning_rate={settings.learning_rate / 10:g}",
    )

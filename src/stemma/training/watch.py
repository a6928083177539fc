"""What a person sees of a fit: learning curves in files, a bar or lines, and one line where it is interrupted."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvclive import Live
from scmrepo.exceptions import SCMError
from tqdm import tqdm

from stemma import layout
from stemma.errors import TrainingError
from stemma.text import Pace, say
from stemma.training.base import Epoch
from stemma.training.settings import TrainSettings


@contextmanager
def watched(folder: Path, settings: TrainSettings, score: str, checkpoint: Path) -> Iterator[Callable[[Epoch], None]]:
    """What to call after every epoch: it adds a point to each learning curve in the folder (DVCLive).

    Args:
        score: what the validation score is, as `Task.score`.
        checkpoint: file of the last finished epoch.

    Raises:
        TrainingError: the Git repository cannot be read, or the fit was interrupted; with the way to go on.
    """
    if settings.resume and not checkpoint.exists():
        say(f"note: {checkpoint} is not there, so training starts with the first epoch", error=True)
    live = _live(folder)
    try:
        with tqdm(total=settings.epochs, unit="epoch", disable=not sys.stderr.isatty()) as bar:
            yield _Seen(live, bar, score).add
    except KeyboardInterrupt:
        kept = f"interrupted: {layout.WEIGHTS} is as it was before, and {checkpoint} holds the last finished epoch"
        raise TrainingError(kept, run="dvc exp run -S train.resume=true") from None
    finally:
        live.end()


def _live(folder: Path) -> Live:
    """DVCLive, with the files that dvc.yaml names and no dvc.yaml or experiment of its own."""
    try:
        return Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None)
    except SCMError as error:
        raise TrainingError(f"DVCLive cannot read this Git repository ({error})", run="git commit") from None


class _Seen:
    """The epochs so far: their points, and how far the fit is."""

    def __init__(self, live: Live, bar: tqdm, score: str) -> None:
        self.live, self.bar, self.score = live, bar, score
        self.pace, self.before = Pace(), 0.0

    def add(self, epoch: Epoch) -> None:
        self.live.log_metric("train/loss", epoch.train_loss)
        self.live.log_metric("validation/loss", epoch.validation_loss)
        self.live.log_metric(f"validation/{self.score}", epoch.validation_score)
        self.live.log_metric("train/learning_rate", epoch.rate)
        self.live.next_step()
        self.bar.set_postfix(loss=f"{epoch.train_loss:.4f}", validation=f"{epoch.validation_loss:.4f}")
        self.bar.update()
        took, self.before = self.pace.seconds - self.before, self.pace.seconds
        if self.bar.disable:
            self.pace.say(lambda: self._line(epoch, took))

    def _line(self, epoch: Epoch, took: float) -> str:
        """Args: took: seconds of this epoch; of one that was resumed there are none."""
        figures = f"validation loss {epoch.validation_loss:.4f}, {self.score} {epoch.validation_score:.4f}"
        left = (self.bar.total - epoch.number) * took
        return f"epoch {epoch.number} of {self.bar.total}: {figures}, at most {left:,.0f} s left"

"""Stage `train`: encoded rows -> a fitted network in models/weights/, curves in reports/training/."""

import importlib
import platform
import sys
from pathlib import Path

from dvclive import Live
from scmrepo.exceptions import SCMError
from tqdm import tqdm

from purchase_intent.extensions.training import LINES
from purchase_intent.networks import NETWORKS
from purchase_intent.settings import Settings, load
from stemma import versions, weights
from stemma.errors import TrainingError
from stemma.files import write_json
from stemma.tables import arrays, profile
from stemma.training import networks, own
from stemma.training.base import Epoch, Fit, Model, Problem, Rows, State
from stemma.training.settings import TrainSettings

PREPARED = Path("data/prepared")
WEIGHTS = Path("models/weights")
CHECKPOINT = Path("models/checkpoint/last.safetensors")
CURVES = Path("reports/training")
RECORD = Path("reports/training.json")


def main() -> None:
    settings = load()
    about = profile.read(PREPARED)
    problem = Problem.of(about)
    model = networks.create(NETWORKS, settings.model, problem, settings.train.threads)
    model.parts = own.chosen(settings.train, LINES)
    train, validation = (arrays.read(PREPARED, name) for name in ("train", "validation"))
    begin, origin = start_of(settings.train.init_from, model)
    with Curves(problem, settings.train.epochs) as curves:
        fit = run(model, Rows(train.x, train.y), Rows(validation.x, validation.y), settings.train, curves, begin)
    model.save(WEIGHTS)
    made = record(settings, fit, model) | {"init_from": origin}
    write_json(RECORD, made)
    CHECKPOINT.unlink()


def start_of(revision: str | None, model: Model) -> tuple[State, dict[str, object] | None]:
    """The tensors of another version that fit this network by name and shape, and the report of what was taken.

    Raises:
        TrainingError: none fits.
        VersionError: the revision or its weights are not there.
    """
    if revision is None:
        return {}, None
    other = versions.tensors(".", revision)
    own = {name: (tensor.shape, tensor.dtype) for name, tensor in model.network_weights().items()}
    taken = {name: t for name, t in other.arrays.items() if own.get(name) == (t.shape, t.dtype)}
    if not taken:
        raise TrainingError(
            f"train.init_from: no tensor of {revision} has a name and shape of this network",
            run=f"stemma show {revision}",
        )
    drawn = sorted(own.keys() - taken.keys())
    print(
        f"note: {len(taken)} of {len(own)} tensors start from {revision}"
        + (f"; drawn: {', '.join(drawn)}" * bool(drawn))
    )
    return taken, {"revision": revision, "commit": other.commit, "taken": sorted(taken), "drawn": drawn}


def run(model: Model, train: Rows, validation: Rows, settings: TrainSettings, curves: "Curves", begin: State) -> Fit:
    """The fit; an interrupt is told with the way to go on."""
    if settings.resume and not CHECKPOINT.exists():
        print(f"note: {CHECKPOINT} is not there, so training starts with the first epoch", file=sys.stderr)
    try:
        return model.fit(train, validation, settings, CHECKPOINT, curves.add, begin)
    except KeyboardInterrupt:
        kept = f"interrupted: {WEIGHTS} is as it was before, and {CHECKPOINT} holds the last finished epoch"
        raise TrainingError(kept, run="dvc exp run -S train.resume=true") from None


class Curves:
    """Each epoch as a point of the learning curves (DVCLive), and as a bar on a terminal."""

    def __init__(self, problem: Problem, epochs: int) -> None:
        self.score = problem.task.score
        self.live = _live()
        self.bar = tqdm(total=epochs, unit="epoch", disable=not sys.stderr.isatty())

    def __enter__(self) -> "Curves":
        return self

    def __exit__(self, *_: object) -> None:
        self.live.end()
        self.bar.close()

    def add(self, epoch: Epoch) -> None:
        self.live.log_metric("train/loss", epoch.train_loss)
        self.live.log_metric("validation/loss", epoch.validation_loss)
        self.live.log_metric(f"validation/{self.score}", epoch.validation_score)
        self.live.log_metric("train/learning_rate", epoch.rate)
        self.live.next_step()
        self.bar.set_postfix(loss=f"{epoch.train_loss:.4f}", validation=f"{epoch.validation_loss:.4f}")
        self.bar.update()


def _live() -> Live:
    """DVCLive, with the files that dvc.yaml names and no dvc.yaml or experiment of its own."""
    try:
        return Live(str(CURVES), save_dvc_exp=False, dvcyaml=None, report=None)
    except SCMError as error:
        raise TrainingError(f"DVCLive cannot read this Git repository ({error})", run="git commit") from None


def record(settings: Settings, fit: Fit, model: Model) -> dict[str, object]:
    """How the network came to be: settings, epochs, environment. A run that was resumed leaves no trace of it."""
    buffers = {tensor.name for tensor in weights.index(WEIGHTS).tensors if tensor.buffer}
    modules = ["numpy", "onnxruntime", *({"tensorflow": ["tensorflow", "keras"]}.get(model.framework, ["torch"]))]
    packages = {name: importlib.import_module(name).__version__ for name in modules}
    return {
        "model": settings.model.model_dump(mode="json"),
        "train": settings.train.model_dump(mode="json", exclude={"resume"}),
        "epochs_run": len(fit.epochs),
        "epoch_kept": fit.kept,
        "frozen": list(fit.frozen),
        "moved": {name: distance for name, distance in fit.moved.items() if name not in buffers},
        "environment": {
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",  # no host name: equal machines give equal bytes
            "device": str(model.device),
            "packages": packages,
        },
    }

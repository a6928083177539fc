"""A version in MLflow's registry: the files of its bundle, with its signature and card, and an alias for a stage.

What was published is known by its tags, so to publish it again changes nothing; and what was done can be taken back.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from stemma import layout
from stemma.bundle import flavour
from stemma.bundle.card import CARD
from stemma.bundle.model import Bundle, open_bundle
from stemma.bundle.unpack import unpack
from stemma.errors import StemmaError, VersionError
from stemma.files import scratch, write_bytes
from stemma.registry.names import check_stage
from stemma.repo import places
from stemma.repo.repository import Repository
from stemma.text import in_one_line, without_password
from stemma.trackers.base import silence
from stemma.trackers.mlflow import PREFIX, address, client, experiment_of
from stemma.versions.release import Released, release

FOLDER = "model"  # of a run's artifacts
KEY = ": set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
BEFORE = "before."  # of tags: the number that an alias meant before, "" for none


@dataclass(frozen=True)
class Published:
    """A version as MLflow has it."""

    name: str
    number: str  # MLflow's
    version: str | None  # ours
    commit: str  # ours
    alias: str | None  # that means it; after it was taken back, the one that did
    uri: str
    is_changed: bool  # whether there was something to do


def publish(root: Path, revision: str, stage: str | None = None, uri: str | None = None) -> Published:
    """Put a version into the registry, and let the alias of a stage mean it.

    Args:
        uri: of MLflow; by default MLFLOW_TRACKING_URI, else the store of runs here.

    Raises:
        StemmaError: there is no such version, its bundle is out of reach, or MLflow refuses.
    """
    with _opened(root, revision, stage, uri) as (mlflow, made):
        found = _found(mlflow, made)
        entry = found or _created(mlflow, root, made)
        try:
            moved = stage is not None and _point(mlflow, entry, stage)
        except MlflowException:  # it keeps some names for itself, such as latest
            if found is None:
                mlflow.delete_model_version(entry.name, entry.version)
            raise
        return _published(mlflow, made, entry, stage, found is None or moved)


def take_back(root: Path, revision: str, stage: str | None = None, uri: str | None = None) -> Published:
    """Undo it: the alias of a stage means again what it meant before, or, without a stage, the version is deleted.

    Raises:
        StemmaError: it is not there, the alias means another version, or one means the version that is to go.
    """
    with _opened(root, revision, stage, uri) as (mlflow, made):
        entry = _found(mlflow, made)
        if entry is None:
            raise VersionError(f"MLflow has no {made.version or revision} of {made.name}: nothing was changed")
        _point_back(mlflow, entry, stage) if stage else _delete(mlflow, entry, revision)
        return _published(mlflow, made, entry, stage, True)


@contextmanager
def _opened(root: Path, revision: str, stage: str | None, uri: str | None) -> Iterator[tuple[MlflowClient, Released]]:
    """MLflow, whose errors are one line each, and the bundle of the version in a temporary file."""
    if stage is not None:
        check_stage(stage)
    with scratch("publish") as folder:
        made = release(root, revision, folder / layout.PACKAGE.name)
        if made.commit is None:
            raise VersionError(f"{revision} is no version: commit it", run="git commit")
        try:
            yield client(root / layout.RUNS, uri), made
        except StemmaError:
            raise
        except Exception as error:  # of MLflow, of what it sends files by, or of any database's driver
            raise VersionError(_refusal(error, without_password(address(root / layout.RUNS, uri)))) from None


def _refusal(error: Exception, place: str) -> str:
    if silent := silence(error):
        return f"MLflow does not answer at {place}: {silent}"
    kind, key = f"{type(error).__name__}: ", ""
    if isinstance(error, MlflowException):
        kind, key = "", KEY if error.get_http_status_code() in (401, 403) else ""
    return f"MLflow refuses it ({place}: {kind}{without_password(in_one_line(error))}){key}"


def _published(mlflow: MlflowClient, made: Released, entry: Any, stage: str | None, is_changed: bool) -> Published:
    uri = without_password(mlflow.tracking_uri)
    return Published(made.name, str(entry.version), made.version, str(made.commit), stage, uri, is_changed)


def _found(mlflow: MlflowClient, made: Released) -> Any:
    """MLflow's entry of a commit, None where it has none."""
    entries = mlflow.search_model_versions(f"name = '{made.name}'")
    return next((each for each in entries if each.tags.get(f"{PREFIX}commit") == made.commit), None)


def _created(mlflow: MlflowClient, root: Path, made: Released) -> Any:
    bundle, folder = open_bundle(made.path), made.path.with_name(FOLDER)
    unpack(bundle, folder)
    for name, data in _flavour(bundle).items():
        write_bytes(folder / name, data)
    told = {"version": made.version, "commit": made.commit, "bundle.sha256": made.sha256}
    tags = {f"{PREFIX}{name}": value for name, value in told.items() if value}
    run = _run(mlflow, root, made)
    mlflow.log_artifacts(run.info.run_id, str(folder), FOLDER)
    if not mlflow.search_registered_models(f"name = '{made.name}'"):
        mlflow.create_registered_model(made.name)
    card = bundle.files.get(CARD, b"").decode(errors="replace")
    source = f"{run.info.artifact_uri}/{FOLDER}"
    return mlflow.create_model_version(made.name, source, run.info.run_id, tags=tags, description=card)


def _run(mlflow: MlflowClient, root: Path, made: Released) -> Any:
    """The run that made the bundle, where MLflow followed it: the version leads to its curves then. Else another."""
    output = Repository(root).version(str(made.commit)).output(layout.PACKAGE.as_posix())
    md5 = (output and output.md5) or "none"
    experiments = [each.experiment_id for each in mlflow.search_experiments()]
    found = mlflow.search_runs(experiments, f"tags.`{PREFIX}bundle.object` = '{places.key(md5)}'")
    if found:
        return found[0]
    experiment = experiment_of(mlflow, root / layout.RUNS, made.name)
    run = mlflow.create_run(experiment, run_name=f"{made.name} {made.version or made.commit}")
    mlflow.set_terminated(run.info.run_id)
    return run


def _flavour(bundle: Bundle) -> dict[str, bytes]:
    """The files by which MLflow opens a bundle, where it lacks them, or was made before they told the signature."""
    if b"signature:" in bundle.files.get("MLmodel", b""):
        return {}
    made_with = (bundle.record.get("environment") or {}).get("python")
    return flavour.files(made_with or ".".join(platform.python_version_tuple()[:2]), bundle.signature)


def _point(mlflow: MlflowClient, entry: Any, stage: str) -> bool:
    """Let an alias mean an entry; whether it did not."""
    before = _meant(mlflow, entry.name, stage)
    if before == str(entry.version):
        return False
    mlflow.set_model_version_tag(entry.name, entry.version, f"{PREFIX}{BEFORE}{stage}", before)
    mlflow.set_registered_model_alias(entry.name, stage, entry.version)
    return True


def _point_back(mlflow: MlflowClient, entry: Any, stage: str) -> None:
    if _meant(mlflow, entry.name, stage) != str(entry.version):
        raise VersionError(f"the alias {stage} of {entry.name} does not mean this version: nothing was changed")
    before = entry.tags.get(f"{PREFIX}{BEFORE}{stage}", "")
    if before in [str(each.version) for each in mlflow.search_model_versions(f"name = '{entry.name}'")]:
        mlflow.set_registered_model_alias(entry.name, stage, before)
    else:
        mlflow.delete_registered_model_alias(entry.name, stage)


def _delete(mlflow: MlflowClient, entry: Any, revision: str) -> None:
    """Its run stays: it may be the one that trained it."""
    held = mlflow.get_model_version(entry.name, entry.version).aliases
    if held:
        again = f"stemma publish mlflow {revision} --stage {held[0]} --undo"
        raise VersionError(f"{', '.join(held)} of {entry.name} means this version: nothing was changed", run=again)
    mlflow.delete_model_version(entry.name, entry.version)


def _meant(mlflow: MlflowClient, name: str, stage: str) -> str:
    """The number that an alias means, "" for none."""
    return str(mlflow.get_registered_model(name).aliases.get(stage, ""))

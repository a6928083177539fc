"""Versions of a model, in Git and DVC. No training framework is needed; only `registering`, `keeping`, `collecting`
and `rollback` write.

A version is a commit whose dvc.lock pins a trained model. The words here are those of the command line:

    versions.log(".")                         the graph of versions
    versions.show(".", "model@v1.2.0")        the whole record of one
    versions.diff(".", "HEAD~1", "HEAD")      what changed between two
    versions.doctor(".", "HEAD")              what is wrong with one

Reading order:

- `repository`  a repository, its revisions, and the parts of a version
- `lockfile`    what dvc.lock says
- `objects`     DVC's objects, by hash
- `registry`    registered versions and assigned stages: Git tags
- `registering` the registry's writing side: register, promote, roll back, demote, retire; its history
- `keeping`     verify, back up and restore them; check a remote
- `rollback`    back to a version, or not at all: code, settings, data and model together
- `collecting`  what nothing needs any more: a trash, and the way back
- `git`         how Git is asked
- `log`         the graph of versions; `graph` draws it
- `record`      all that is known of one version
- `difference`  what changed between two versions
- `compare`     which of two versions is better: `predictions`, `slices`, `speed`
- `figures`     what evaluation.json says of figures: the main one, and which way each is better
- `tensors`     its weights, for a network that starts from them
- `checks`      what is wrong with it, for the doctor
- `best`        the best of all under `constraints`
"""

from typing import Any

# Each word is the function, not the module of its name: the modules are imported here, before anyone else can. They
# keep what is heavy inside their functions.
from stemma.versions.best import Best, best
from stemma.versions.compare import Comparison, Options, compare
from stemma.versions.log import Entry, Log, log
from stemma.versions.record import Record, show
from stemma.versions.repository import Output, Repository, Revision, Version
from stemma.versions.tensors import Tensors, tensors

__all__ = [
    "Best",
    "Comparison",
    "Entry",
    "Log",
    "Options",
    "Output",
    "Record",
    "Repository",
    "Revision",
    "Tensors",
    "Version",
    "best",
    "compare",
    "log",
    "show",
    "tensors",
]


def __getattr__(name: str) -> Any:
    """`diff` and `doctor`, imported when first asked for: they need NumPy."""
    if name in ("Difference", "diff"):
        from stemma.versions import difference

        return getattr(difference, name)
    if name in ("Diagnosis", "doctor"):
        from stemma.versions import checks

        return getattr(checks, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The toolkit: all that is the same for every project. It never imports one; networks and sources are handed to it.

Reading order, from the ground up:

- `errors`, `files`  what can go wrong, one family; whole files or none
- `text`, `layout`, `values`  names, lists and tables for people; where artefacts lie; what a value may be
- `entries`     the one shape of what can be added to the tables of the toolkit
- `settings`, `conf`  typed sections and their loader; conf/ <-> params.yaml: sync, check, adopt, guard
- `task`        two classes, several classes or a value: one object that says all that follows from it
- `metrics`     figures of predictions, their intervals, and tests of a difference
- `weights`     the weights store: one file per tensor, an index that can be compared
- `tables`      a table: read, checked, split, encoded
- `describe`    a file -> conf/data/NAME.yaml
- `training`    the contract of a network, and its fit
- `frameworks`  all that knows PyTorch or TensorFlow, a folder each
- `evaluation`  how good it is: decisions, intervals, baselines, folds, gate
- `formats`     encoder and network as one ONNX graph, and the other formats
- `report`      what was found, for people
- `bundle`      the packaged model: build, verify, open, predict
- `repo`        the only room that knows Git and DVC: a repository, its versions, their objects
- `versions`    what a version is, how it differs, which is better, what is wrong with it
- `registry`, `rollback`, `storage`  the rooms that write: tags; going back; verify, backup, restore, gc
- `serve`       a bundle behind HTTP
- `follow`      what a stage holds, published into a folder of versions
- `cli`         `stemma ...`
- `testing`     what the tests of a project need

Words of the command line are functions here, each imported when first asked for; `__version__` ends in a digest of
the content:

    import stemma

    stemma.diff(".", "HEAD~1", "HEAD").distance
"""

import os
from importlib import import_module
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime reads it when it is imported, and reports by default
_WORDS = {
    "backup": "storage.backup", "best": "versions.best", "compare": "versions.compare", "demote": "registry.promote",
    "diff": "versions.diff", "doctor": "versions.doctor", "history": "registry.history", "log": "versions.log",
    "probe": "storage.remote", "promote": "registry.promote", "push": "storage.push", "register": "registry.register",
    "restore": "storage.restore", "retire": "registry.register", "show": "versions.show", "Tagging": "registry.writing",
    "verify": "storage.verify",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("stemma.toolkit").version()
    if name not in _WORDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"stemma.{_WORDS[name]}"), name)

"""The files by which MLflow opens an unpacked bundle: `mlflow.pyfunc.load_model`, `mlflow models serve`.

MLflow imports code/ from the bundle, which holds copies of a few modules of this toolkit under a name made of their
hash: nothing is unpickled, and two bundles in one process do not mix. MLflow is not needed to make them.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import stemma.bundle.pyfunc
from stemma import errors, runtime, signature, text, values

MODULES = {
    "errors": errors, "runtime": runtime, "signature": signature, "text": text, "values": values,
    "__init__": stemma.bundle.pyfunc,
}  # fmt: skip
MODEL = """\
flavors:
  python_function:
    code: code
    env:
      virtualenv: python_env.yaml
    loader_module: {name}
    python_version: '{python}'
signature:
  inputs: {inputs}
  outputs: {outputs}
"""
ENVIRONMENT = """\
python: '{python}'
dependencies:
- -r requirements.txt
- mlflow
- pandas
"""


def files(python: str, known: signature.Signature) -> dict[str, bytes]:
    """What makes a bundle a model of MLflow.

    Args:
        python: the version that it was made with, such as 3.11: in quotes, or YAML reads a number.
        known: of the bundle. Its types are not told: MLflow would refuse an integer for a number, which is taken here.
    """
    inputs = _columns((each.name for each in known.inputs), "any")
    label = _columns(["prediction"], "string" if known.classes else "double")
    outputs = _columns((f"probability_{name}" for name in known.classes), "double") + label
    texts = {name: Path(str(module.__file__)).read_text(encoding="utf-8") for name, module in MODULES.items()}
    name = f"stemma_{hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:12]}"
    code = {f"code/{name}/{file}.py": _renamed(text, name).encode() for file, text in texts.items()}
    return code | {
        "MLmodel": MODEL.format(name=name, python=python, inputs=_quoted(inputs), outputs=_quoted(outputs)).encode(),
        "python_env.yaml": ENVIRONMENT.format(python=python).encode(),
    }


def _columns(names: Iterable[str], kind: str) -> list[dict[str, object]]:
    return [{"type": kind, "name": name, "required": True} for name in names]


def _quoted(columns: list[dict[str, object]]) -> str:
    """JSON in a text of YAML; in ASCII the text of JSON is one of YAML."""
    return json.dumps(json.dumps(columns))


def _renamed(text: str, name: str) -> str:
    """The same module in a package of another name."""
    return text.replace("from stemma import", f"from {name} import").replace("from stemma.", f"from {name}.")

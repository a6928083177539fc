"""What MLflow loads of an unpacked bundle. `flavour` copies this file, and those it imports, into bundles."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from stemma import runtime, signature
from stemma.errors import BundleError
from stemma.text import counted

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as `import stemma` does, which is not there


class Model:
    """A table in, a table of predictions out, as `stemma bundle predict` gives them."""

    def __init__(self, folder: Path) -> None:
        promised = json.loads((folder / "manifest.json").read_bytes())["files"]
        files = {}
        for name in ("model.onnx", "signature.json"):
            files[name] = (folder / name).read_bytes()
            if hashlib.sha256(files[name]).hexdigest() != promised[name]["sha256"]:
                raise BundleError(f"{folder / name} is not the file that manifest.json names")
        self.signature = signature.parse(files["signature.json"])
        self.session = runtime.session(files["model.onnx"])

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """A data frame of probabilities and predictions, for a data frame of raw columns."""
        import pandas as pd

        columns = {str(name): _values(model_input[name]) for name in model_input.columns}
        output = runtime.run(self.session, self.signature.arrays(columns))
        if output.shape != (len(model_input), self.signature.width):
            raise BundleError(f"model.onnx gives {output.shape} values for {counted(len(model_input), 'row')}")
        if not self.signature.classes:
            return pd.DataFrame({"prediction": output[:, 0]})
        found: dict[str, Any] = {
            f"probability_{name}": output[:, place] for place, name in enumerate(self.signature.classes)
        }
        return pd.DataFrame(found | {"prediction": self.signature.labels(output)})


def _values(column: Any) -> list[Any]:
    """Plain values; None for what pandas takes for missing, and text for its times."""
    found = column.astype(object).where(column.notna(), None).tolist()
    return [value.isoformat() if hasattr(value, "isoformat") else value for value in found]


def _load_pyfunc(path: str) -> Model:
    return Model(Path(path))

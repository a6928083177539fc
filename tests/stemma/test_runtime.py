"""onnxruntime as the toolkit sets it up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bundles import SIGNATURE
from stemma import signature
from stemma.bundle import flavour

QUIET_BY_ITSELF = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TF_BUILD", "ORT_DISABLE_TELEMETRY")


@pytest.mark.parametrize("who", ["toolkit", "MLflow"])
def test_nothing_is_reported_home(who: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whoever reports keeps an identifier of the machine, and a file of what is to be sent yet."""
    module, paths = "stemma.runtime", os.environ.get("PYTHONPATH", "")
    if who == "MLflow":  # imports what lies in a bundle, and no toolkit
        folder = tmp_path_factory.mktemp("bundle")
        for name, content in flavour.files("3.11", signature.parse(json.dumps(SIGNATURE).encode())).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        (package,) = (folder / "code").iterdir()
        module, paths = package.name, str(package.parent)
    kept = {name: value for name, value in os.environ.items() if name not in QUIET_BY_ITSELF and "PYTEST" not in name}
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path)) | {"PYTHONPATH": paths}
    command = [sys.executable, "-c", f"import {module}, onnxruntime"]
    subprocess.run(command, env=kept | places, check=True)
    assert [*tmp_path.rglob("*")] == []

"""onnxruntime as the toolkit sets it up."""

import os
import subprocess
import sys
from pathlib import Path

QUIET_BY_ITSELF = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TF_BUILD", "ORT_DISABLE_TELEMETRY")


def test_nothing_is_reported_home(tmp_path: Path) -> None:
    """Whoever reports keeps an identifier of the machine, and a file of what is to be sent yet."""
    kept = {name: value for name, value in os.environ.items() if name not in QUIET_BY_ITSELF and "PYTEST" not in name}
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path))
    command = [sys.executable, "-c", "import stemma.runtime, onnxruntime"]
    subprocess.run(command, env=kept | places, check=True)
    assert [*tmp_path.rglob("*")] == []

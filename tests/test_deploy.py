"""The files of deploy/: what they name is there, and those who read them take them."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
import yaml

from serving import ask
from stemma.cli.words import app
from stemma.serve.metrics import DRIFT
from stemma.serve.models import Models
from stemma.serve.process import app_of
from stemma.serve.settings import LogSettings, ServeSettings
from stemma.watch.drift import Shift
from stemma.watch.shown import gauges
from worlds import ROOT

UNIT, ALERTS = ROOT / "deploy" / "stemma@.service", ROOT / "deploy" / "alerts.yaml"
TRIED = ROOT / "tests" / "alerts.yaml"


def test_the_unit_starts_a_command_that_there_is() -> None:
    (command,) = re.findall(r"^ExecStart=\S+/stemma (\w+) --(\w+)", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    words = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group
    assert command[1] in {option.name for option in words[command[0]].params}


def test_the_cluster_file_is_one_of_rays_and_installs_what_a_project_installs() -> None:
    jsonschema, ray = pytest.importorskip("jsonschema"), find_spec("ray")
    assert ray and ray.submodule_search_locations
    cluster = yaml.safe_load((ROOT / "deploy/ray-cluster.yaml").read_text(encoding="utf-8"))
    schema = Path(ray.submodule_search_locations[0]) / "autoscaler/ray-schema.json"
    jsonschema.validate(cluster, json.loads(schema.read_text(encoding="utf-8")))
    (extras,) = re.findall(r"-c requirements.lock \S+\[([\w,]+)\]", str(cluster["setup_commands"]))
    known = tomllib.loads((ROOT / "src/stemma/pyproject.toml").read_text(encoding="utf-8"))
    assert {"ray", "s3"} <= set(extras.split(",")) <= {*known["project"]["optional-dependencies"]}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd is installed")
def test_systemd_takes_the_unit_without_a_warning(tmp_path: Path) -> None:
    unit = tmp_path / "stemma@shop.service"
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, unit.name in done.stderr) == (0, False), done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool is installed (Debian: prometheus)")
def test_each_alert_fires_where_it_is_to_and_is_silent_beside_it() -> None:
    for action, file in (("check", ALERTS), ("test", TRIED)):
        done = subprocess.run(["promtool", action, "rules", str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tried_and_names_figures_that_there_are(tmp_path: Path) -> None:
    """Of a server, and of whoever reads its log."""
    (tmp_path / DRIFT).write_text(gauges([('shop"@1', Shift("Age", "unit", "", 0.0))], 1.0), encoding="utf-8")
    server = app_of(ServeSettings(log=LogSettings(folder=str(tmp_path))), Models)
    text = ask(server, "GET", "/metrics").body.decode()
    assert text.endswith('stemma_drift{version="shop\\"@1",name="Age",kind="unit"} 1\n')
    known = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    rules = ALERTS.read_text(encoding="utf-8")
    named = re.findall(r"stemma_\w+", " ".join(re.findall(r"expr:(.*?)\n +(?:for|labels):", rules, re.DOTALL)))
    assert len(named) == 11
    assert {re.sub("_(bucket|count)$", "", name) for name in named} <= known
    assert set(re.findall(r"alert: (\w+)", rules)) == set(re.findall(r"alertname: (\w+)", TRIED.read_text("utf-8")))

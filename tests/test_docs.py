"""Every command in README and docs runs, in the order in which a reader meets it."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from worlds import ROOT, Project

pytestmark = pytest.mark.pipeline

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {  # commands that another test runs, or that only a terminal makes sense of
    "python tasks.py run": "the gate starts with a chore; installing twice would take minutes",
    "python tasks.py test": "this is it",
    "dvc exp run --queue -S 'train.learning_rate=0.01,0.001'": "test_pipeline, with fewer epochs",
    "dvc queue start -j 2": "test_pipeline",
    "dvc exp run -S experiment=reference_torch": "test_pipeline, as far as the trained network",
    "dvc exp run -S data=csv -S data.source=PATH/online_shoppers_intention.csv": "test_pipeline, on the real file",
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """The lines of blocks without a language that start with a program of ours."""
    blocks = [body for language, body in FENCE.findall(page.read_text(encoding="utf-8")) if not language]
    lines = [line.split(" # ")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.split(" ")[0] in ("python", "dvc", "stemma", "git")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_runs(page: Path, torch_project: Project, tmp_path: Path) -> None:
    project = torch_project.copy(tmp_path / "p")
    if "mine.yaml" in page.read_text(encoding="utf-8"):
        shutil.copyfile(project.folder / "conf/data/simulated.yaml", project.folder / "conf/data/mine.yaml")
    rows = "Administrative,Administrative_Duration,Informational,Informational_Duration,ProductRelated,"
    rows += "ProductRelated_Duration,BounceRates,ExitRates,PageValues,SpecialDay,Month,OperatingSystems,Browser,Region,"
    rows += "TrafficType,VisitorType,Weekend\n0,0,0,0,1,0,0.2,0.2,0,0,Feb,1,1,1,1,Returning_Visitor,FALSE\n"
    (project.folder / "rows.csv").write_text(rows, encoding="utf-8")
    (project.folder / ".git/info/exclude").write_text("rows.csv\npredictions.csv\n", encoding="utf-8")
    if page.name == "models.md":
        _add_the_model_of_the_page(page, project)
    project.commit("before the page")
    for command in commands(page):
        if command in ELSEWHERE:
            continue
        if command == "dvc exp apply NAME":
            project.ok("dvc", "exp", "run", "-n", "NAME", "-S", "train.learning_rate=0.02")
        project.ok(*shlex.split(command.replace("REVISION", "HEAD~1").replace("--rows 1000000", "--rows 1000")))


def _add_the_model_of_the_page(page: Path, project: Project) -> None:
    """Follow the page: its Python file, its line in NETWORKS, its YAML."""
    blocks = dict(FENCE.findall(page.read_text(encoding="utf-8")))
    python = [body for language, body in FENCE.findall(page.read_text(encoding="utf-8")) if language == "python"]
    source = project.folder / "src/purchase_intent/networks"
    (source / "torch/mine.py").write_text(python[0], encoding="utf-8")
    project.replace("src/purchase_intent/networks/__init__.py", "NETWORKS = {\n", "NETWORKS = {\n" + python[1])
    (project.folder / "conf/model/mine.yaml").write_text(blocks["yaml"], encoding="utf-8")


def test_the_pages_hold_commands_to_run() -> None:
    found = {command for page in PAGES for command in commands(page)}
    assert set(ELSEWHERE) <= found
    assert {"dvc repro", "stemma conf sync", "stemma conf adopt", "dvc checkout", "dvc exp run -S model=mine"} <= found

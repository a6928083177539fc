"""Every command in README and docs runs, in the order in which a reader meets it."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from following import commands, follow
from stemma.cli.words import app
from worlds import ROOT, Project, stemma

pytestmark = pytest.mark.pipeline

IN_A_STAMP = "extending.md"  # tests/template/test_extending.py follows it in a stamped project
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != IN_A_STAMP)]
STAMPED = ROOT / "{{cookiecutter.project_slug}}/README.md"
IMPORTS = re.compile(r"^from stemma(?!\.frameworks\b).* import .*$", re.MULTILINE)  # models.md is run by another test
ELSEWHERE = {  # commands that another test runs, or that only a terminal makes sense of
    "python tasks.py run": "the gate starts with a chore; installing twice would take minutes",
    "python tasks.py test": "this is it",
    "stemma serve": "tests/stemma/serve: it answers until it is stopped",
    "stemma search": "tests/stemma/search, with one trial",
    "stemma search torch_mlp --trials 50 --jobs 2": "bench/search.py",
    "dvc exp run --queue -S 'train.learning_rate=0.01,0.001'": "test_pipeline, with fewer epochs",
    "dvc queue start -j 2": "test_pipeline",
    "stemma compress HEAD --budget 'roc_auc -0.002'": "test_pipeline, with two candidates of fourteen",
    "dvc exp run -S model=keras_mlp -S 'model.hidden=[128]'": "test_pipeline, with fewer epochs",
    "dvc exp run -S experiment=reference_torch": "test_pipeline, as far as the trained network",
    "dvc exp run -S train.learning_rate=0.01": "the fixture `tried`, with a name",
    "dvc exp run -S train.epochs=3": "test_pipeline, with two, of another network",
    "dvc exp run -S train.init_from=model@v1.0.0 -S train.learning_rate=0.0003": "test_pipeline, as far as `train`",
    "dvc exp run -S data=csv -S data.source=PATH/online_shoppers_intention.csv": "test_pipeline, on the real file",
}
# The stages after it are those of any network; cut, and with int8: test_pipeline, of a search for the smallest.
AS_FAR_AS_TRAIN = (
    "dvc exp run -S experiment=distil -S model=torch_mlp -S train.teacher=model@v1.0.0",
    "dvc exp run -S experiment=prune_structured -S train.init_from=model@v1.0.0 -S train.prune=0.5",
    "dvc exp run -S model=torch_mlp -S train.workers=2",
    "dvc exp run -S train.init_from=model@v1.0.0 -S 'train.freeze=[hidden_1.*]'",
)


# They may run the code of a project, which is not to be mixed with the code that other tests have imported.
APART = ("check", "compare", "doctor", "export")


@pytest.fixture(scope="module")
def tried(torch_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with the experiment that pages begin with and call NAME, and its work tree as before."""
    project = torch_project.copy(tmp_path_factory.mktemp("tried") / "p")
    project.ok("dvc", "exp", "run", "-n", "NAME", "-S", "train.learning_rate=0.01")
    project.ok("git", "checkout", "-q", "--", ".")
    project.ok("dvc", "checkout", "--force")
    return project


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_runs(
    page: Path, tried: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tried.copy(tmp_path / "p")
    monkeypatch.chdir(project.folder)
    if "mine.yaml" in page.read_text(encoding="utf-8"):
        shutil.copyfile(project.folder / "conf/data/simulated.yaml", project.folder / "conf/data/mine.yaml")
    rows = "Administrative,Administrative_Duration,Informational,Informational_Duration,ProductRelated,"
    rows += "ProductRelated_Duration,BounceRates,ExitRates,PageValues,SpecialDay,Month,OperatingSystems,Browser,Region,"
    rows += "TrafficType,VisitorType,Weekend\n0,0,0,0,1,0,0.2,0.2,0,0,Feb,1,1,1,1,Returning_Visitor,FALSE\n"
    (project.folder / "rows.csv").write_text(rows, encoding="utf-8")
    (project.folder / "rows").mkdir()
    shutil.copyfile(project.folder / "rows.csv", project.folder / "rows/one.csv")
    ours = "rows.csv\nrows/\npredictions/\npredictions.csv\n"
    (project.folder / ".git/info/exclude").write_text(ours, encoding="utf-8")
    if page.name == "models.md":
        follow(page, project)
    project.commit("before the page")
    for command in commands(page):
        if command in ELSEWHERE:
            continue
        words = shlex.split(command.replace("REVISION", "HEAD~1").replace("--rows 1000000", "--rows 1000"))
        words += ["train"] * (command in AS_FAR_AS_TRAIN)
        if words[0] == "stemma" and words[1] not in APART:
            stemma(*words[1:])
        else:
            project.ok(*words)


def test_the_pages_hold_commands_to_run() -> None:
    found = {command for page in PAGES for command in commands(page)}
    assert {*ELSEWHERE, *AS_FAR_AS_TRAIN} <= found
    assert {"dvc repro", "stemma conf sync", "stemma conf adopt", "dvc checkout", "dvc exp run -S model=mine"} <= found


@pytest.mark.parametrize("page", [*PAGES, STAMPED], ids=lambda page: f"{page.parent.name}/{page.name}")
def test_a_command_that_no_test_runs_has_the_options_that_it_needs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of a shell speak of servers and buckets that nobody has here."""
    monkeypatch.chdir(tmp_path)
    Path("authority.pem").touch()
    for words in map(shlex.split, commands(page, "sh")):
        if words[0] == "stemma":
            parse(get_command(app), words[1:])


def parse(command: Any, words: list[str], parent: Any = None) -> None:
    """As the command line does before it runs anything."""
    context = command.make_context(command.name, words, parent=parent)
    if hasattr(command, "commands"):
        name, *rest = *context._protected_args, *context.args
        parse(command.commands[name], rest, context)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "docs" / IN_A_STAMP], ids=lambda page: page.name)
def test_what_code_of_a_page_imports_is_there(page: Path) -> None:
    for line in IMPORTS.findall(page.read_text(encoding="utf-8")):
        found: dict[str, object] = {}
        exec(line, found)  # noqa: S102 - of our own pages
        assert found.keys() > {"__builtins__"}, line

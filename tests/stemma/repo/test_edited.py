"""What a version holds that is not what its stages ran with and made, told of a commit and of the work tree."""

import json
from pathlib import Path

import pytest
import yaml

from stemma.registry.register import register
from stemma.repo import edited
from stemma.repo.edited import Edited
from stemma.repo.repository import Repository
from stemma.versions.best import best
from stemma.versions.doctor import CHECKS, examine
from stemma.versions.log import log
from stemma.versions.show import show
from version_worlds import World, new, parts, write

MADE = ("models/weights", "data/prepared", "reports/predictions.parquet")
IN_GIT = ("reports/metrics.json", "reports/pictures")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A version that DVC noted: of a file, a folder and data in a .dvc file; results in DVC and in Git."""
    world = new(tmp_path_factory.mktemp("edited") / "world")
    write(world, parts())
    world.write("reports/pictures/roc.svg", "<svg/>\n")
    world.write(".gitignore", "/data/prepared\n/models/\n/reports/training\n/reports/predictions.parquet\n")
    world.write(".gitattributes", "*.txt text eol=crlf\n")
    world.write(".dvcignore", "notes.md\n")
    world.write("code/train.py", "pass\n")
    world.write("code/below/words.txt", "one\r\ntwo\r\n")
    world.write("code/notes.md", "not looked at\n")
    world.write("stage.py", "pass\n")
    world.write("raw/rows.csv", "a\n1\n")
    world.ok("dvc", "add", "-q", "raw/rows.csv")
    outs = [*MADE, *({path: {"cache": False}} for path in IN_GIT)]
    stages = {"train": {"cmd": "true", "deps": ["code", "stage.py", "raw/rows.csv"], "outs": outs}}
    world.write("dvc.yaml", yaml.safe_dump({"stages": stages}))
    world.ok("dvc", "commit", "-q", "-f")
    world.commit("trained")
    return world


@pytest.fixture
def world(first: World, tmp_path: Path) -> World:
    first.remote.mkdir(exist_ok=True)
    return first.copy(tmp_path / "world")


def told(world: World, name: str = "HEAD") -> dict[str, Edited]:
    return edited.of(Repository(world.folder).version(name))


def test_nothing_is_edited_where_a_commit_holds_what_its_stages_had(first: World) -> None:
    assert told(first) == told(first, "workspace") == {}


@pytest.mark.parametrize(
    ("file", "path"),
    [("code/train.py", "code"), ("code/below/words.txt", "code"), ("stage.py", "stage.py")],
)
def test_code_that_was_edited_after_the_run_is_told(file: str, path: str, world: World) -> None:
    world.write(file, "another = True\n")
    assert told(world) == {}, "HEAD has what ran"
    assert told(world, "workspace") == {"train": Edited(ran=(path,))}
    world.commit("not run again")
    assert told(world) == {"train": Edited(ran=(path,))}


def test_a_file_that_was_never_committed_is_told(world: World) -> None:
    world.write("code/mine.py", "pass\n")
    world.ok("dvc", "commit", "-q", "-f")
    world.git("commit", "-qam", "trained, without a file")
    assert told(world) == {"train": Edited(ran=("code",))}
    assert told(world, "workspace") == {}


def test_a_stage_whose_own_file_git_lacks_is_told(world: World) -> None:
    world.git("rm", "-q", "--cached", "stage.py")
    world.git("commit", "-qm", "lost")
    assert told(world) == {"train": Edited(ran=("stage.py",))}


def test_data_that_was_added_anew_and_not_run_with_is_told(world: World) -> None:
    world.ok("dvc", "unprotect", "raw/rows.csv")
    world.write("raw/rows.csv", "a\n2\n")
    assert told(world, "workspace") == {"train": Edited(ran=("raw/rows.csv",))}
    world.ok("dvc", "add", "-q", "raw/rows.csv")
    world.commit("other rows")
    assert told(world) == told(world, "workspace") == {"train": Edited(ran=("raw/rows.csv",))}


@pytest.mark.parametrize(
    ("file", "path"), [("reports/metrics.json", ""), ("reports/pictures/roc.svg", "reports/pictures")]
)
def test_results_in_git_that_were_edited_are_told(file: str, path: str, world: World) -> None:
    world.write(file, json.dumps({"test": {"roc_auc": 0.99}}))
    there = {"train": Edited(made=(path or file,))}
    assert told(world) == {} and told(world, "workspace") == there
    world.commit("better")
    assert told(world) == told(world, "workspace") == there


def test_a_result_in_git_that_was_edited_is_told_also_where_a_pattern_ignores_it(world: World) -> None:
    world.write(".gitignore", (world.folder / ".gitignore").read_text() + "*.json\n")
    world.write("reports/metrics.json", json.dumps({"test": {"roc_auc": 0.99}}))
    world.commit("better")
    assert told(world) == {"train": Edited(made=("reports/metrics.json",))}


def test_an_output_of_dvc_that_was_edited_is_told_of_the_work_tree(world: World) -> None:
    world.write("reports/predictions.parquet", b"others")
    assert told(world, "workspace") == {"train": Edited(made=("reports/predictions.parquet",), is_kept=True)}
    version = Repository(world.folder).version("workspace")
    (one,) = [each for each in examine(version, CHECKS).findings if each.check == "edited"]
    assert one.remedy.startswith("run `dvc checkout`"), "as where somebody only said `git checkout`"
    world.ok("dvc", "checkout", "-q", "--force")
    assert told(world, "workspace") == {}


def test_plots_that_dvc_exp_save_puts_into_git_are_no_edits(world: World) -> None:
    world.git("add", "-f", "data/prepared/train.parquet")
    world.git("commit", "-qm", "saved, a part of a folder that DVC keeps")
    assert told(world) == {}


def test_what_dvcignore_names_and_line_ends_are_no_edits(world: World) -> None:
    world.write("code/notes.md", "edited\n")
    world.commit("a note")
    assert told(world) == told(world, "workspace") == {}


def test_those_who_read_or_name_such_a_version_say_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.write("reports/metrics.json", json.dumps({"test": {"roc_auc": 0.99}}))
    world.write("stage.py", "another = True\n")
    world.git("commit", "-qa", "--amend", "-m", "trained, and edited")
    version = Repository(world.folder).version("HEAD")
    found = [each for each in examine(version, CHECKS).findings if each.check == "edited"]
    assert [(each.severity, each.evidence) for each in found] == [
        ("error", "stage.py"), ("error", "reports/metrics.json")
    ]  # fmt: skip
    said = (
        "stage train ran with other files than the version holds (stage.py)",
        "stage train made other files than the version holds (reports/metrics.json)",
    )
    assert show(world.folder).untrue == said
    note = f"reports/metrics.json of {str(version.commit)[:7]} is not what evaluate made"
    assert [line.partition(":")[0] for line in log(world.folder).notes] == [note]
    assert note in "".join(best(world.folder).notes)
    register(world.folder)
    assert f"note: in HEAD {'; '.join(said)}: run `stemma doctor HEAD`" in capsys.readouterr().err


def test_a_conf_that_was_edited_since_it_was_looked_at_is_a_warning(world: World) -> None:
    world.write("conf/config.yaml", "rows: 1\n")
    stages = yaml.safe_load((world.folder / "dvc.yaml").read_text())["stages"]
    first = {"settings": {"cmd": "true", "deps": ["conf"]}}
    world.write("dvc.yaml", yaml.safe_dump({"stages": first | stages}))
    world.ok("dvc", "commit", "-q", "-f")
    world.commit("with settings")
    assert told(world) == {}
    world.write("conf/config.yaml", "rows: 2\n")
    world.commit("not composed")
    (one,) = [
        each for each in examine(Repository(world.folder).version("HEAD"), CHECKS).findings if each.check == "edited"
    ]
    assert (one.severity, one.evidence) == ("warning", "conf")
    assert told(world, "workspace") == {}, "the check conf composes it there"

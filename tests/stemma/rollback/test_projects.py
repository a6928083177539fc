"""One project of several in a Git repository goes back; what another one has, committed or not, stays."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from stemma import rollback
from stemma.errors import VersionError
from stemma.repo import journal
from stemma.rollback import steps
from version_worlds import Projects, World, new, parts

Run = Callable[..., tuple[int, str, str]]
V1, V2 = "model@v1.0.0", "model@v2.0.0"


def state(world: World) -> dict[str, str]:
    """The hash of each file of a project but for what DVC keeps for itself."""
    return {
        path.relative_to(world.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(world.folder.rglob("*"))
        if path.is_file() and not {".git", "cache", "tmp"} & set(path.relative_to(world.folder).parts)
    }


@pytest.fixture
def two(two_projects: Projects, tmp_path: Path) -> Projects:
    return two_projects.copy(tmp_path / "shop")


@pytest.fixture
def busy(two: Projects) -> Projects:
    """In sales a file is edited, one is staged, one is new, and an output was made again."""
    two.sales.write("params.yaml", "edited: true\n")
    two.sales.write("src/purchase_intent/staged.py", "staged\n")
    two.sales.git("add", "src/purchase_intent/staged.py")
    two.sales.write("src/purchase_intent/new.py", "new\n")
    two.sales.write("models/package/model.zip", b"made again")
    return two


def uncommitted(two: Projects) -> list[str]:
    return two.sales.run("git", "status", "--porcelain").stdout.splitlines()


def at_first(two: Projects) -> bool:
    return (two.churn.folder / "models/package/model.zip").read_bytes() == b"churn 1"


@pytest.mark.parametrize("commit", [False, True])
def test_what_another_project_has_stays_committed_or_not(busy: Projects, commit: bool) -> None:
    before, unsaved = state(busy.sales), uncommitted(busy)
    made = rollback.roll_back(busy.churn.folder, V1, commit=commit)
    assert at_first(busy) and state(busy.sales) == before and made.others == ()
    assert all(not move.path.startswith(("churn", "..")) for move in made.moves)
    assert [line for line in uncommitted(busy) if "sales/" in line] == unsaved
    if commit:
        trees = [f"churn={V1}:churn", f"sales={V2}:sales"]
        assert busy.churn.ok("git", "rev-parse", "HEAD:churn", "HEAD:sales") == busy.churn.ok(
            "git", "rev-parse", *trees
        )


def test_the_whole_commit_moves_every_file_of_git_and_says_what_is_left_to_do(two: Projects, run: Run) -> None:
    code, told, _ = run(two.churn, "rollback", V1, "--whole-commit", "--commit")
    assert code == 0 and "of ../sales Git's files alone moved: run `dvc checkout` there" in told
    assert not (two.sales.folder / "dvc.lock").exists()  # its first version came later
    assert two.churn.ok("git", "rev-parse", "HEAD^{tree}") == two.churn.ok("git", "rev-parse", f"churn={V1}^{{tree}}")


def test_a_dry_run_names_the_files_of_the_project_from_its_folder(busy: Projects) -> None:
    plan = rollback.plan(busy.churn.folder, V1)
    assert plan.blockers == () and plan.unsaved == ()
    assert {"dvc.lock", "models/package/model.zip"} <= {move.path for move in plan.moves}
    whole = rollback.plan(busy.churn.folder, V1, whole=True)
    assert {"dvc.lock", "../sales/dvc.lock"} <= {move.path for move in whole.moves}
    assert set(whole.unsaved) == {"../sales/params.yaml", "../sales/src/purchase_intent/staged.py"}


@pytest.mark.slow
@pytest.mark.parametrize("step", ["code", "commit"])
@pytest.mark.parametrize("way", ["completed", "undone"])
def test_what_another_project_has_stays_when_it_is_cut_short(
    busy: Projects, monkeypatch: pytest.MonkeyPatch, step: str, way: str
) -> None:
    before, own = state(busy.sales), state(busy.churn)
    do = getattr(steps, step)

    def cut(*given: object, **named: object) -> None:
        do(*given, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(steps, step, cut)
        rollback.roll_back(busy.churn.folder, V1, commit=True)
    with pytest.raises(
        VersionError, match=r"of the project in .*churn was cut short: go there.*stemma rollback --abort"
    ):
        rollback.roll_back(busy.sales.folder, V1)
    busy.sales.write("src/purchase_intent/late.py", "written after the kill\n")
    late = before | {"src/purchase_intent/late.py": hashlib.sha256(b"written after the kill\n").hexdigest()}
    if way == "completed":
        rollback.roll_back(busy.churn.folder, V1, commit=True)
        assert at_first(busy)
    else:
        rollback.abort(busy.churn.folder)
        assert state(busy.churn) == own
    assert state(busy.sales) == late and journal.read(busy.sales.folder) is None
    assert "A  sales/src/purchase_intent/staged.py" in uncommitted(busy)


def test_a_stash_takes_what_is_the_projects_alone(busy: Projects) -> None:
    busy.churn.write("params.yaml", "mine: true\n")
    before = state(busy.sales)
    made = rollback.roll_back(busy.churn.folder, V1, stash=True, commit=True)
    assert at_first(busy) and state(busy.sales) == before
    assert busy.churn.ok("git", "show", "--name-only", "--format=", str(made.stash)).split()[:1] == [
        "churn/params.yaml"
    ]


def test_a_project_at_the_top_leaves_one_in_it(tmp_path: Path) -> None:
    outer = new(tmp_path / "shop")
    outer.version("one", parts(frame=None, bundle=b"one"))
    inner = new(outer.folder / "inner", outer.folder)
    inner.version("inner", parts(frame=None, bundle=b"inner"))
    outer.version("two", parts(frame=None, bundle=b"two"))
    before = state(inner)
    inner.write("params.yaml", "edited: true\n")
    rollback.roll_back(outer.folder, "HEAD~3", commit=True)  # of before there was a project in it
    assert (outer.folder / "models/package/model.zip").read_bytes() == b"one"
    assert state(inner).keys() == before.keys() and (inner.folder / "params.yaml").read_text() == "edited: true\n"
    assert inner.ok("git", "status", "--porcelain") == "M inner/params.yaml"

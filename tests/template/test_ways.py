"""Every way to stamp: by path, URL, zip, cruft, replay; in a folder that is there; with wrong answers."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from template import hook, stamp

Cookiecutter = Callable[..., subprocess.CompletedProcess[str]]
PLAIN = ("framework=torch", "package_name=churn", "project_slug=churn", "project_name=Churn", "ci=none", "licence=none")


def tree(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.name != ".cruft.json"}


def stamped(done: subprocess.CompletedProcess[str], folder: Path) -> dict[str, bytes]:
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [path for path in folder.rglob("*") if path.is_symlink()] and not (folder / ".git").exists()
    return tree(folder)


@pytest.fixture(scope="module")
def expected(template: Path, answers: Callable[..., dict[str, str]]) -> dict[str, bytes]:
    """The tree of PLAIN, without cookiecutter."""
    own = answers(**dict(pair.split("=") for pair in PLAIN), author="The Churn developers")
    return stamp.plan(template, own) | hook.rendered(template, own)


def test_by_a_path_a_url_a_zip_and_cruft_the_project_is_the_same(
    template: Path, expected: dict[str, bytes], cookiecutter: Cookiecutter, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    shutil.make_archive(str(tmp_path / "packed"), "zip", template.parent, template.name)
    shutil.copytree(template, tmp_path / "copy")
    for number, place in enumerate((str(template), "../copy", f"git+file://{template}", str(tmp_path / "packed.zip"))):
        done = cookiecutter(place, "--no-input", "--output-dir", f"out {number}", *PLAIN)
        assert stamped(done, here / f"out {number}/churn") == expected, place
    context = json.dumps(dict(pair.split("=") for pair in PLAIN))
    done = cookiecutter("create", str(template), "--no-input", "--extra-context", context, program="cruft")
    assert stamped(done, here / "churn") == expected
    saved = json.loads((here / "churn/.cruft.json").read_text(encoding="utf-8"))
    assert saved["context"]["cookiecutter"]["framework"] == "torch"


def test_replay_gives_it_again_and_a_stamp_takes_less_than_a_second_and_a_half(
    template: Path, expected: dict[str, bytes], cookiecutter: Cookiecutter, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    begin = _children()
    done = cookiecutter(str(template), "--no-input", *PLAIN)
    assert _children() - begin < 1.5  # of processor time: the machine may be busy
    assert stamped(done, here / "churn") == expected
    commands = [line.strip() for line in done.stdout.splitlines() if line.startswith("    ")]
    assert commands == [f"cd {here / 'churn'}", "python tasks.py run", "python tasks.py test"]
    shutil.rmtree(here / "churn")
    assert stamped(cookiecutter(str(template), "--replay"), here / "churn") == expected


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("framework=jax", "Error: framework=jax: there are both, torch, tensorflow, such as framework=both"),
        ("package_name=torch", "Error: package_name=torch: it would hide a module of that name, such as"),
        ("project_slug=a/b", "Error: project_slug=a/b: small letters, digits and hyphens"),
    ],
)
def test_a_wrong_answer_is_one_line_and_nothing_is_written(
    template: Path, cookiecutter: Cookiecutter, tmp_path: Path, answer: str, line: str
) -> None:
    done = cookiecutter(str(template), "--no-input", answer)
    assert done.returncode == 1 and done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(("before", "wrong"), [(3, "data=cvs"), (10, "remote=s4")])
def test_a_wrong_choice_is_refused_before_more_is_asked(
    template: Path, cookiecutter: Cookiecutter, before: int, wrong: str
) -> None:
    done = cookiecutter(str(template), said="\n" * before + wrong.partition("=")[2] + "\n")
    assert done.returncode == 1 and done.stderr.startswith(f"Error: {wrong}: there are ")
    assert f"[{before + 1}/" in done.stdout and f"[{before + 2}/" not in done.stdout


def test_a_replay_of_a_wrong_answer_writes_nothing(template: Path, cookiecutter: Cookiecutter, tmp_path: Path) -> None:
    saved = {"cookiecutter": {"project_slug": "churn", "package_name": "torch", "_extensions": ["template.root.Root"]}}
    questions = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    for key in questions:
        if not key.startswith("__"):
            saved["cookiecutter"].setdefault(key, questions[key])
    saved["cookiecutter"] |= {"__csv_file": "", "project_name": "Churn", "description": "x", "author": "Ada"}
    (tmp_path / "saved.json").write_text(json.dumps(saved), encoding="utf-8")
    done = cookiecutter(str(template), "--replay-file", str(tmp_path / "saved.json"))
    assert done.returncode == 1 and "error: package_name=torch: it would hide a module" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert list((tmp_path / "here").iterdir()) == []


def test_in_an_existing_repository_a_file_that_differs_is_named_and_nothing_is_touched(
    template: Path, expected: dict[str, bytes], cookiecutter: Cookiecutter, tmp_path: Path
) -> None:
    folder = tmp_path / "here/churn"
    folder.mkdir()
    for name, content in {"README.md": "mine", "src": "a file", "notes.txt": "mine too"}.items():
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "tasks.py").write_bytes(expected["tasks.py"])  # the same already
    before = tree(folder)
    done = cookiecutter(str(template), "--no-input", "--overwrite-if-exists", *PLAIN)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert done.stderr.strip() == f"error: {folder} has another README.md, another src: move it away, then stamp again"
    assert tree(folder) == before
    for name in ("README.md", "src"):
        (folder / name).unlink()
    done = cookiecutter(str(template), "--no-input", "--overwrite-if-exists", *PLAIN)
    assert stamped(done, folder) == expected | {"notes.txt": b"mine too"}
    assert "directory already exists" in cookiecutter(str(template), "--no-input", *PLAIN).stdout


def test_a_table_of_ones_own_is_copied_from_a_relative_path(
    template: Path, cookiecutter: Cookiecutter, tmp_path: Path
) -> None:
    table = tmp_path / "My visits.csv"
    table.write_bytes(b"a;Revenue\r\n1;2\r\n")
    own = (*PLAIN, "data=csv", "csv_target=Revenue")
    done = cookiecutter(str(template), "--no-input", *own, "csv_path=../My visits.csv")
    files = stamped(done, tmp_path / "here/churn")
    assert files["data/raw/My visits.csv"] == table.read_bytes()
    assert files["data/raw/.gitignore"] == b"/My visits.csv\n"
    # An update (cruft) asks again from inside the project, where the table itself may be gone.
    shutil.rmtree(tmp_path / "here/churn/data/raw")
    missing = cookiecutter(str(template), "--no-input", *own, "csv_path=../Visits.csv")
    assert missing.returncode == 1 and "csv_path=../Visits.csv: there is no such file" in missing.stderr
    (tmp_path / "here/data/raw").mkdir(parents=True)
    (tmp_path / "here/data/raw/Visits.csv.dvc").write_text("outs:\n", encoding="utf-8")
    done = cookiecutter(str(template), "--no-input", *own, "csv_path=../Visits.csv", "--output-dir", "update")
    assert "data/raw/Visits.csv" not in stamped(done, tmp_path / "here/update/churn")


def test_long_names_are_cut_to_ones_that_work_and_a_settings_file_may_be_wrong(
    template: Path, cookiecutter: Cookiecutter, tmp_path: Path
) -> None:
    name = "project_name=Which of our visitors of the year 2026 will come back to the shop next month"
    done = cookiecutter(str(template), "--no-input", name)
    (folder,) = (tmp_path / "here").iterdir()
    assert done.returncode == 0 and folder.name == "which-of-our-visitors-of-the-year-2026-will-come"
    assert (folder / "src/which_of_our_visitors_of_the").is_dir()
    (tmp_path / "wrong.yaml").write_text("default_context:\n  description:\n", encoding="utf-8")
    done = cookiecutter(str(template), "--no-input", "--config-file", str(tmp_path / "wrong.yaml"))
    assert done.returncode == 1 and done.stderr.startswith("Error: description=None: a text")


def test_the_template_is_left_as_it_was(template: Path) -> None:
    status = subprocess.run(["git", "status", "--porcelain"], cwd=template, capture_output=True, text=True, check=True)
    assert status.stdout == ""

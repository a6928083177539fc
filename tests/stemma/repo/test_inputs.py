"""What a stage was started with: what DVC would hash when it has ended, and what of it was edited."""

from pathlib import Path
from typing import Any

import pytest

from stemma.repo import inputs
from stemma.testing import Project

ROOT = Path(__file__).resolve().parents[3]
DVC_YAML = """\
vars:
  - more.yaml
  - here: given
stages:
  plain:
    cmd: python work.py
    wdir: below
    deps: ["../${here}", work.py, "${ model.name }.txt"]
    params: [seed, model, train.rate, ../more.yaml: [deep.er, absent], ../whole.yaml: , ../some.toml: [table.key]]
    outs: [out]
  each:
    foreach: [a, b]
    do:
      cmd: python work.py
      deps: [given, "${item}.txt"]
      params: [seed]
      outs: ["${item}.out"]
  nothing:
    cmd: echo
"""
FILES = {
    "dvc.yaml": DVC_YAML, "params.yaml": "model: {name: mlp}\n", "more.yaml": "deep: {er: 1e-3}\n",
    "below/params.yaml": "seed: 1\nmodel: {name: mlp, sizes: [1, .nan]}\ntrain: {rate: 0.1, other: 1}\n",
    "whole.yaml": "a: 1\n", "some.toml": "[table]\nkey = 1\n",
    "below/work.py": "print()\n", "below/mlp.txt": "", "given/one": "1", "given/two": "2", "a.txt": "", "b.txt": "",
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


EDITS = [
    ("given/one", "3", "../given/one"),
    ("given/new", "3", "../given/new"),
    ("below/work.py", "print(1)\n", "work.py"),
    ("below/mlp.txt", "x", "mlp.txt"),
    ("below/params.yaml", "seed: 2\nmodel: {name: mlp, sizes: [1, .nan]}\ntrain: {rate: 0.1}\n", "seed of params.yaml"),
    ("below/params.yaml", "seed: 1\nmodel: {name: mlp, sizes: [1]}\ntrain: {rate: 0.1}\n", "model of params.yaml"),
    (
        "below/params.yaml",
        "seed: true\nmodel: {name: mlp, sizes: [1, .nan]}\ntrain: {rate: 0.1}\n",
        "seed of params.yaml",
    ),
    ("below/params.yaml", "{", "seed of params.yaml"),
    ("more.yaml", "deep: {er: 0.002}\n", "deep.er of ../more.yaml"),
    ("more.yaml", "deep: {er: 0.001}\nabsent: 1\n", "absent of ../more.yaml"),
    ("whole.yaml", "a: 2\n", "../whole.yaml"),
    ("some.toml", "[table]\nkey = 2\n", "table.key of ../some.toml"),
]


@pytest.mark.parametrize(("name", "text", "told"), EDITS)
def test_what_is_edited_is_named(root: Path, name: str, text: str, told: str) -> None:
    before = inputs.of(root, "plain")
    (root / name).write_text(text, encoding="utf-8")
    assert before.edited()[0] == told
    (root / name).unlink()
    if name in FILES:
        assert before.edited()
        (root / name).write_text(FILES[name], encoding="utf-8")
    assert before.edited() == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("below/params.yaml", "train: {rate: 1e-1, other: 2}\nmodel: {name: mlp, sizes: [1, .nan]}\nseed: 1\n"),
        ("more.yaml", "deep: {er: 0.001}\nhere: elsewhere\n"),
        ("params.yaml", "model: {name: other}\n"),  # of which only the name of a file is made
        ("dvc.yaml", "stages: {}\n"),
        ("given/.one.swp", ""),
        ("given/one~", ""),
        ("a.txt", "x"),
    ],
)
def test_what_gives_the_same_is_none(root: Path, name: str, text: str) -> None:
    before = inputs.of(root, "plain")
    (root / name).write_text(text, encoding="utf-8")
    assert before.edited() == []


def test_of_stages_that_one_entry_makes_what_is_theirs_all_is_known(root: Path) -> None:
    before = inputs.of(root, "each@a")
    (root / "a.txt").write_text("x", encoding="utf-8")
    assert before.edited() == []
    (root / "given/one").unlink()
    assert before.edited() == ["given/one"]
    assert inputs.of(root, "nothing").edited() == inputs.of(root, "none").edited() == []


def test_of_large_and_of_many_files_the_system_is_asked_when_they_changed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "SMALL", 4)
    monkeypatch.setattr(inputs, "MANY", 2)
    before = inputs.of(root, "plain")
    for name in ("given/one", "below/work.py"):
        (root / name).write_text((root / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert before.edited() == ["../given/one", "work.py"]
    assert not inputs.Inputs(before.folder, before.contents, {}).put_into(noted(before))


def noted(found: inputs.Inputs) -> dict[str, Any]:
    """As dvc.lock has it."""
    return {"deps": [{"path": path, "md5": "of now"} for path in found.contents]}


def test_what_was_there_before_is_noted_where_dvc_yaml_names_the_same(root: Path) -> None:
    Project(root).ok("git", "init", "-q")
    Project(root).ok("dvc", "init", "-q")
    Project(root).ok("dvc", "add", "-q", "given")
    before = inputs.of(root, "each@a")
    before = inputs.Inputs(root, {"given": before.contents["given"]}, {"params.yaml": {"model": {"name": "mlp"}}})
    (root / "given/one").write_text("3", encoding="utf-8")
    (root / "params.yaml").write_text("model: {name: other}", encoding="utf-8")
    params = {"params.yaml": {"model": {"name": "other"}}}
    entry = noted(before) | {"params": params}
    assert before.put_into(entry)
    assert f"md5: {entry['deps'][0]['md5']}" in Project(root).read("given.dvc")
    assert params == {"params.yaml": {"model": {"name": "mlp"}}}
    assert not before.put_into(noted(before))
    assert not before.put_into(entry | {"deps": []})


def test_it_is_what_dvc_hashes_of_every_stage_of_the_root() -> None:
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        stages = {stage.name: stage for stage in repo.index.stages if stage.cmd}
        assert len(stages) == 7
        for name, stage in stages.items():
            found = inputs.of(ROOT, name)
            params = {dep.def_path: sorted(dep.params) for dep in stage.deps if isinstance(dep, ParamsDependency)}
            assert {path: sorted(keys) for path, keys in found.values.items()} == params
            paths = {dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)}
            assert set(found.contents) == paths


def test_it_is_what_dvc_hashes_of_other_forms(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo

    Project(root).ok("git", "init", "-q")
    Project(root).ok("dvc", "init", "-q")
    monkeypatch.chdir(root)
    with Repo() as repo:
        stage = repo.stage.load_one(name="plain")
        found = inputs.of(root, "plain")
        assert {dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)} == set(found.contents)
        params = {dep.def_path: sorted(dep.params) for dep in stage.deps if isinstance(dep, ParamsDependency)}
        assert {path: sorted(filter(None, keys)) for path, keys in found.values.items()} == params

"""What a stage was started with: what DVC would hash when it has ended, and what of it was edited."""

import os
from pathlib import Path
from typing import Any

import pytest

from stemma.repo import inputs
from stemma.testing import Project

ROOT = Path(__file__).resolve().parents[3]
DVC_YAML = """\
vars:
  - more.yaml
  - other.yaml:chosen
  - grown: {size: 2}
  - here: given
stages:
  plain:
    cmd: python work.py
    wdir: below
    deps: ["../${here}", work.py, "${ model.name }.txt"]
    params:
      - seed
      - model
      - train.rate
      - ../more.yaml: [deep.er]
      - ../whole.yaml:
      - ../list.yaml: [rates.0, by.1]
      - ../some.toml: [table.key]
      - ../some.json: [a]
      - ../some.py: [Net.depth]
    outs: [out]
  each:
    foreach: [a, b]
    do:
      cmd: python work.py
      deps: [given, "${item}.txt"]
      params: [seed]
      outs: ["${item}.out"]
  filled:
    vars: [own: given]
    cmd: python work.py
    deps: ["${own}", "${grown.name}-${grown.size}", "${each[0]}", "${chosen}-${free}", "${truth}.txt"]
  nothing:
    cmd: echo
"""
FILES = {
    "dvc.yaml": DVC_YAML, "params.yaml": "model: {name: mlp}\neach: [first]\nfree: 1\ntruth: true\ngrown: {name: a}\n",
    "other.yaml": "chosen: 1\nfree: 2\n", "list.yaml": "rates: [1, 2]\nby: {1: 2}\n",
    "some.json": "{\n\t\"a\": 1\n}\n", "some.py": "class Net:\n    depth = 1\n", "more.yaml": "deep: {er: 1e-3}\n",
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
    ("list.yaml", "rates: [3, 2]\nby: {1: 2}\n", "rates.0 of ../list.yaml"),
    ("whole.yaml", "a: 2\n", "../whole.yaml"),
    ("some.toml", "[table]\nkey = 2\n", "table.key of ../some.toml"),
    ("some.json", '{"a": 2}', "a of ../some.json"),
    ("some.py", "class Net:\n    depth = 2\n", "Net.depth of ../some.py"),
    pytest.param(
        "given/one\nline", "", "../given/one\\u000aline", marks=pytest.mark.skipif(os.name == "nt", reason="a name")
    ),
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
        ("below/params.yaml", "train: {rate: 1e-1, other: 2}\nmodel: {sizes: [1, .nan], name: mlp}\nseed: 1\n"),
        ("some.toml", "other = 1\n[table]\nkey = 1\n"),
        ("some.json", '{"a": 1, "b": 1}'),
        ("more.yaml", "deep: {er: 0.001}\nhere: elsewhere\n"),
        ("params.yaml", "model: {name: other}\n"),  # of which only the name of a file is made
        ("dvc.yaml", "stages: {}\n"),
        ("given/.one.swp", ""),
        ("given/one~", ""),
        ("given/.git/index", ""),
        ("given/.ipynb_checkpoints/one", ""),
        ("given/__pycache__/one.pyc.140234", ""),  # a name for as long as Python writes it
        ("a.txt", "x"),
    ],
)
def test_what_gives_the_same_is_none(root: Path, name: str, text: str) -> None:
    before = inputs.of(root, "plain")
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    assert before.edited() == []


def test_of_stages_that_one_entry_makes_dvc_tells_what_they_depend_on(root: Path) -> None:
    with_dvc(root)
    before = inputs.of(root, "each@a")
    (root / "b.txt").write_text("x", encoding="utf-8")
    assert before.edited() == []
    (root / "a.txt").write_text("x", encoding="utf-8")
    (root / "given/one").unlink()
    assert before.edited() == ["given/one", "a.txt"]


def test_of_a_stage_that_is_in_no_dvc_yaml_nothing_is_known(root: Path) -> None:
    assert inputs.of(root, "nothing").edited() == inputs.of(root, "none").edited() == []
    (root / "dvc.yaml").write_text("stages: [", encoding="utf-8")
    assert inputs.of(root, "plain").edited() == []


@pytest.mark.skipif(os.name == "nt", reason="pipes that are files are of POSIX")
def test_a_pipe_and_what_may_not_be_read_are_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "given/pipe")
    (root / "given/two").chmod(0)
    assert inputs.of(root, "plain").edited() == []


def test_of_large_and_of_many_files_the_system_is_asked_when_they_changed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "SMALL", 4)
    monkeypatch.setattr(inputs, "MANY", 2)
    before = inputs.of(root, "plain")
    for name in ("given/one", "below/work.py"):
        (root / name).write_text((root / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert before.edited() == ["../given/one", "work.py"]
    assert not inputs.Inputs(before.folder, before.contents, {}).put_into(noted(before), before.now())


def noted(found: inputs.Inputs) -> dict[str, Any]:
    """As dvc.lock has it, of now."""
    now = found.now()
    deps = [{"path": path, "md5": inputs._md5(contents), "size": 1} for path, contents in now.contents.items()]
    return {"deps": deps, "params": {file: values.get("", dict(values)) for file, values in now.values.items()}}


def with_dvc(root: Path) -> None:
    Project(root).ok("git", "init", "-q")
    Project(root).ok("dvc", "init", "-q")


def test_what_was_there_before_is_noted_where_dvc_yaml_names_the_same(root: Path) -> None:
    with_dvc(root)
    Project(root).ok("dvc", "add", "-q", "given")
    before = inputs.Inputs(root, {"given": inputs._contents(root / "given")}, {"params.yaml": {"free": 1}})
    (root / "given/one").write_text("3", encoding="utf-8")
    (root / "params.yaml").write_text("free: 2", encoding="utf-8")
    entry = noted(before)
    assert before.put_into(entry, before.now())
    assert f"md5: {entry['deps'][0]['md5']}" in Project(root).read("given.dvc")
    assert entry["deps"][0].keys() == {"path", "md5"}
    assert entry["params"] == {"params.yaml": {"free": 1}}
    assert not before.put_into(noted(before) | {"deps": []}, before.now())
    assert not before.put_into(noted(before) | {"params": {}}, before.now())
    assert not before.put_into(noted(before) | {"params": {"params.yaml": {"free": 2, "more": 1}}}, before.now())


def test_of_a_file_that_counts_whole_nothing_of_now_is_noted(root: Path) -> None:
    """A key that came since would stand there as one that made the results."""
    before = inputs.Inputs(root, {}, {"whole.yaml": {"": {"a": 1}}})
    (root / "whole.yaml").write_text("a: 1\nb: 2\n", encoding="utf-8")
    entry = {"params": {"whole.yaml": {"a": 1, "b": 2}}}  # of a stage without deps
    assert before.put_into(entry, before.now())
    assert entry == {"params": {"whole.yaml": {"a": 1}}}


@pytest.mark.parametrize(("file", "key"), [("list.yaml", "rates.0"), ("some.py", "Net.depth")])
def test_what_only_dvc_reads_is_not_noted(root: Path, file: str, key: str) -> None:
    before = inputs.Inputs(root, {}, {file: inputs._values(root / file, [key])})
    (root / file).write_text((root / file).read_text(encoding="utf-8").replace("1", "3"), encoding="utf-8")
    assert before.edited() == [f"{key} of {file}"]
    assert not before.put_into({"params": {file: {key: 3}}}, before.now())


def test_a_folder_that_dvc_hashes_otherwise_is_not_noted(root: Path) -> None:
    """Of hidden files it is not known what they were."""
    before = inputs.Inputs(root, {"given": inputs._contents(root / "given")}, {})
    (root / "given/one").write_text("3", encoding="utf-8")
    assert not before.put_into({"deps": [{"path": "given", "md5": "with a hidden file.dir"}]}, before.now())


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


@pytest.mark.parametrize("name", ["plain", "filled", "each@b"])
def test_it_is_what_dvc_hashes_of_other_forms(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo

    with_dvc(root)
    monkeypatch.chdir(root)
    with Repo() as repo:
        stage = repo.stage.load_one(name=name)
        found = inputs.of(root, name)
        assert {dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)} == set(found.contents)
        params = {dep.def_path: sorted(dep.params) for dep in stage.deps if isinstance(dep, ParamsDependency)}
        assert {path: sorted(filter(None, keys)) for path, keys in found.values.items()} == params

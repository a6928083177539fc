"""Only what changed is rebuilt; a kill or a checkout loses nothing. Rebuilt bit for bit: tests/purchase_intent."""

import hashlib
import itertools
import json
import os
import signal
import subprocess
from pathlib import Path
from textwrap import indent

import pytest

from forks import COLD
from stemma import conf
from timing import best
from worlds import Project

pytestmark = pytest.mark.pipeline

AFTER_TRAIN = ["train", "compress", "evaluate", "export", "package"]
ALL = ["settings", "prepare", *AFTER_TRAIN]


@pytest.fixture(params=["torch", "keras"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A trained project of one's own, in a folder with a space in its name."""
    return request.getfixturevalue(f"{request.param}_project").copy(tmp_path / "another folder")


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def edit_conf(project: Project, file: str, old: str, new: str) -> None:
    project.replace(file, old, new)
    conf.sync(project.folder)


@pytest.fixture(scope="module")
def editable(torch_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One's own, for tests that take their edits back."""
    return torch_project.copy(tmp_path_factory.mktemp("editable") / "p")


RERUN = {
    "an evaluate setting": ("conf/config.yaml", "bins: 10", "bins: 5", ["settings", "evaluate", "package"]),
    "an export setting": ("conf/export/default.yaml", "0.0001", "0.001", ["settings", "compress", "export", "package"]),
}  # fmt: skip
READ = {
    "a data setting": ("conf/data/simulated.yaml", "0.02", "0.03", ["settings", "prepare", "package"]),
    "a train setting": ("conf/train/default.yaml", "epochs: 6", "epochs: 5", ["settings", "train"]),
    "a package setting": ("conf/config.yaml", "name: purchase-intent", "name: other", ["settings", "package"]),
    "a comment in conf/": ("conf/train/default.yaml", "# at most", "# at the most", ["settings"]),
}


@pytest.mark.parametrize("change", RERUN)
def test_a_change_of_settings_reruns_just_the_stages_it_concerns(
    change: str, torch_project: Project, tmp_path: Path
) -> None:
    project = torch_project.copy(tmp_path / "p")
    file, old, new, expected = RERUN[change]
    edit_conf(project, file, old, new)
    assert project.repro() == expected


@pytest.mark.parametrize("change", READ)
def test_a_change_of_settings_concerns_just_the_stages_that_read_them(change: str, editable: Project) -> None:
    """What they leave concerns the stages after them: a data setting, all, in the test of `git checkout`."""
    file, old, new, expected = READ[change]
    edit_conf(editable, file, old, new)
    changed = json.loads(editable.ok("dvc", "status", "--json"))
    editable.ok("git", "checkout", "-q", "--", ".")
    assert list(changed) == expected


CODE = {
    "src/purchase_intent/networks/tensorflow/mlp.py": [],
    "src/purchase_intent/sources/bundled.py": [],
    "src/purchase_intent/networks/torch/mlp.py": ["train", "compress", "evaluate", "export"],
}


@pytest.mark.parametrize("file", CODE)
def test_a_change_of_code_concerns_just_the_stages_that_use_it(file: str, editable: Project) -> None:
    before = editable.read(file)
    (editable.folder / file).write_text(before + "# a comment\n", encoding="utf-8")
    changed = json.loads(editable.ok("dvc", "status", "--json"))
    (editable.folder / file).write_text(before, encoding="utf-8")
    assert list(changed) == CODE[file]


def test_where_results_stay_the_stages_after_stay_too(torch_project: Project, tmp_path: Path) -> None:
    project = torch_project.copy(tmp_path / "p")
    with (project.folder / "src/stemma/tables/split.py").open("a", encoding="utf-8") as source:
        source.write("# a comment\n")
    told = project.ok("python", "-m", "stemma.cli", "lock", PYTHONPATH="src")
    assert told.endswith("`dvc repro` runs again: prepare, evaluate, and what uses their results\n")
    assert project.repro() == ["settings", "prepare", "evaluate"]


def test_nothing_is_computed_twice_after_settings_a_b_a_or_a_git_checkout(
    torch_project: Project, tmp_path: Path
) -> None:
    project = torch_project.copy(tmp_path / "p")
    first, before = project.ok("git", "rev-parse", "HEAD").strip(), _results(project)
    edit_conf(project, "conf/data/simulated.yaml", "0.02", "0.03")
    assert project.repro() == ALL
    second, after = project.commit("more values left out"), _results(project)
    assert all(before[name] != after[name] for name in before)
    edit_conf(project, "conf/data/simulated.yaml", "0.03", "0.02")
    assert project.repro() == ["settings"] and _results(project) == before
    turns = itertools.cycle([("0.02", "0.03"), ("0.03", "0.02")])
    assert best(lambda: _seconds(project, *next(turns)), below=3) < 3
    project.ok("git", "checkout", "-q", "--", ".")
    for revision, expected in ((second, after), (first, before)):
        project.ok("git", "checkout", "-q", revision)
        assert project.repro() == []
        assert _results(project) == expected


def _seconds(project: Project, old: str, new: str) -> float:
    """Of the processor, for `dvc repro` of settings that ran before."""
    edit_conf(project, "conf/data/simulated.yaml", old, new)
    started = os.times()
    assert project.repro(**COLD) == ["settings"]
    return sum(os.times()[2:4]) - sum(started[2:4])


def _results(project: Project) -> dict[str, dict[str, str]]:
    return {
        name: digests(project.folder / name)
        for name in ("data/prepared", "models/weights", "models/package", "reports")
    }


IN_ONE_PROCESS = """
import runpy, sys
for stage in sys.argv[1:]:  # each would import PyTorch again
    sys.argv = ["src/stage.py", stage]
    runpy.run_path("src/stage.py", run_name="__main__")
"""


def test_a_processor_with_other_instructions_gives_the_same_bytes(torch_project: Project, tmp_path: Path) -> None:
    """As far as one can be made of this one; docs/rebuild.md says how far that is."""
    project = torch_project.copy(tmp_path / "p")
    expected = _results(project)
    other = {
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
    }
    project.ok("python", "-c", IN_ONE_PROCESS, "prepare", "train", "evaluate", PYTHONPATH="src", **other, **COLD)
    assert _results(project) == expected and project.ok("git", "status", "--porcelain") == ""


AT_THE_FIFTH_CHECKPOINT = """
written = itertools.count(1)
def look(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("last.safetensors") and next(written) == 5:
        os.killpg(0, signal.SIGKILL)
sys.addaudithook(look)
"""


def _killed(project: Project, folder: Path, moment: str, *words: str) -> None:
    """`dvc repro WORDS`, which its stage kills: by what Python runs first there, at a moment that no machine moves."""
    first = f"import itertools, os, signal, sys\nif 'src/stage.py' in sys.orig_argv:\n{indent(moment, '    ')}\n"
    (folder / "sitecustomize.py").write_text(first, encoding="utf-8")
    known = os.environ | COLD | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        ["dvc", "repro", *words], cwd=project.folder, env=known, start_new_session=True, stdout=subprocess.DEVNULL
    )
    assert done.returncode == -signal.SIGKILL


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize("stage", ["prepare", "evaluate"])
def test_after_a_kill_in_the_middle_of_a_stage_one_command_puts_the_results_back(
    stage: str, torch_project: Project, tmp_path: Path
) -> None:
    project = torch_project.copy(tmp_path / "p")
    expected = _results(project)
    _killed(project, tmp_path, "os.killpg(0, signal.SIGKILL)", "--single-item", "--force", stage)
    assert _results(project) != expected, "DVC has removed the outputs"
    project.ok("stemma", "undo")
    assert _results(project) == expected
    assert project.ok("git", "status", "--porcelain") == "" and json.loads(project.ok("dvc", "status", "--json")) == {}


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_a_killed_training_goes_on_to_the_bytes_of_an_uninterrupted_one(project: Project, tmp_path: Path) -> None:
    more = ["train.epochs=8", "train.patience=null", "train.batch_size=16"]
    project.ok("stemma", "conf", "sync", *more)
    _killed(project, tmp_path, AT_THE_FIFTH_CHECKPOINT, "train")
    checkpoint = project.folder / "models/checkpoint/last.safetensors"
    assert checkpoint.exists()
    project.ok("stemma", "conf", "sync", "train.resume=true", *more)
    project.repro("train")
    resumed = {name: digests(project.folder / name) for name in ("models/weights", "reports/training")}
    resumed["record"] = {"": project.read("reports/training.json")}
    assert not checkpoint.exists()
    project.ok("stemma", "conf", "sync", *more)
    project.repro("--force", "--single-item", "train")
    whole = {name: digests(project.folder / name) for name in ("models/weights", "reports/training")}
    whole["record"] = {"": project.read("reports/training.json")}
    assert resumed == whole
    assert json.loads(whole["record"][""])["epochs_run"] == 8

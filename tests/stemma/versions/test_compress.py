"""`stemma compress`: candidates are made by the version's own pipeline in a clone, and judged as `compare` judges."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest

import stemma.versions.compare
from judged import packaged, parquet, prepared, profile
from stemma import bundle
from stemma.cli.compress import budget_of
from stemma.errors import StemmaError, VersionError
from stemma.repo import trust
from stemma.repo.repository import Version
from stemma.versions.compress import page
from stemma.versions.compress.search import CANDIDATES, Budget, Found, search, settings_of, share
from stemma.weights import Layer
from version_worlds import World

pytestmark = [pytest.mark.xdist_group("compress"), pytest.mark.usefixtures("forked")]
Run = Callable[..., tuple[int, str, str]]
# Stands for the project's pipeline: what a method gives lies ready in made/.
STAGE = """
import pathlib, shutil, sys
settings = dict(line.split(": ") for line in pathlib.Path("params.yaml").read_text().splitlines() if line[:1] == " ")
method = settings["  method"] if settings["  prune"] == "null" else "pruned"
if method == "int8_dynamic":
    sys.exit("error: the network has no dense layer")
for file in ("models/package/model.zip", "reports/predictions.parquet"):
    pathlib.Path(file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(pathlib.Path("made", method, pathlib.Path(file).name), file)
"""
PIPELINE = """
stages:
  package:
    cmd: python src/stage.py package
    deps: [data/prepared, made, src/stage.py]
    params: [compress, train]
    outs: [models/package/model.zip, reports/predictions.parquet]
"""
CONFIG = "[core]\n    analytics = false\n[hydra]\n    enabled = True\n"
IGNORED = "/models/package\n/reports/predictions.parquet\n"
CONF = "compress:\n  method: none\ntrain:\n  prune: null\n  init_from: null\n"
MADE = {  # -> the noise that it adds to what it predicts by, and bytes
    "none": ("quiet", 9000), "float16": ("slight", 6000), "int8_static": ("low", 3000), "pruned": ("loud", 100),
}  # fmt: skip
NOISE = {"quiet": 0.0, "slight": 0.001, "low": 0.002, "loud": 2.0}


BUDGET = Budget("roc_auc", 0.01)


def rows(seed: int) -> pd.DataFrame:
    """With the inputs `quiet`, `low` and `loud`: what is predicted by, and more or less noise."""
    frame = prepared("binary")
    noise = np.random.default_rng(seed).normal(size=len(frame))
    return frame.assign(**{name: frame["x"] + of * noise for name, of in NOISE.items()})


def answers(frame: pd.DataFrame, name: str) -> bytes:
    """predictions.parquet of the bundle that predicts by an input; by `low` every decision is wrong."""
    chance = (1 / (1 + np.exp(-2 * frame[name]))).astype(np.float32)
    predicted = np.where((chance >= 0.5) ^ (name == "low"), "TRUE", "FALSE")
    columns = {"row": frame["row"], "actual": frame["Revenue"], "predicted": predicted}
    return parquet(pd.DataFrame(columns | {"probability_FALSE": 1 - chance, "probability_TRUE": chance}))


def make(folder: Path) -> World:
    world = World(folder)
    folder.mkdir()
    world.ok("git", "init", "-q", "-b", "main")
    files = {".dvc/config": CONFIG, ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n", ".gitignore": IGNORED,
             "src/stage.py": STAGE, "dvc.yaml": PIPELINE, "conf/config.yaml": CONF, "params.yaml": CONF}  # fmt: skip
    for name, content in files.items():
        world.write(name, content)
    validation, test = rows(1), rows(2)
    world.write("data/prepared/validation.parquet", parquet(validation))
    world.write("data/prepared/profile.json", json.dumps(profile("binary")))
    for method, (name, size) in MADE.items():
        path = folder / "made" / method / "model.zip"
        path.parent.mkdir(parents=True)
        packaged(path, "binary", 2.0, inputs=[name])
        held = {name: content for name, content in bundle.open_bundle(path).files.items() if name != "manifest.json"}
        bundle.build(path, {**held, "README.md": np.random.default_rng(0).bytes(size).hex().encode()})
        world.write(f"made/{method}/predictions.parquet", answers(test, name))
    world.commit("start")
    world.ok("dvc", "repro", "-q")
    world.commit("trained")
    trust.trust(folder)
    return world


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A version with an edit in its work tree, which no search may touch; its commit has a successor."""
    world = make(tmp_path_factory.mktemp("compress") / "world")
    world.tag("v1")
    world.write("notes.md", "A page.\n")
    world.commit("a page")
    trust.trust(world.folder)
    world.write("params.yaml", "edited: true\n")
    return world


@pytest.fixture(scope="module")
def found(made: World) -> Found:
    return search(made.folder, "v1", BUDGET)


def state(world: World) -> tuple[str, ...]:
    refs = world.ok("git", "for-each-ref")
    return refs, world.ok("git", "status", "--porcelain"), (world.folder / "params.yaml").read_text()


def test_the_smallest_that_loses_less_than_the_budget_becomes_an_experiment_on_the_version(
    made: World, found: Found
) -> None:
    assert (found.chosen, found.before.rows) == ("int8_static", 600)
    base = made.ok("git", "rev-parse", "v1^{commit}")
    assert found.experiment == f"compress-int8_static-{base[:7]}"
    commit = made.ok("git", "rev-parse", f"refs/exps/{base[:2]}/{base[2:]}/{found.experiment}")
    assert made.ok("git", "rev-parse", f"{commit}^") == base
    assert "method: int8_static" in made.ok("git", "show", f"{commit}:params.yaml")
    assert found.test is not None and found.test.on is None and BUDGET.holds(found.test)
    assert found.sentence.startswith("int8_static, 0.") and found.sentence.endswith(found.experiment)


def test_what_is_kept_is_a_version_like_any_other(made: World, found: Found) -> None:
    kept = stemma.versions.compare.compare(made.folder, "v1", str(found.experiment))
    assert kept.sizes[1].bytes == found.judged["int8_static"].sizes[1].bytes


def test_each_candidate_is_judged_by_its_interval_and_all_else_tells_its_reason(found: Found) -> None:
    assert [*found.judged] == ["float16", "int8_static", "prune_50", "prune_50_int8"][:3]
    assert not BUDGET.holds(found.judged["prune_50"]) and share(found.judged["prune_50"], "size") < 0.2
    assert found.others["int8_dynamic"] == "the network has no dense layer"
    assert found.others["aware_int8"] == "the code of v1 has no setting train.quantisation_aware"
    assert found.others["prune_80"] == "prune_50, which is milder, does not keep within the budget"
    assert {*found.judged, *found.others} == {*CANDIDATES}


def test_the_mean_within_a_budget_is_not_enough(made: World, found: Found) -> None:
    """The whole interval must be."""
    lost = found.judged["int8_static"]
    assert lost.lost > -lost.main.difference
    assert not Budget("roc_auc", lost.lost).holds(lost) and Budget("roc_auc", lost.lost + 1e-9).holds(lost)


def test_the_work_tree_is_not_touched_and_no_folder_is_left(made: World, found: Found) -> None:
    assert (made.folder / "params.yaml").read_text() == "edited: true\n"
    assert made.ok("git", "status", "--porcelain") == "M params.yaml"
    assert not (made.folder / ".dvc/config.local").exists()


def test_a_budget_that_cannot_be_met_is_a_sentence_with_the_nearest_miss(found: Found) -> None:
    told = replace(found, budget=Budget("roc_auc", 1e-12), chosen=None, test=None, experiment=None).sentence
    assert told.startswith("nothing smaller than v1 keeps within roc_auc -1e-12: the nearest is ")
    assert "95 % interval" in told and "prune" not in told


def test_where_all_that_keeps_within_the_budget_is_no_smaller_the_sentence_says_that(found: Found) -> None:
    told = replace(found, by="latency", chosen=None, test=None, experiment=None).sentence
    assert told == "nothing smaller than v1 keeps within roc_auc -0.01: what does has no less latency"


def test_what_the_test_rows_do_not_confirm_is_not_kept(made: World, found: Found, run: Run) -> None:
    """On the test rows int8_static decides wrongly, with probabilities that are right."""
    before = state(made)
    code, out, err = run(made, "compress", "v1", "--budget", "accuracy -0.1")
    assert code == 1 and "within the budget; the smallest" in out and "failed" not in out
    assert err.startswith("error: int8_static, 0.") and err.count("\n") == 1
    assert err.endswith("on the test rows; there not within the budget: not kept\n")
    assert state(made) == before


def test_the_page_shows_what_no_other_beats(made: World, found: Found, tmp_path: Path) -> None:
    front = page.front(found, "size")
    assert front[:2] == ["prune_50", "int8_static"]  # float16 where chance made it better than int8
    page.write(found, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<svg" in text and "the network has no dense layer" in text and "budget roc_auc -0.01" in text


@pytest.mark.parametrize("text", ["roc_auc", "roc_auc +0.002", "roc_auc 0.002", "-0.002", "roc_auc -x", "roc_auc -0",
                                  "roc_auc -nan", "roc_auc -1e999", "roc_auc -0.1 f1 -0.1", ""])  # fmt: skip
def test_a_text_that_is_no_budget_is_wrong_usage(made: World, run: Run, text: str) -> None:
    code, out, err = run(made, "compress", "v1", "--budget", text)
    assert (code, out) == (2, "") and "is not METRIC -X" in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("text", "metric", "loss"),
    [("roc_auc -0.002", "roc_auc", 0.002), (" f1-.5 ", "f1", 0.5), ("rmse - 2E-3", "rmse", 0.002)],
)
def test_a_budget_is_read_as_people_write_it(text: str, metric: str, loss: float) -> None:
    assert budget_of(text) == Budget(metric, loss)


def test_what_cannot_be_searched_is_one_line(made: World, run: Run) -> None:
    for words, told in (
        (("nowhere", "--budget", "roc_auc -0.1"), "no revision is named 'nowhere'"),
        (("v1", "--budget", "roc_auk -0.1"), "'roc_auk' is no metric of a binary task"),
        (("workspace", "--budget", "roc_auc -0.1"), "the workspace is no commit"),
        (("v1^", "--budget", "roc_auc -0.1"), "v1^ holds no trained model"),
        (("v1", "--budget", "roc_auc -0.1", "--html", str(made.folder)), "is no file: name another"),
        (
            ("v1", "--budget", "roc_auc -0.1", "--html", f"{made.folder}/dvc.yaml/x.html"),
            "cannot be written (Not a dir",
        ),
    ):
        code, out, err = run(made, "compress", *words)
        assert (code, out, err.count("\n")) == (1, "", 1) and told in err


def test_what_trains_on_a_network_that_was_cut_has_its_units() -> None:
    """Its settings name the whole network, and the share of it that went: so much would go once more."""
    head = Layer("sigmoid", "sigmoid", {"cut_from": [64, 32], "hidden": [48, 24]})
    train = {"prune": None, "init_from": "v0", "prune_structured": 0.25}
    told = {"train": train, "compress": {"method": "none"}, "model": {"hidden": [64, 32]}}
    version = cast(
        Version, SimpleNamespace(name="v1", commit="abc", settings=told, index=SimpleNamespace(layers=[head]))
    )
    whole = {"train.init_from": "abc", "model.hidden": "[48, 24]", "train.prune_structured": "null"}
    assert settings_of("prune_50", version) == whole | {"train.prune": "0.5"}
    assert settings_of("units_50", version) == whole | {"train.prune_structured": "0.5"}
    assert settings_of("float16", version) == {"compress.method": "float16"}


def test_code_that_is_not_trusted_does_not_run(made: World, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "copy")
    with pytest.raises(VersionError, match="stemma compress runs what this repository brings"):
        search(tmp_path / "copy", "v1", BUDGET)
    with pytest.raises(StemmaError, match="'roc_auk' is no metric of a binary task"):  # nobody trusts code for that
        search(tmp_path / "copy", "v1", Budget("roc_auk", 0.1))

"""Versions read from Git and DVC: names, files from everywhere, what is missing or damaged, and nothing touched."""

import json
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from stemma import weights
from stemma.errors import VersionError
from stemma.repo.repository import Repository
from version_worlds import METRICS, World, new, parts

INDEX = "models/weights/index.json"


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file, in .git and .dvc too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def world(three_versions: World, tmp_path: Path) -> World:
    """The three versions, to be changed."""
    return three_versions.copy(tmp_path / "world")


# The world itself.


def test_dvc_agrees_with_the_world_that_was_made_without_it(three_versions: World) -> None:
    assert three_versions.ok("dvc", "status") == "Data and pipelines are up to date."
    assert three_versions.ok("dvc", "status", "-c") == "Cache and remote 'disk' are in sync."
    assert three_versions.ok("git", "status", "--short") == ""


# Names.


def test_git_names_registered_versions_stages_experiments_and_the_workspace_are_revisions(
    three_versions: World,
) -> None:
    repository = Repository(three_versions.folder)

    def commit(name: str) -> str:
        return three_versions.ok("git", "rev-parse", f"{name}^{{commit}}")

    for name in ("HEAD", "HEAD~2", "main", "wider", "model@v1.0.0", commit("HEAD"), commit("HEAD")[:8]):
        assert repository.resolve(name).commit == commit(name)
    assert repository.resolve("model#prod").commit == commit("model@v1.1.0")
    assert repository.resolve("model@latest").commit == commit("model@v1.1.0")
    assert {repository.resolve(name).commit for name in ("v1.1.0", "1.1.0")} == {commit("model@v1.1.0")}
    assert repository.resolve("model#prod#1").commit == commit("model@v1.0.0")
    assert repository.version("calm-otter").settings["train"]["learning_rate"] == 1e-4
    assert (repository.resolve("workspace").commit, repository.resolve("workspace").short) == (None, "workspace")


def test_a_folder_below_finds_the_repository_and_one_outside_says_so(three_versions: World, tmp_path: Path) -> None:
    assert Repository(three_versions.folder / "src").root == three_versions.folder.resolve()
    with pytest.raises(VersionError, match="is not in a DVC repository"):
        Repository(tmp_path)


def test_a_sparse_checkout_without_dvc_is_told_how_to_have_it(three_versions: World, tmp_path: Path) -> None:
    world = three_versions.copy(tmp_path / "world")
    shutil.rmtree(world.folder / ".dvc")
    with pytest.raises(VersionError, match=r"did not check out: run `git sparse-checkout add \.dvc`"):
        Repository(world.folder)


def test_an_unknown_name_tells_the_nearest_ones(three_versions: World) -> None:
    repository = Repository(three_versions.folder)
    with pytest.raises(VersionError) as error:
        repository.resolve("model@v1.1.1")
    assert "no revision is named 'model@v1.1.1' (did you mean model@v1.1.0" in str(error.value)
    assert str(error.value).endswith("run `stemma log --all`")
    for name in ("", "-n", "--all", "calm-oter", "main\nmain", "HEAD~99", "model#nowhere"):
        with pytest.raises(VersionError, match="no revision is named"):
            repository.resolve(name)


def test_an_experiments_name_on_two_commits_is_refused(world: World) -> None:
    other = world.ok("git", "rev-parse", "HEAD")
    world.ok("git", "update-ref", f"refs/exps/{other[:2]}/{other[2:]}/calm-otter", other)
    with pytest.raises(VersionError, match=f"2 experiments are named 'calm-otter': give the .*{other[:7]}"):
        Repository(world.folder).resolve("calm-otter")


def test_a_folder_without_git_or_without_a_commit_says_so(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    with pytest.raises(VersionError, match="not a git repository"):
        Repository(tmp_path).resolve("HEAD")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    with pytest.raises(VersionError, match="no revision is named 'HEAD'"):
        Repository(tmp_path).resolve("HEAD")


# Parts and files.


def test_every_part_of_a_version_is_read(three_versions: World) -> None:
    version = Repository(three_versions.folder).version("model@v1.0.0")
    assert [tensor.name for tensor in version.index.tensors][:2] == ["hidden_1.weight", "hidden_1.bias"]
    assert version.index.framework == "torch"
    assert (version.profile["rows"], version.profile["target"]) == (400, "bought")
    assert version.metrics == METRICS
    assert version.training["epoch_kept"] == 9
    assert version.evaluation["test"]["accuracy"] == {"value": 0.8, "low": 0.78, "high": 0.82}
    assert version.settings["train"] == {"epochs": 40, "learning_rate": 1e-3, "optimizer": "adam", "seed": 0}
    assert version.lock["schema"] == "2.0"
    assert "models/weights" in version.outputs
    assert version.bytes("models/package/model.zip") == b"a bundle"
    assert version.bytes("src/purchase_intent/model.py") == b"pass\n"
    assert version.text("reports/training/plots/metrics/train/loss.tsv").startswith("step\tloss\n")


def test_versions_do_not_mix(three_versions: World) -> None:
    repository = Repository(three_versions.folder)
    first, last = repository.version("model@v1.0.0"), repository.version("main")
    assert (first.profile["rows"], last.profile["rows"]) == (400, 500)
    assert first.metrics["test"] != last.metrics["test"]
    assert first.text("src/purchase_intent/model.py") != last.text("src/purchase_intent/model.py")


def test_a_part_that_a_version_lacks_is_none_and_a_file_an_error(three_versions: World) -> None:
    version = Repository(three_versions.folder).version("HEAD~99999".replace("~99999", "~5"))
    assert version.index is version.profile is version.metrics is version.training is version.evaluation is None
    assert version.settings is version.lock is version.output("models/weights") is None
    assert version.outputs == {}
    with pytest.raises(VersionError, match=r"models/weights/index\.json is not in HEAD~5$"):
        version.bytes(INDEX)
    with pytest.raises(VersionError, match="src is not in HEAD"):
        Repository(three_versions.folder).version("HEAD").bytes("src")
    assert not Repository(three_versions.folder).version("HEAD").has("models/weights/none.json")
    with pytest.raises(VersionError, match=r"models/weights/none\.json is not in HEAD$"):
        Repository(three_versions.folder).version("HEAD").bytes("models/weights/none.json")


def test_an_output_tells_its_files(three_versions: World) -> None:
    version = Repository(three_versions.folder).version("HEAD")
    output = version.output("models/weights")
    folder = three_versions.folder / "models/weights"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    assert sorted(version.files(output)) == names
    assert output.is_folder and output.files == len(names)
    assert output.size == sum((folder / name).stat().st_size for name in names)
    assert (output.md5, version.files(output)["index.json"][0]) == (
        three_versions.md5("models/weights"),
        three_versions.md5(INDEX),
    )
    bundle = version.output("models/package/model.zip")
    assert not bundle.is_folder and version.files(bundle) == {}


def test_the_workspace_is_what_lies_on_disk(world: World) -> None:
    repository = Repository(world.folder)
    here, head = repository.version("workspace"), repository.version("HEAD")
    assert here.output("models/weights") == (output := head.output("models/weights"))
    assert here.files(output).keys() == head.files(output).keys()
    assert here.output("models/package/model.zip") == head.output("models/package/model.zip")
    assert here.index == head.index and here.profile == head.profile
    world.write("models/package/model.zip", b"another bundle")
    world.write("params.yaml", "train: {seed: 1}\n")
    changed = repository.version("workspace")
    assert changed.bytes("models/package/model.zip") == b"another bundle"
    assert changed.settings == {"train": {"seed": 1}}
    assert changed.output("models/package/model.zip") != head.output("models/package/model.zip")
    (world.folder / INDEX).unlink()
    assert repository.version("workspace").index is None
    with pytest.raises(VersionError, match=r"is not in the work tree: run `dvc checkout models/weights/index\.json`"):
        repository.version("workspace").bytes(INDEX)


def test_what_a_dvc_file_tracks_is_read(world: World) -> None:
    world.write("data/raw/visits.csv", "price\n1\n")
    world.write("data/more/a.csv", "a\n")
    world.write("data/more/deep/b.csv", "b\n")
    world.ok("dvc", "add", "-q", "data/raw/visits.csv", "data/more")
    world.commit("raw data")
    world.write("data/raw/visits.csv", "price\n2\n")
    version = Repository(world.folder).version("HEAD")
    assert version.bytes("data/raw/visits.csv") == b"price\n1\n"
    assert version.bytes("data/more/deep/b.csv") == b"b\n"
    assert version.has("data/more/a.csv") and not version.has("data/more/c.csv")
    assert version.files(version.output("data/more")).keys() == {"a.csv", "deep/b.csv"}
    assert version.output("data/raw/visits.csv").size == 8


def test_a_repository_below_the_git_root_reads_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "mono").mkdir()
    inner = new(tmp_path / "mono" / "model")
    (inner.folder / ".git").rename(tmp_path / "mono" / ".git")
    inner.ok("git", "add", "-A")
    inner.commit("moved")
    inner.version("first", parts())
    version = Repository(inner.folder).version("HEAD")
    assert version.metrics == METRICS and version.index is not None
    assert version.text("src/purchase_intent/model.py") == "pass\n"


# Cache, remote, and neither.


def test_with_an_empty_cache_everything_comes_from_the_remote_and_stays_there(world: World) -> None:
    before = Repository(world.folder).version("model@v1.0.0").index
    world.empty_cache()
    version = Repository(world.folder).version("model@v1.0.0")
    assert version.index == before and version.profile["rows"] == 400
    assert not world.cache.exists()


def test_a_cache_elsewhere_is_found(world: World, tmp_path: Path) -> None:
    (world.folder / ".dvc" / "cache").rename(tmp_path / "shared")
    world.write(".dvc/config.local", "[cache]\n    dir = ../../shared\n")
    (world.remote / "files").rename(tmp_path / "gone")
    assert Repository(world.folder).version("model@v1.0.0").index is not None


def test_an_object_that_is_nowhere_names_file_revision_and_command(world: World) -> None:
    md5 = world.md5(INDEX)
    for place in (world.cache, world.remote / "files" / "md5"):
        (place / md5[:2] / md5[2:]).unlink()
    version = Repository(world.folder).version("main")
    assert version.has(INDEX)
    expected = (
        "models/weights/index.json of main is neither in the cache nor in a remote within reach: "
        "run `stemma push main` where it is, then `stemma verify main --repair`"
    )
    with pytest.raises(VersionError) as error:
        _ = version.index
    assert str(error.value) == expected
    assert Repository(world.folder).version("model@v1.0.0").index is not None


def test_a_listing_that_is_nowhere_and_no_remote_are_told(world: World) -> None:
    world.write(".dvc/config", "[core]\n    analytics = false\n")
    world.object(world.md5("models/weights")).unlink()
    with pytest.raises(VersionError, match="models/weights of main is not in the cache, and no remote is configured"):
        Repository(world.folder).version("main").has(INDEX)


def test_what_dvc_2_hashed_names_the_command_that_reads_it(world: World) -> None:
    text = (world.folder / "dvc.lock").read_text()
    world.write("dvc.lock", text.replace("      hash: md5\n", ""))
    world.commit("as an older DVC wrote it")
    version = Repository(world.folder).version("HEAD")
    expected = "models/weights of HEAD is kept as DVC 2 did: run `dvc get . models/weights --rev HEAD`"
    with pytest.raises(VersionError) as error:
        version.bytes(INDEX)
    assert str(error.value) == expected


def test_a_damaged_object_is_replaced_by_the_remotes_and_named_where_there_is_none(world: World) -> None:
    damaged = world.object(world.md5(INDEX))
    damaged.chmod(0o644)
    damaged.write_bytes(b"{}")
    assert Repository(world.folder).version("main").index is not None
    (world.remote / "files").rename(world.remote / "gone")
    with pytest.raises(VersionError) as error:
        _ = Repository(world.folder).version("main").index
    assert str(error.value).startswith(f"{INDEX} of main is damaged: {damaged} does not hold what its name says")


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 2}', '{"format": 1}'])
def test_an_index_that_was_committed_damaged_is_one_clear_line(world: World, content: str) -> None:
    listing = json.loads(world.object(world.md5("models/weights")).read_bytes())
    for file in listing:
        if file["relpath"] == "index.json":
            file["md5"] = world._store(content.encode())
    md5 = world._store(json.dumps(listing).encode(), ".dir")
    lock = (world.folder / "dvc.lock").read_text().replace(world.md5("models/weights"), md5)
    world.write("dvc.lock", lock)
    world.commit("damaged")
    with pytest.raises(VersionError, match=r"^main: models/weights") as error:
        _ = Repository(world.folder).version("main").index
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\nschema: '2.0'\n", "schema: [", "- 1\n", "stages: 3\n"])
def test_a_dvc_lock_that_was_committed_damaged_is_one_clear_line(world: World, text: str) -> None:
    world.write("dvc.lock", text)
    world.commit("a merge gone wrong")
    with pytest.raises(VersionError, match=r"^dvc\.lock of HEAD is damaged \(") as error:
        _ = Repository(world.folder).version("HEAD").index
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["params.yaml", "reports/metrics.json"])
def test_other_damaged_files_are_one_clear_line(world: World, name: str) -> None:
    world.write(name, b"\xff\xfe{")
    world.commit("damaged")
    version = Repository(world.folder).version("HEAD")
    with pytest.raises(VersionError, match=f"{name} of HEAD is damaged"):
        _ = version.settings if name == "params.yaml" else version.metrics


def test_a_remote_that_is_no_folder_is_read(world: World) -> None:
    handler = partial(QuietHandler, directory=str(world.remote))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        world.write(".dvc/config", f"[core]\n    remote = web\n['remote \"web\"']\n    url = {url}\n")
        expected = Repository(world.folder).version("model@v1.0.0").index
        world.empty_cache()
        before = snapshot(world.folder / "models")
        version = Repository(world.folder).version("model@v1.0.0")
        assert version.index == expected
        assert version.profile["rows"] == 400
        assert version.bytes("models/package/model.zip") == b"a bundle"
        wrong = world.md5("models/package/model.zip")
        (world.remote / "files" / "md5" / wrong[:2] / wrong[2:]).write_bytes(b"tampered")
        with pytest.raises(VersionError, match=r"model\.zip of main is damaged .the remote holds other bytes"):
            Repository(world.folder).version("main").bytes("models/package/model.zip")
        (world.remote / "files" / "md5" / wrong[:2] / wrong[2:]).unlink()
        with pytest.raises(VersionError, match=r"model\.zip of main is neither in the cache nor in a remote"):
            Repository(world.folder).version("main").bytes("models/package/model.zip")
        server.shutdown()
    assert snapshot(world.folder / "models") == before


def test_what_keeps_dvc_from_a_remote_is_one_clear_line(world: World) -> None:
    world.write(".dvc/config", "[core]\n    remote = far\n['remote \"far\"']\n    url = ssh://nowhere.example.org/x\n")
    world.empty_cache()
    with pytest.raises(VersionError, match=r"model\.zip of main cannot be fetched \(.*ssh") as error:
        Repository(world.folder).version("main").bytes("models/package/model.zip")
    assert "\n" not in str(error.value)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


# What a reader never does.


def test_reading_touches_nothing(world: World) -> None:
    world.empty_cache()
    before = snapshot(world.folder)
    for name in ("model@v1.0.0", "wider", "calm-otter", "workspace"):
        version = Repository(world.folder).version(name)
        assert version.index is not None and version.profile is not None and version.settings is not None
        version.bytes("reports/predictions.parquet")
    assert snapshot(world.folder) == before


def test_versions_are_read_without_a_framework_and_without_the_projects_code(three_versions: World) -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'tensorflow', 'keras', 'purchase_intent')))\n"
        "import stemma\n"
        f"root = {str(three_versions.folder)!r}\n"
        "print(len(stemma.log(root, all=True)), stemma.show(root, 'model#prod').weights.tensors)\n"
        "print([name for name in ('pandas', 'sklearn', 'dvc.repo', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["5 6", "[]"]


def test_tensors_can_be_read_from_the_bytes_of_a_version(three_versions: World, tmp_path: Path) -> None:
    version = Repository(three_versions.folder).version("main")
    for name in version.files(version.output("models/weights")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(version.bytes(f"models/weights/{name}"))
    expected = weights.read(three_versions.folder / "models/weights")
    assert all(np.array_equal(array, expected[name]) for name, array in weights.read(tmp_path).items())


def test_a_configuration_that_dvc_cannot_read_is_one_line(three_versions: World, tmp_path: Path) -> None:
    world = three_versions.copy(tmp_path / "w")
    world.write(".dvc/config", "[core\n")
    with pytest.raises(VersionError, match=r"DVC's configuration in .* cannot be read \(.*Invalid line"):
        Repository(world.folder).version("HEAD").bytes("models/weights/index.json")


def test_without_a_remote_the_next_command_adds_one(three_versions: World, tmp_path: Path) -> None:
    world = three_versions.copy(tmp_path / "w")
    world.ok("git", "rm", "-q", "--cached", ".dvc/config")
    (world.folder / ".dvc/config").unlink()
    world.empty_cache()
    with pytest.raises(VersionError, match=r"no remote is configured: run `dvc remote add -d NAME URL`"):
        Repository(world.folder).version("HEAD").bytes("models/weights/index.json")

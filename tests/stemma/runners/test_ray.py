"""Ray, as two nodes in processes: what local gives, and one line where a worker, a node or the head fails."""

import operator
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import yaml

import forks
from bundles import contents
from clusters import HOSTS, TOKEN, Cluster, cluster, cut, inside, linked
from fits import PROBLEMS, Deadly, judged, tiny
from gangs import Counter, hold
from processes import is_gone, spawned
from searched import FATAL, SPACE, Searched, in_process, project
from stemma import bundle, runners
from stemma.bundle import many
from stemma.errors import MissingExtra, RunnerError, SettingsError
from stemma.evaluation import folds
from stemma.evaluation.check import slices
from stemma.repo import stores
from stemma.runners import Died
from stemma.runners.local import Local
from stemma.runners.ray import _folder
from stemma.runners.settings import RunnerSettings
from stemma.settings import checked
from stemma.tables import check, prepared
from stemma.training.own import Parts
from timing import until
from tiny import NETWORKS, SOURCES
from tiny.params import settled
from worlds import ROOT

# Imported, it would read its settings.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
ASKING = """
import os
from stemma import runners
if __name__ == "__main__":
    with runners.chosen("ray") as runner:
        runner.run(os.getenv, [("TMPDIR",)], ["a"], 1)
    print([name for name in os.environ if name.startswith("RAY_")])
"""


@pytest.fixture(scope="module", params=[pytest.param(None, marks=pytest.mark.xdist_group("ray"))], ids=["nodes"])
def nodes() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patched, cluster(NODE="head") as made:
        patched.setenv("RAY_AUTH_TOKEN", TOKEN)
        made.add(f"--address={made.address}", NODE="other")
        yield made


def test_results_come_in_the_order_of_the_jobs_from_all_nodes(nodes: Cluster) -> None:
    with runners.chosen("ray", nodes.address) as runner:
        assert runner.cores() == 2
        assert runner.run(operator.sub, [(3, 1), (2, 2), (0, 1)], ["a", "b", "c"], 2) == [2, 0, -1]
        assert set(runner.run(os.getenv, [("NODE",)] * 4, "abcd", 2)) == {"head", "other"}


def test_what_starts_afterwards_is_started_and_ends_as_before(nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")  # one that was there, and others that were not
    before, ending = dict(os.environ), signal.getsignal(signal.SIGTERM)
    with runners.chosen("ray", nodes.address):
        pass
    assert os.environ == before and signal.getsignal(signal.SIGTERM) == ending


def test_an_error_is_one_line_with_the_name_of_its_job(nodes: Cluster) -> None:
    jobs = [(["Month"], ["Month"], "row"), (["nothing"], ["Month"], "row")]
    wrong = pytest.raises(RunnerError, match=r"^fold 2 of 2: evaluate.slices: 'nothing' is not a column")
    with runners.chosen("ray", nodes.address) as runner, wrong:
        runner.run(slices, jobs, ["fold 1 of 2", "fold 2 of 2"], 1)


def test_a_worker_that_is_killed_is_told_and_its_job_is_not_tried_again(
    nodes: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    jobs = [("a", (os.mkdir, tmp_path / "a")), ("b", (os.kill, 0, signal.SIGKILL)), ("c", (operator.truediv, 1, 0))]
    with runners.chosen("ray", nodes.address) as runner:
        (_, first), (_, killed), (_, failed) = runner.stream(operator.call, jobs, 1)
    assert first is None and (str(killed), str(failed)) == (
        "b: its process was killed, or its node", "c: its process failed (division by zero)"
    )  # fmt: skip
    assert isinstance(killed, Died) and isinstance(failed, Died) and capfd.readouterr() == ("", "")


def test_the_death_of_the_driver_is_a_line_then_there_is_another_and_at_the_end_it_costs_nothing(
    nodes: Cluster,
) -> None:
    def die() -> None:
        (driver,) = spawned(os.getpid())
        driver.send_signal(signal.SIGABRT)  # as Ray's C++ does
        until(lambda: is_gone(driver.pid))

    with runners.chosen("ray", nodes.address) as runner:
        die()
        with pytest.raises(Died, match=r"^the driver of Ray: its process was killed by signal 6$"):
            runner.cores()
        with closing(runner.gang(Counter, (10, np.array([1, 2])), "ab")) as gang:
            assert gang.call("add", 3) == [13, 13] and gang.call("array") == [[1, 2], [1, 2]]
            die()
            with pytest.raises(Died):
                gang.call("add", 3)
        assert runner.run(operator.sub, [(3, 1)], ["a"], 1) == [2]
        die()


def test_folds_give_what_they_give_on_this_machine(
    nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Local, "stream", in_process)
    on_ray = {"name": "ray", "address": nodes.address}
    local, ray = (settled(train={"epochs": 2, "threads": 2}, runner=each) for each in ({}, on_ray))  # one at a time
    made = check.check(local.data, SOURCES, strict=False)
    prepared.write(tmp_path / "prepared", made, local.data, local.prepare)
    one, other = (
        folds.cross_validate(each, folds.Tables(NETWORKS), tmp_path / "prepared", tmp_path / "scratch", 2)
        for each in (local, ray)
    )
    assert one == other and [path.name for path in tmp_path.iterdir()] == ["prepared"]


def test_a_search_gives_what_it_gives_on_this_machine_and_goes_on_without_a_trial_that_died(
    nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Local, "stream", in_process)
    made, found = Searched(project(tmp_path)), []
    file = made.root / "conf/config.yaml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    for runner, other in (("local", [12]), ("ray", FATAL)):  # drawn for the same trials
        made.write(trials=4, sampler="random", space=SPACE["space"] | {"model.hidden": {"choices": [[16], other]}})
        values["runner"] = {"name": runner, "address": nodes.address if runner == "ray" else None}
        file.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        found.append({each.number: each for each in made.run().trials})
    local, ray = found
    died = [number for number, each in ray.items() if each.settings[0] == f"model.hidden={FATAL}"]
    assert died and {ray.pop(number).fault for number in died} == {"its process was killed, or its node"}
    assert ray == {number: local[number] for number in ray} != {}


def test_a_fit_by_several_workers_gives_what_it_gives_on_this_machine_though_one_is_killed(
    nodes: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    found = []
    for name, deaths, runner in (("local", 0, None), ("ray", 1, RunnerSettings(name="ray", address=nodes.address))):
        (folder := tmp_path / name).mkdir()
        network, loss = tiny("torch", PROBLEMS["regression"]), Deadly(folder, deaths)
        with forks.starting():
            judged(network, folder, "regression", Parts(loss), runner=runner, workers=2, epochs=4, batch_size=32)
        found.append(network.tensors())
    assert "its process was killed, or its node; all workers are started again" in capsys.readouterr().err
    assert all(np.array_equal(tensor, found[1][name]) for name, tensor in found[0].items())


def test_the_tables_of_a_folder_are_predicted_as_on_this_machine(nodes: Cluster, tmp_path: Path) -> None:
    bundle.build(tmp_path / "model.zip", contents())
    (tmp_path / "rows").mkdir()
    for name in "abcde":
        (tmp_path / "rows" / f"{name}.csv").write_text("Month,PageValues,Weekend\nMay,0.5,yes\n", encoding="utf-8")
    for name, address in (("local", None), ("ray", nodes.address)):
        tables = many.Many(str(tmp_path / "rows"), str(tmp_path / name), stores.at, bundle.Rows(Path()))
        with runners.chosen(name, address) as runner:
            many.predict(bundle.open_bundle(tmp_path / "model.zip"), tables, runner, 1)
    local, ray = ({path.name: path.read_bytes() for path in (tmp_path / each).iterdir()} for each in ("local", "ray"))
    assert local == ray and len(ray) == 5


def test_the_projects_own_packages_are_sent_to_the_nodes(
    nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "src/shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("def twice(x):\n    return 2 * x\n", encoding="utf-8")
    (tmp_path / "stemma.lock").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "src")
    import shop  # type: ignore[import-not-found]

    with runners.chosen("ray", nodes.address) as runner:
        assert runner.run(shop.twice, [(1,), (2,)], "ab", 2) == [2, 4]


def test_whoever_has_not_the_token_is_told_so_in_a_line_and_is_let_in_with_it(
    nodes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = pytest.raises(RunnerError, match=rf"^runner.address: the cluster at {nodes.address} does not let us in")
    with monkeypatch.context() as patched, refused:
        patched.setenv("RAY_AUTH_TOKEN", "b" * 64)
        runners.chosen("ray", nodes.address).__enter__()
    with runners.chosen("ray", nodes.address) as runner:
        assert runner.cores() == 2


def test_an_address_of_ipv6_stands_in_brackets(nodes: Cluster) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    address = f"[::1]:{nodes.address.rpartition(':')[2]}"
    assert checked(RunnerSettings, {"name": "ray", "address": address}, "here").address == address
    with runners.chosen("ray", address) as runner:
        assert runner.cores() == 2


def test_a_gang_may_have_more_workers_than_cores_and_holds_the_port_where_they_meet(nodes: Cluster) -> None:
    with runners.chosen("ray", nodes.address) as runner, closing(runner.gang(Counter, (10, 0), "abc")) as gang:
        assert gang.call("place") == [0, 1, 2]
        (meeting,) = {*gang.call("meeting")}
        where = urlsplit(meeting)
        with pytest.raises(OSError, match="in use"):
            socket.create_server((where.hostname, where.port))


def test_a_node_with_gpus_alone_is_there_and_one_with_another_toolkit_is_refused(
    nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "src/stemma", tmp_path / "stemma", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "stemma/task.py").open("a", encoding="utf-8") as file:
        file.write("# another version\n")
    nodes.add(f"--address={nodes.address}", "--num-cpus=0", "--num-gpus=2", PYTHONPATH=str(tmp_path))
    monkeypatch.setattr("stemma.runners.ray.LOOK", 0.1)  # it is looked for while its worker starts
    refused = pytest.raises(RunnerError, match=r"^[ab]: .* another toolkit \(task\): install that of stemma.lock there")
    with runners.chosen("ray", nodes.address) as runner:
        until(lambda: "GPU" in runner.driver.ask("resources"))
        with closing(runner.gang(Counter, (10, 0), "ab", gpus=1)) as gang, refused:
            gang.call("place")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "a..b:80", f"{'a' * 64}:80", "[::1]:1"])
def test_an_address_where_nothing_answers_is_named_before_ray_waits_for_it(address: str) -> None:
    with pytest.raises(
        RunnerError, match=rf"^runner.address: nothing answers at {re.escape(address)}: run `ray status`$"
    ):
        runners.chosen("ray", address).__enter__()


def test_a_port_that_is_none_is_not_taken_for_what_is_left_of_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1] + 2**16}"
        with pytest.raises(RunnerError, match=f"nothing answers at {address}"):
            runners.chosen("ray", address).__enter__()


def test_a_ray_of_our_own_ends_with_its_jobs_and_leaves_nothing(tmp_path: Path) -> None:
    short = Path(f"/tmp/r{os.getpid()}")  # noqa: S108  # sockets lie in it
    short.mkdir()
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", ASKING],
        env={**mine, "TMPDIR": str(short), "HOME": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    left = [path.name for folder in (short, tmp_path) for path in folder.iterdir()]
    shutil.rmtree(short)
    assert (done.returncode, done.stdout, done.stderr, left) == (0, "[]\n", "", [])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such sockets")
def test_a_ray_of_our_own_lies_where_the_names_of_its_sockets_are_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, place in ((tmp_path, "/tmp"), (Path("/dev/shm"), "/dev/shm")):  # noqa: S108 - as Ray does
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        if folder.is_dir():
            with ExitStack() as opened:
                assert Path(_folder(opened)).parent == Path(place)


def test_ray_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"^ray is not installed: run `pip install .*\[ray\]\"`$"):
        runners.chosen("ray").__enter__()


@pytest.mark.parametrize(
    "address",
    ["head", "ray://head:10001", "user:password@head:6379", "head:6379/path", "::1:6379", "[head]:6379", "[]:1"],
)
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(SettingsError, match="address"):
        checked(RunnerSettings, {"name": "ray", "address": address}, "here")


def test_a_head_that_is_killed_in_the_middle_of_jobs_and_of_a_fit_ends_each_in_a_line(
    nodes: Cluster, tmp_path: Path
) -> None:
    """The last of these tests: the cluster is gone after it."""
    signs = [tmp_path / "job", tmp_path / "worker"]

    def jobs() -> None:
        with runners.chosen("ray", nodes.address) as runner:
            runner.run(hold, [(signs[0],)], ["a"], 1)

    def fit() -> None:
        with runners.chosen("ray", nodes.address) as runner, closing(runner.gang(Counter, (0, 0), "ab")) as gang:
            gang.call("hold", signs[1])

    with ThreadPoolExecutor() as threads:
        asked = [threads.submit(each) for each in (jobs, fit)]
        until(lambda: all(sign.exists() for sign in signs))
        nodes.kill("gcs_server", "raylet")
    told = {str(each.exception()) for each in asked}
    assert told == {f"the Ray cluster at {nodes.address} is gone: run `ray status`"}


QUICK = {"initial_delay_ms": "1000", "period_ms": "500", "timeout_ms": "500", "failure_threshold": "3"}


def test_a_link_that_is_cut_costs_what_is_behind_it_and_who_asked_from_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setattr("stemma.runners.driver.GOODBYE", 120.0)  # Ray would end after it, for it cannot say so

    def ask(name: str, job: str) -> str:
        with inside(name), runners.chosen("ray", made.address) as runner:
            opened.add(name)
            return str(next(runner.stream(hold, [(job, (tmp_path / job,))], 1))[1])

    opened = set[str]()
    quick = {f"RAY_health_check_{name}": value for name, value in QUICK.items()}
    with ThreadPoolExecutor() as threads, linked() as (here, there), ExitStack() as ends:
        with inside(here):
            made = ends.enter_context(cluster(HOSTS[0], **quick))
        with inside(there):
            made.add("--num-cpus=3", f"--address={made.address}", f"--node-ip-address={HOSTS[1]}")
        behind = threads.submit(ask, there, "b")
        until(lambda: opened)
        asked = threads.submit(ask, here, "a")  # it has most room on the other node
        until((tmp_path / "a").exists)
        cut(here)
        assert asked.result(90) == "a: its process was killed, or its node"
        assert str(behind.exception(90)) == f"the Ray cluster at {made.address} is gone: run `ray status`"

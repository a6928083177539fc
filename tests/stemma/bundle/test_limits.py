"""Whatever a graph does, the process that asked for it goes on, in time, and with one line."""

import faulthandler
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hostile
from bundles import contents
from stemma import bundle
from stemma.bundle import limits
from stemma.bundle.check import check
from stemma.bundle.limits import Limits, answer, apart
from stemma.bundle.predict import Run, predict, predicted
from stemma.errors import BundleError
from timing import HANGS, until

SHORT = Limits(seconds=1, memory=2**30)
linux = pytest.mark.skipif(sys.platform != "linux", reason="a fork, and the limits of Linux")
ROWS = {"PageValues": [1.0, 2.0]}


def spent() -> float:
    """Processor seconds, of this process and of those that it waited for: others may be using the processors."""
    return sum(os.times()[:4])


def opened(folder: Path, graph: bytes, **more: Any) -> bundle.Bundle:
    return bundle.open_bundle(hostile.packed(folder / "m.zip", graph), **more)


def unseen(folder: Path, graph: bytes, monkeypatch: pytest.MonkeyPatch) -> bundle.Bundle:
    """A graph that the look let pass."""
    monkeypatch.setattr("stemma.bundle.model.look", lambda graph: None)
    return opened(folder, graph)


# What comes back.


def test_what_is_yielded_comes_back_in_order_and_from_another_process() -> None:
    made = list(apart(lambda: (b"%d" % number * number for number in range(3)), SHORT))
    assert made == [b"", b"1", b"22"]
    assert (answer(os.getpid) != os.getpid()) == (sys.platform == "linux")


def test_an_error_comes_back_with_its_command() -> None:
    def work() -> Iterator[bytes]:
        yield b"one"
        raise BundleError("it is wrong", run="mend it")

    found = apart(work, SHORT)
    assert next(found) == b"one"
    with pytest.raises(BundleError, match=r"^it is wrong: run `mend it`$"):
        next(found)


def test_a_fault_of_ours_keeps_its_trace() -> None:
    with pytest.raises((RuntimeError, ZeroDivisionError), match="by zero"):
        answer(lambda: 1 // 0)


@linux
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_graph_that_ends_its_process_is_one_line(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        os.write(1, b"as onnxruntime prints")
        faulthandler.disable()  # pytest's
        os.kill(os.getpid(), number)

    with pytest.raises(BundleError, match=rf"^model\.onnx ended the process that ran it \({number.name}\)$"):
        answer(work)
    assert capfd.readouterr() == ("", "")


@linux
def test_a_reader_who_has_seen_enough_leaves_no_process() -> None:
    def work() -> Iterator[bytes]:
        while True:
            yield str(os.getpid()).encode()

    found = apart(work, SHORT)
    child = int(next(found))
    found.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@linux
def test_each_answer_has_its_time() -> None:
    def work() -> Iterator[bytes]:
        for _ in range(3):
            until = time.process_time() + 0.6
            while time.process_time() < until:
                pass
            yield b"one"

    assert len(list(apart(work, SHORT))) == 3


@linux
def test_memory_of_python_s_own_is_limited_too() -> None:
    with pytest.raises(BundleError, match=r"^model\.onnx needs more than 1,073,741,824 bytes of memory$"):
        answer(lambda: len(bytearray(2**31)), SHORT)


def test_without_fork_the_time_alone_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.sys, "platform", "win32")
    ended: list[int] = []
    monkeypatch.setattr(limits.os, "_exit", ended.append)
    assert answer(os.getpid, Limits(seconds=int(HANGS))) == os.getpid()
    assert ended == []
    assert answer(lambda: until(lambda: ended), SHORT) is None  # here the process would be gone
    assert ended == [1]


# Graphs.


HARMFUL: dict[str, tuple[Callable[[], bytes], str]] = {
    "loop": (lambda: hostile.looped(2**62), "takes more than 1 s for a batch of rows"),
    "slow": (hostile.slow, "takes more than 1 s for a batch of rows"),
    "constant": (lambda: hostile.shaped("ConstantOfShape", [2**30]), "cannot be run"),
    "grown": (lambda: hostile.grown([2**30]), "cannot be run"),
}


@linux
@pytest.mark.parametrize("kind", HARMFUL)
def test_a_graph_that_takes_too_much_is_stopped(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, reason = HARMFUL[kind]
    found = unseen(tmp_path, graph(), monkeypatch)
    started = spent()
    with pytest.raises(BundleError, match=rf"^model\.onnx {reason}"):
        predicted(found, ROWS, SHORT)
    assert spent() - started < 20


@pytest.mark.parametrize(("graph", "reason"), [
    (hostile.two_answers(), r"gives \(4, 1\) values, and signature\.json promises \(2, 1\)"),
    (hostile.texts(), r"does not give the output of signature\.json, in float32"),
], ids=["rows", "texts"])  # fmt: skip
def test_answers_of_another_shape_or_type_are_refused_though_there_is_no_sample(
    graph: bytes, reason: str, tmp_path: Path
) -> None:
    found = opened(tmp_path, graph)
    with pytest.raises(BundleError, match=rf"^model\.onnx {reason}"):
        found.predict(ROWS)
    with pytest.raises(BundleError, match=rf"m\.zip: model\.onnx {reason}"):
        check(tmp_path / "m.zip", limits=SHORT)


def test_what_the_look_refuses_is_neither_verified_nor_run_unless_it_is_trusted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("PageValues\n2\n")
    rows, found = bundle.Rows(tmp_path / "rows.csv"), opened(tmp_path, hostile.computed_turns())
    for action in (
        lambda: predict(found, rows),
        lambda: check(tmp_path / "m.zip"),
        lambda: bundle.verify(tmp_path / "m.zip"),
    ):
        with pytest.raises(BundleError, match="has a loop without an end that is constant"):
            action()
    assert capsys.readouterr().out == ""
    predict(bundle.open_bundle(tmp_path / "m.zip", trusted=True), rows)
    assert capsys.readouterr().out == "prediction\n6.0\n"


def test_apart_or_not_the_predictions_are_the_same(model: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("Month,PageValues,Weekend\n" + "May,0.5,yes\nNov,,no\n" * 9000)
    rows = bundle.Rows(tmp_path / "rows.csv")
    here, there = ([out for _, out in Run(bundle.open_bundle(model, each), rows).parts()] for each in (True, False))
    assert [len(part) for part in there] == [8192, 8192, 1616]
    np.testing.assert_array_equal(np.concatenate(here), np.concatenate(there))


# Bundles that are damaged at random, under right hashes.

GRAPHS = [contents()["model.onnx"], hostile.looped(5), hostile.nested(3), hostile.shaped("Expand", [3, 2])]


@linux
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_graph_of_which_bytes_were_changed_is_refused_or_run_in_time(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    graph = bytearray(data.draw(st.sampled_from(GRAPHS)))
    for _ in range(data.draw(st.integers(1, 4))):
        graph[data.draw(st.integers(0, len(graph) - 1))] = data.draw(st.integers(0, 255))
    ended_well(tmp_path_factory, {**contents(), "model.onnx": bytes(graph)})


@linux
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_graph_of_which_a_field_was_changed_is_refused_or_run_in_time(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    graph = data.draw(st.sampled_from(GRAPHS))
    for _ in range(data.draw(st.integers(1, 3))):
        graph = hostile.with_a_field_changed(graph, lambda choices: data.draw(st.sampled_from(choices)))
    ended_well(tmp_path_factory, {**contents(), "model.onnx": graph})


NUMBERS = st.sampled_from(
    [0, -1, 2**31, 2**62, 100_002, 1e999, float("nan"), "\ud800", None, [], {}, True, "x" * 10**6]
)


@linux
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_signature_or_sample_in_which_a_value_was_changed_is_refused_or_run_in_time(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    files = {**contents(), "version.json": b'{"format": 1, "metrics": {"test": {"a": 1}}}'}
    files["request.json"] = b'{"inputs": {"Month": ["May"], "PageValues": [1], "Weekend": [true]}}'
    files["response.json"] = b'{"probabilities": [[0.1, 0.9]]}'
    name = data.draw(st.sampled_from(sorted(set(files) - {"model.onnx", "README.md"})))
    value: Any = json.loads(files[name])
    place: Any = value
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(NUMBERS)
    ended_well(tmp_path_factory, {**files, name: json.dumps(value).encode()})


def ended_well(folders: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """Verified and run, or refused by one short line; soon in any case."""
    folder = folders.mktemp("changed")
    (folder / "rows.csv").write_text("Month,PageValues,Weekend\nMay,0.5,yes\n")
    started = spent()
    for action in (
        lambda: bundle.build(folder / "m.zip", files),
        lambda: check(folder / "m.zip", limits=SHORT),
        lambda: list(Run(bundle.open_bundle(folder / "m.zip"), bundle.Rows(folder / "rows.csv"), SHORT).parts()),
    ):
        try:
            action()
        except BundleError as error:
            assert len(str(error).splitlines()) == 1
            assert len(str(error)) < 1000
    assert spent() - started < 20

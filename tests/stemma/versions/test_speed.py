"""How long bundles take, beside what else the machine does, and how much memory."""

import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, load_from_string, numpy_helper

from judged import packaged
from stemma import bundle
from stemma.versions import speed


def test_rounds_in_which_the_machine_does_something_else_do_not_count() -> None:
    numbers, runs = count(), 3

    def disturbed() -> None:
        if next(numbers) < speed.WARM + (speed.ROUNDS - 1) * runs:
            time.sleep(0.01)

    slow, quick = speed._in_turns(disturbed, lambda: None, runs)
    assert slow < 5 and quick < 5


@pytest.mark.skipif(not speed.PAGES.is_file(), reason="the system does not say")
def test_memory_is_that_of_the_weights_of_one_more(tmp_path: Path) -> None:
    packaged(tmp_path / "small.zip", "regression", 1.0)
    small = bundle.open_bundle(tmp_path / "small.zip")
    model = load_from_string(small.files["model.onnx"])
    shapes = {"in": (1, 2000), "wide": (2000, 2000), "out": (2000, 1)}
    del model.graph.node[:]
    for name, (given, gives) in {"in": ("x", "a"), "wide": ("a", "b"), "out": ("b", "prediction")}.items():
        model.graph.node.append(helper.make_node("MatMul", [given, name], [gives]))
        model.graph.initializer.append(numpy_helper.from_array(np.ones(shapes[name], np.float32), name))
    large = bundle.Bundle.of({**small.files, "model.onnx": model.SerializeToString()})
    heap = [bytearray(100_000) for _ in range(800)]  # 80 MB, most of it free where the last still stands
    del heap[:-1]
    few, many = (speed.memory(each) for each in (small, large))
    assert few is not None and many is not None and few < 2e6 and 16e6 < many < 40e6

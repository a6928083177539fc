"""Networks of one's own, as docs/models.md has them and as they go wrong."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fits import PROBLEMS, rows, settings
from stemma import weights
from stemma.entries import Entry
from stemma.errors import StemmaError
from stemma.tables.profile import Block
from stemma.task import of
from stemma.training import fit as training
from stemma.training import networks
from stemma.training.base import Given, Network, Problem, Rows
from stemma.training.settings import ModelSettings
from worlds import PREFIXES, ROOT

BLOCKS = (Block("n", "numeric", 0, 3), Block("city", "code", 3, 1, 60), Block("flag", "binary", 4, 1))
CODED = Problem(of("binary", ("no", "yes")), 5, BLOCKS)
Make = Callable[[str, str, Problem], Network]
HEADS = {
    "torch": """from torch import nn
from stemma.frameworks.torch.network import TorchNetwork as Base
def stack(problem, *layers, width=None):
    return nn.Sequential(*layers, nn.Linear(width or 8, problem.outputs))
def dense(problem):
    return nn.Linear(problem.inputs, 8)
def wide(problem):
    return nn.Linear(problem.inputs, problem.outputs + 2)
""",
    "tensorflow": """from types import SimpleNamespace
import keras
from keras import layers
nn = layers
from stemma.frameworks.tensorflow.network import KerasNetwork as Base
def stack(problem, *layers, width=None):
    return keras.Sequential([keras.Input((width or problem.inputs,)), *layers, nn.Dense(problem.outputs)])
def dense(problem):
    return nn.Dense(8)
def wide(problem):
    return keras.Sequential([keras.Input((problem.inputs,)), nn.Dense(problem.outputs + 2)])
nn = SimpleNamespace(Dense=nn.Dense, ReLU=lambda: nn.Dense(8), BatchNorm1d=lambda width: layers.BatchNormalization())
""",
}
BODIES = {  # what `build` gives
    "plain": "stack(self.problem, dense(self.problem), nn.ReLU())",
    "normal": "stack(self.problem, dense(self.problem), nn.BatchNorm1d(8))",
    "wide": "wide(self.problem)",
    "fails": "stack(self.problem, dense(self.problem), width=9)",
    "broken": "stack(self.problem.nothing)",
}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in PREFIXES])
def framework(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A network of a module that is written first: one of BODIES, or the code of a page."""

    def made(framework: str, what: str, problem: Problem) -> Network:
        code = what
        if what in BODIES:
            code = f"{HEADS[framework]}\nclass Own(Base):\n    def build(self):\n        return {BODIES[what]}\n"
        name = f"own_{framework}_{abs(hash(code))}"
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        (kind,) = re.findall(r"^class (\w+)", code, re.MULTILINE)
        chosen = ModelSettings(name="own", framework=framework)  # type: ignore[arg-type]
        return networks.create({"own": Entry(f"{name}:{kind}")}, chosen, problem)

    return made


def encoded(count: int = 200) -> Any:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(count, 5)).astype(np.float32)
    x[:, 3], x[:, 4] = draw.integers(0, 60, count), draw.integers(0, 2, count)
    return x


def example(framework: str) -> str:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/models.md").read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if ("TorchNetwork" in block) == (framework == "torch") and "class" in block)


@pytest.mark.parametrize("problem", [CODED, PROBLEMS["multiclass"]])
def test_the_documented_network_looks_codes_up(
    framework: str, problem: Problem, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    network = make(framework, example(framework), problem)
    x = encoded() if problem is CODED else rows("multiclass", 50).x
    training.try_out(network, x)
    assert capsys.readouterr().err == ""
    assert network.scores(x).shape == (len(x), problem.outputs)


def test_a_network_that_takes_codes_as_numbers_is_warned_of(
    framework: str, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    training.try_out(make(framework, "plain", CODED), encoded())
    assert "the network own takes the codes of city as numbers" in capsys.readouterr().err
    training.try_out(make(framework, "plain", PROBLEMS["binary"]), rows("binary", 50).x)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("wide", r"the network own gives the shape \(32, 3\) for 32 rows: its last layer must give .* here 1"),
        ("fails", r"the network own fails \(\w+: "),
    ],
)
def test_a_network_of_another_width_is_one_line(framework: str, body: str, told: str, make: Make) -> None:
    network = make(framework, body, CODED)
    with pytest.raises(StemmaError, match=told) as caught:
        training.try_out(network, encoded())
    assert "\n" not in str(caught.value)


def test_a_network_that_cannot_be_built_is_one_line(framework: str, make: Make) -> None:
    with pytest.raises(StemmaError, match=r"the network own cannot be built \(AttributeError: .*nothing"):
        make(framework, "broken", CODED)


def test_a_last_batch_of_one_row_is_named_where_a_layer_refuses_it(make: Make, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    train = rows("binary", 97)
    network = make("torch", "normal", PROBLEMS["binary"])
    with pytest.raises(
        StemmaError, match=r"last batch has one row.*train\.batch_size.*\(ValueError: Expected"
    ) as caught:
        training.run(network, Given(train, settings()), rows("binary", 20, 1), tmp_path / "c.safetensors")
    assert "\n" not in str(caught.value)
    given = Given(Rows(train.x[:96], train.y[:96]), settings(epochs=1))
    training.run(network, given, rows("binary", 20, 1), tmp_path / "c.safetensors")


def test_layers_without_a_name_have_one_by_their_place(framework: str, make: Make, tmp_path: Path) -> None:
    for body in ("plain", "normal"):
        one = make(framework, body, PROBLEMS["binary"])
        given = Given(rows("binary", 64), settings(epochs=1))
        training.run(one, given, rows("binary", 20, 1), tmp_path / "c.safetensors")
        one.save(tmp_path / body)
        others = [make(framework, other, PROBLEMS["binary"]) for other in (body, "plain", body)]
        others[-1].load(tmp_path / body)  # the process has made other layers meanwhile
        x = rows("binary", 30).x
        assert np.array_equal(others[-1].scores(x), one.scores(x))
    if framework == "tensorflow":
        names = [layer.name for layer in weights.index(tmp_path / "normal").layers]
        assert names == ["dense", "batch_normalization", "dense_1", "sigmoid"]

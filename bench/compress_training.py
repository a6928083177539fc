"""What compression while training costs and brings, on the shoppers table.

python bench/compress_training.py            both tables, into bench/README.md: some minutes of one core
"""

import statistics
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
from scipy.stats import t
from sklearn.metrics import roc_auc_score

import page
import quality
from pipeline import ROOT
from purchase_intent.networks import NETWORKS
from purchase_intent.settings import Settings, load
from stemma import runtime
from stemma.training import fit, narrow, networks, origin
from stemma.training.base import Given, Network, Problem, Rows

SEEDS = 5
DRAWN = origin.Origin()
WIDE = {"name": "torch_mlp", "framework": "torch", "hidden": (1024, 1024, 1024), "activation": "relu", "dropout": 0.1}
SMALL = WIDE | {"hidden": (64, 32)}


@cache
def settings() -> Settings:
    return load(ROOT / "params.yaml")


@cache
def case() -> quality.Case:
    """The table as a person gets it who describes it and corrects nothing."""
    return quality.prepare("shoppers", quality.SHOPPERS, "Revenue", 0, settings())


def rows(split: str) -> Rows:
    return case().splits[split]


def network(values: dict[str, object] | None = None) -> Network:
    """Of these settings, or that of params.yaml."""
    model = settings().model
    if values is not None:
        model = NETWORKS[str(values["name"])].settings.model_validate(values)
    return networks.create(NETWORKS, model, Problem.of(case().about))


def fitted(model: Network, begin: origin.Origin = DRAWN, **changes: object) -> Network:
    given = Given(rows("train"), settings().train.model_copy(update=changes), begin.tensors, taught=begin.taught)
    with tempfile.TemporaryDirectory() as folder:
        fit.run(model, given, rows("validation"), Path(folder) / "last.safetensors")
    return model


def area(model: Network) -> float:
    return float(roc_auc_score(rows("test").y, model.predict(rows("test").x)[:, 1]))


def matrices(model: Network) -> int:
    """Weights of the matrices in the network's graph: each is a multiplication of a row, for each member."""
    return sum(int(np.prod(each.dims)) for each in model.onnx(18).graph.initializer if len(each.dims) > 1)


def microseconds(model: Network, count: int) -> float:
    """Of the network's graph in onnxruntime on one thread, for this many rows; the quickest of 200."""
    session, x = runtime.session(model.onnx(18).SerializeToString()), rows("test").x[:count]
    taken = []
    for _ in range(200):
        start = time.perf_counter()
        session.run(None, {"encoded": x})
        taken.append(time.perf_counter() - start)
    return min(taken) * 1e6


def times(model: Network) -> list[str]:
    return [f"{microseconds(model, count):.0f}" for count in (1, 1000)]


def structured() -> page.Table:
    """Half of the units of each hidden layer pruned (`experiment=prune_structured`), and what stays trained on at a
    learning rate of 0.0001; the graph of the network alone, in onnxruntime on one thread."""
    table = []
    for name, values in (("3 x 1024", WIDE), ("that of params.yaml", None)):
        table += [measured(name, whole := fitted(network(values)))]
        smaller = network(values)
        begin = narrow.of(smaller, origin.Origin(whole.tensors()), 0.5)
        table += [measured(f"{name}, half", fitted(smaller, begin, learning_rate=0.0001))]
    return ["network", "weights of matrices", "AUC on test rows", "us a row", "us 1,000 rows"], table


def measured(name: str, model: Network) -> list[str]:
    return [name, f"{matrices(model):,}", f"{area(model):.4f}", *times(model)]


def distilled() -> page.Table:
    """The network of params.yaml teaches a plain one of 64 and 32 units (`experiment=distil`), beside the same network
    alone. Mean AUC on test rows over 5 seeds of the fit; the 95 % interval is of the difference of pairs."""
    teacher = fitted(network())
    says = origin.Origin(taught=teacher.predict(rows("train").x))
    alone, taught = [], []
    for seed in range(SEEDS):
        alone.append(area(fitted(network(SMALL), seed=seed)))
        taught.append(area(fitted(network(SMALL), says, seed=seed, distil_temperature=2.0, distil_weight=0.8)))
    student = network(SMALL)
    gains = [b - a for a, b in zip(alone, taught, strict=True)]
    half = t.ppf(0.975, SEEDS - 1) * statistics.stdev(gains) / SEEDS**0.5
    gain = statistics.mean(gains)
    table = [
        [
            "teacher",
            f"{area(teacher):.4f}",
            "",
            f"{microseconds(teacher, 1):.0f}",
            f"{microseconds(teacher, 1000):.0f}",
        ],
        ["64-32 alone", f"{statistics.mean(alone):.4f}", "", "", ""],
        [
            "64-32 taught",
            f"{statistics.mean(taught):.4f}",
            f"{gain:+.4f} ({gain - half:+.4f} to {gain + half:+.4f})",
            *times(student),
        ],
    ]
    return ["network", "AUC on test rows", "beside alone", "us a row", "us 1,000 rows"], table


if __name__ == "__main__":
    page.main({"structured": structured, "distilled": distilled})

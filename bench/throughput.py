"""Rows per second of one framework and batch size: `python bench/throughput.py torch 32 200000`.

Prints one JSON line: baseline -> [ours, theirs, ratio, goal]. The sides take turns over equally many rows: medians, and
the median of the ratios turn by turn, since a drift of the machine hits both sides.
"""

import json
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from pipeline import ROOT
from purchase_intent.networks import NETWORKS
from purchase_intent.networks.settings import MlpSettings
from purchase_intent.settings import load
from stemma import task
from stemma.training import networks
from stemma.training.base import Draw, Given, Problem, Rows

COLUMNS, HIDDEN, DROPOUT, RATE = 30, (64, 32), 0.1, 0.001
TURNS = 7
ROWS = {32: 100_000, 1024: 1_000_000}  # of a turn, by batch: a DataLoader is so slow that a part is enough


def ours(framework: str, batch: int, rows: Rows) -> Callable[[], float]:
    name = {"torch": "torch_mlp", "keras": "keras_mlp"}[framework]
    folder = {"torch": "torch", "keras": "tensorflow"}[framework]
    settings = load(ROOT / "params.yaml").train.model_copy(
        update={"epochs": 1, "batch_size": batch, "learning_rate": RATE, "schedule": "constant", "weight_decay": 0.0,
                "patience": None, "device": "cpu"}
    )  # fmt: skip
    chosen = MlpSettings(name=name, framework=folder, hidden=HIDDEN, activation="relu", dropout=DROPOUT)
    network = networks.create(NETWORKS, chosen, Problem(task.of("binary", ("no", "yes")), COLUMNS))
    session = network.session(Given(rows, settings))
    draw = np.random.default_rng(0)
    session.run_epoch(Draw(draw.permutation(len(rows.x))[: 16 * batch], RATE, 0))  # the first call builds graphs

    def epoch() -> None:
        session.run_epoch(Draw(draw.permutation(len(rows.x))[: ROWS[batch]], RATE, 1))

    return lambda: rate(ROWS[batch], epoch)


def torch_baselines(batch: int, rows: Rows) -> dict[str, tuple[Callable[[], float], float]]:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    x, y = torch.from_numpy(rows.x), torch.from_numpy(rows.y)[:, None]
    network = nn.Sequential(
        nn.Linear(COLUMNS, 64),
        nn.ReLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(32, 1),
    )
    optimizer, loss = torch.optim.Adam(network.parameters(), RATE), nn.BCEWithLogitsLoss()

    def step(xs: torch.Tensor, ys: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss(network(xs), ys).backward()
        optimizer.step()

    def minimal() -> None:
        order = torch.randperm(len(x))[: ROWS[batch]]
        for start in range(0, len(order), batch):
            index = order[start : start + batch]
            step(x[index], y[index])

    def loader(workers: int) -> None:
        part = TensorDataset(x[: ROWS[batch]], y[: ROWS[batch]])
        for xs, ys in DataLoader(part, batch_size=batch, shuffle=True, num_workers=workers):
            step(xs, ys)

    made = {"minimal loop over tensors": (lambda: rate(ROWS[batch], minimal), 0.95)}
    if batch == 32:
        made["stock DataLoader loop, 2 workers"] = (lambda: rate(ROWS[batch], lambda: loader(2)), 5.0)
        made["stock DataLoader loop, no workers"] = (lambda: rate(ROWS[batch], lambda: loader(0)), 5.0)
    return made


def keras_baselines(batch: int, rows: Rows) -> dict[str, tuple[Callable[[], float], float]]:
    import keras

    inputs = last = keras.Input((COLUMNS,))
    for units in HIDDEN:
        last = keras.layers.Dropout(DROPOUT)(keras.layers.Dense(units, activation="relu")(last))
    network = keras.Model(inputs, keras.layers.Dense(1)(last))
    network.compile(keras.optimizers.Adam(RATE), keras.losses.BinaryCrossentropy(from_logits=True))
    network.fit(rows.x[: 4 * batch], rows.y[: 4 * batch], batch_size=batch, verbose=0)
    x, y = rows.x[: ROWS[batch]], rows.y[: ROWS[batch]]
    fit = lambda: network.fit(x, y, batch_size=batch, verbose=0)  # noqa: E731 - one line says it
    return {"plain model.fit": (lambda: rate(ROWS[batch], fit), 1.0)}


def rate(rows: int, action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return rows / (time.perf_counter() - start)


def main() -> None:
    framework, batch, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if count < ROWS[batch]:
        raise SystemExit(f"error: a turn takes {ROWS[batch]:,} rows of batches of {batch}, {count:,} are too few")
    generator = np.random.default_rng(0)
    x = generator.normal(size=(count, COLUMNS)).astype(np.float32)
    rows = Rows(x, (x[:, 0] + generator.normal(size=count) > 0).astype(np.float32))
    own = ours(framework, batch, rows)
    baselines = (torch_baselines if framework == "torch" else keras_baselines)(batch, rows)
    turns = [(own(), {name: run() for name, (run, _) in baselines.items()}) for _ in range(TURNS)]
    found = {}
    for name, (_, goal) in baselines.items():
        mine, theirs = [turn[0] for turn in turns], [turn[1][name] for turn in turns]
        ratio = median(a / b for a, b in zip(mine, theirs, strict=True))
        found[name] = [median(mine), median(theirs), ratio, goal]
    print(json.dumps(found))


if __name__ == "__main__":
    main()

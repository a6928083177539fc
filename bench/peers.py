"""`stemma serve` beside other servers of the same graph, each in an environment of its own.

python bench/peers.py kserve=ENVIRONMENT mlserver=ENVIRONMENT bentoml=ENVIRONMENT mlflow=ENVIRONMENT

An environment is a folder that `python -m venv` made, and into which `pip install NAME onnxruntime==1.31.1` put one of
them; those that are not named are left out.
"""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path

import numpy as np

import page
from load import ROOT, Row, Side, answered, cases, free, running
from page import Table
from stemma import bundle

TURNS = 5
REQUESTS = {1: 1500, 64: 200}  # of a turn, by rows of a request
GOALS = {"kserve": 3, "mlserver": 4, "bentoml": 4, "mlflow": 10}  # times the requests per second, of single rows


def peers(environments: dict[str, str]) -> Table:
    """`POST /predict` at 64 connections, one request after the other on each, beside the servers of others, each with
    the shortest code that answers the same rows (bench/peer.py), one process each; medians of 5 turns that alternate.
    Time: processor time for a request. ENVIRONMENT is a folder that `python -m venv` made and into which that peer is
    installed."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for what, path, row in cases(Path(folder)):
            with _all(path, Path(folder), environments) as sides:
                for count in REQUESTS:
                    rows += _compared(f"{what}, rows in a request: {count}", sides, row, count)
    return ["what", "peer", "here", "there", "ratio of rate", "goal", "ratio of time", "memory here", "there"], rows


def _compared(what: str, sides: dict[str, Side], row: Row, count: int) -> Iterator[list[str]]:
    asked = {name: side.request(row, count) for name, side in sides.items()}
    for name, side in sides.items():
        side.turn(asked[name], REQUESTS[count] // 4)  # warm
    turns = [[side.turn(asked[name], REQUESTS[count]) for name, side in sides.items()] for _ in range(TURNS)]
    (ours, *theirs), (our_rate, *their_rates) = np.median(turns, axis=0).T.tolist()
    memory, *memories = (f"{side.memory():.0f} MB" for side in sides.values())
    for name, seconds, rate, used in zip([*sides][1:], theirs, their_rates, memories, strict=True):
        rates = [f"{our_rate:,.0f} req/s", f"{rate:,.0f} req/s", f"{our_rate / rate:.1f}"]
        goal = f">= {GOALS[name]}" if count == 1 else ""
        yield [what, name, *rates, goal, f"{seconds / ours:.1f}", memory, used]


@contextlib.contextmanager
def _all(path: Path, folder: Path, environments: dict[str, str]) -> Iterator[dict[str, Side]]:
    """Ours first."""
    with contextlib.ExitStack() as stack:
        port = free()
        ours = stack.enter_context(running("stemma", "serve", path, "--port", port))
        answered(port)
        found = {"stemma": Side(ours, port)}
        for name, environment in environments.items():
            port, place = free(), folder / f"{path.stem}-{name}"
            place.mkdir()
            for file in ("model.onnx", "signature.json"):
                (place / file).write_bytes(bundle.open_bundle(path).files[file])
            python = Path(environment, "bin/python").absolute()
            process = stack.enter_context(running(python, ROOT / "bench/peer.py", name, place, port))
            answered(port, "/")
            found[name] = Side(process, port, *ASKED[name])
        yield found


def _tensors(row: Row, count: int) -> object:
    return {
        "inputs": [
            {"name": name, "shape": [count, 1], "datatype": "BYTES" if isinstance(value, str) else "FP32",
             "data": [value] * count}
            for name, value in row.items()
        ]
    }  # fmt: skip


def _rows_as(name: str) -> Callable[[Row, int], object]:
    return lambda row, count: {name: [row] * count}


ASKED = {
    "kserve": ("/v1/models/model:predict", _rows_as("instances")),
    "mlserver": ("/v2/models/model/infer", _tensors),
    "bentoml": ("/predict", _rows_as("rows")),
    "mlflow": ("/invocations", _rows_as("dataframe_records")),
}


def versions(environments: dict[str, str]) -> str:
    """Of the peers, as their environments have them."""
    found = []
    for name, environment in environments.items():
        (packages,) = Path(environment, "lib").glob("python3*/site-packages")
        found += [f"{name} {each.version}" for each in distributions(path=[str(packages)]) if each.name == name]
    return ", ".join(found)


if __name__ == "__main__":
    known = dict(each.split("=", 1) for each in sys.argv[1:])
    if not known or not known.keys() <= ASKED.keys():
        sys.exit(f"error: which peers? NAME=ENVIRONMENT of {', '.join(ASKED)}")
    table = peers(known)
    text = " ".join((peers.__doc__ or "").split()) + f" Here: {versions(known)}."
    made = page.section("peers", text, table, " ".join(f"{name}=ENVIRONMENT" for name in known))
    print(made)
    page.update("peers", made)

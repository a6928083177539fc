"""Small bundles with samples, and an application that serves them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from bundles import DATED, MULTICLASS, REGRESSION, ROWS, SIGNATURE, contents, days
from serving import over_grpc
from stemma import bundle, runtime, signature
from stemma.serve.app import App
from stemma.serve.load import load
from stemma.serve.models import Model, Models, Version
from stemma.serve.process import app_of
from stemma.serve.settings import ServeSettings

Build = Callable[..., Path]


def with_sample(known: dict[str, Any], **graph_of: Any) -> dict[str, bytes]:
    files = contents(known, **graph_of)
    arrays = signature.parse(files["signature.json"]).arrays(ROWS)
    answer = {known["output"]: runtime.run(runtime.session(files["model.onnx"]), arrays).tolist()}
    return files | {"request.json": json.dumps({"inputs": ROWS}).encode(), "response.json": json.dumps(answer).encode()}


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By task."""
    folder = tmp_path_factory.mktemp("bundles")
    made = {
        "binary": with_sample(SIGNATURE),
        "multiclass": with_sample(MULTICLASS, width=3),
        "regression": with_sample(REGRESSION, output="prediction", width=1),
        "dated": contents(DATED) | {"model.onnx": days()},
    }
    for name, files in made.items():
        bundle.build(folder / f"{name}.zip", files)
    return {name: folder / f"{name}.zip" for name in made}


@pytest.fixture(scope="session")
def models(bundles: dict[str, Path]) -> Models:
    return Models({name: Model(name, {1: Version(name, 1, load(path))}) for name, path in bundles.items()})


@pytest.fixture(scope="session")
def app(models: Models) -> App:
    """Serves a binary, a multiclass and a regression network."""
    return app_of(ServeSettings.of(), lambda: models)


@pytest.fixture(scope="session")
def channel(app: App) -> Iterator[grpc.Channel]:
    """Of gRPC, to the same application."""
    with over_grpc(app, ServeSettings.of()) as made:
        yield made

"""Versions by name: the folder's number, and what a bundle is registered as."""

import json
from pathlib import Path
from typing import Any

import pytest

from bundles import REGRESSION, contents
from serving import ask, over_grpc
from stemma import bundle
from stemma.errors import BundleError
from stemma.serve.app import App
from stemma.serve.load import load
from stemma.serve.models import Model, Models, Version
from stemma.serve.process import app_of
from stemma.serve.protocols.messages import open_inference_pb2 as messages
from stemma.serve.settings import ServeSettings
from timing import HANGS

ROW = {"Month": "May", "PageValues": 1, "Weekend": True}


def registered(folder: Path, name: Any) -> Version:
    told = json.dumps({"format": 1, "version": name, "commit": "0" * 40}).encode()
    files = contents(REGRESSION, output="prediction", width=1) | {"registered.json": told}
    bundle.build(folder / "m.zip", files)
    return Version("shop", 3, bundle.open_bundle(folder / "m.zip"))


@pytest.fixture
def app(tmp_path: Path) -> App:
    models = Models({"shop": Model("shop", {3: registered(tmp_path, "v1.2.0-rc.1+b")})})
    return app_of(ServeSettings.of(), lambda: models)


def test_every_answer_says_what_its_version_is_registered_as(app: App) -> None:
    columns = {"inputs": {name: [value] for name, value in ROW.items()}}
    for method, path, body in (
        ("POST", "/predict", ROW), ("GET", "/predict/shop", b""), ("POST", "/v1/models/shop:predict", columns),
        ("GET", "/v1/models/shop/metadata", b""), ("GET", "/v2/models/shop", b""),
    ):  # fmt: skip
        reply = ask(app, method, path, body)
        assert reply.status == 200, reply.body
        names = [reply.headers[name] for name in ("x-model", "x-model-version", "x-model-registered")]
        assert names == ["shop", "3", "v1.2.0-rc.1+b"]
        if path.startswith("/predict"):
            assert [reply.json[name] for name in ("model", "version", "registered")] == names
    (version,) = ask(app, "GET", "/status").json["models"][0]["versions"]
    assert (version["version"], version["registered"]) == ("3", "v1.2.0-rc.1+b")


def test_over_grpc_too(app: App) -> None:
    with over_grpc(app, ServeSettings.of()) as channel:
        ready = channel.unary_unary("/inference.GRPCInferenceService/ModelReady").with_call
        _, done = ready(messages.ModelRequest(name="shop").SerializeToString(), timeout=HANGS)
    assert ("x-model-registered", "v1.2.0-rc.1+b") in done.initial_metadata()


def test_what_is_not_registered_says_nothing_of_it(bundles: dict[str, Path]) -> None:
    version = Version("shop", 1, load(bundles["regression"]))
    assert version.facts == {"model": "shop", "version": "1"}
    assert [name for name, _ in version.headers] == [b"x-model", b"x-model-version"]


@pytest.mark.parametrize("name", ["1.2.0", "v1.2.0\r\nx-more: 1", 7, {}, None])
def test_what_is_registered_as_no_version_never_serves(tmp_path: Path, name: Any) -> None:
    with pytest.raises(BundleError, match="which is no version"):
        registered(tmp_path, name)

"""`POST /v1/models/NAME:explain`."""

import asyncio
import json
import threading
from typing import Any

import pytest

from bundles import ROWS, SIGNATURE
from serving import ask, asked
from stemma import bundle
from stemma.serve.app import App
from stemma.serve.load import load
from stemma.serve.models import Model, Models, Version
from stemma.serve.process import app_of
from stemma.serve.settings import ServeSettings
from timing import HANGS

from .conftest import with_sample

PATH = "/v1/models/shop:explain"
ROW = {name: values[0] for name, values in ROWS.items()}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Models:
    path = tmp_path_factory.mktemp("explained") / "model.zip"
    background = json.dumps({"format": 1, "inputs": ROWS}).encode()
    bundle.build(path, with_sample(SIGNATURE) | {"background.json": background})
    return Models({"shop": Model("shop", {1: Version("shop", 1, load(path))})})


def served(models: Models, **limits: Any) -> App:
    return app_of(ServeSettings.of(explain=True, limits={"explaining": HANGS} | limits), lambda: models)


def test_effects_of_a_row_add_up_to_its_prediction(shop: Models) -> None:
    app = served(shop)
    told = ask(app, "POST", PATH, {"instances": [ROW]})
    (reasons,) = told.json["reasons"]
    predicted = ask(app, "POST", "/v1/models/shop:predict", {"instances": [ROW]}).json["predictions"][0]
    assert told.status == 200 and told.headers["x-model-version"] == "1" and told.json["background"] == 4
    assert reasons["output"] == "TRUE" and reasons["answer"] == pytest.approx(predicted[1])
    assert {each["column"]: each["value"] for each in reasons["effects"]} == {
        "Month": "May", "PageValues": "0.5", "Weekend": "true"}  # fmt: skip
    assert reasons["base"] + sum(each["effect"] for each in reasons["effects"]) == pytest.approx(predicted[1], abs=1e-6)


def test_another_method_and_columns_are_taken(shop: Models) -> None:
    body = {"inputs": ROWS, "method": "counterfactual"}
    told = ask(served(shop), "POST", "/v1/models/shop/versions/1:explain", body).json
    assert [each["row"] for each in told["turned"]] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"instances": [ROW] * 3}, 422, "3 rows: from 1 to 2 are explained at once"),
        ({"instances": []}, 422, "0 rows: from 1 to 2 are explained at once"),
        ({"instances": [ROW], "method": "shapp"}, 422, "no explanation is named 'shapp' (did you mean shap?)"),
        ({"instances": [ROW], "class": "x"}, 422, "the network has no output 'x'"),
        ({"instances": [{**ROW, "PageValues": "x"}]}, 422, "column 'PageValues', row 1: 'x' is not a finite number"),
        (
            {"instances": [ROW], "methd": "counterfactual"},
            400,
            "the body holds 'methd', and takes instances, inputs, signature_name, method, class (did you mean method?)",
        ),
        ({}, 400, 'the body needs one of "instances" and "inputs"'),
        (b"{", 400, "the body is no JSON"),
        (b" " * 2000, 413, "the body has 2000 bytes, and 1000 are taken"),
    ],
)
def test_what_cannot_be_explained_is_told(shop: Models, body: Any, status: int, told: str) -> None:
    reply = ask(served(shop, explained=2, body=0.001), "POST", PATH, body)
    assert reply.status == status and reply.json["error"].startswith(told)


def test_a_bundle_without_rows_to_compare_with_says_so(models: Models) -> None:
    reply = ask(served(models), "POST", "/v1/models/binary:explain", {"instances": [ROW]})
    assert reply.status == 422 and "the bundle holds no rows to explain answers against" in reply.json["error"]


def test_nobody_may_ask_unless_settings_say_so(shop: Models) -> None:
    reply = ask(app_of(ServeSettings.of(), lambda: shop), "POST", PATH, {"instances": [ROW]})
    assert reply.status == 405  # as of any verb that there is not: the path of a model takes GET


def test_one_is_made_at_a_time_and_predictions_go_on(shop: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    app, goes_on = served(shop), threading.Event()
    monkeypatch.setattr("stemma.serve.explain.model_of", lambda bundle: goes_on.wait(HANGS) and made(bundle))
    from stemma.bundle.explain import model_of as made

    async def all_at_once() -> list[int]:
        first = asyncio.create_task(asked(app, "POST", PATH, {"instances": [ROW]}))
        await asyncio.sleep(0.05)
        second = await asked(app, "POST", PATH, {"instances": [ROW]})
        predicted = await asked(app, "POST", "/v1/models/shop:predict", {"instances": [ROW]})
        assert not first.done() and second.headers["retry-after"] == "1"
        goes_on.set()
        return [(await first).status, second.status, predicted.status]

    assert asyncio.run(all_at_once()) == [200, 429, 200]


def test_what_takes_too_long_is_given_up(shop: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    app = served(shop, explaining=1e-9)
    reply = ask(app, "POST", PATH, {"instances": [ROW]})
    assert reply.status == 422 and reply.json["error"] == "it takes more than 1e-09 s: send fewer rows"
    assert ask(app, "POST", PATH, {"instances": [ROW]}).status == 422  # and not 429: it is done with


def test_it_is_among_the_paths_that_are_told(shop: Models) -> None:
    paths = ask(served(shop), "GET", "/openapi.json").json["paths"]
    assert paths["/v1/models/{model}:explain"]["post"]["summary"] == "Say why rows are answered so."

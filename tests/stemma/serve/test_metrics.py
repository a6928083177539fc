"""What a server counts, logs and documents."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving import ask, asked
from stemma.errors import GraphError
from stemma.serve.app import App, _told
from stemma.serve.batch import Batcher, Shape
from stemma.serve.load import load
from stemma.serve.log import TOGETHER
from stemma.serve.metrics import Metrics
from stemma.serve.models import Model, Models, Version
from stemma.serve.process import app_of
from stemma.serve.routes import Answer, Ran
from stemma.serve.settings import ServeSettings

ROW = {"Month": "May", "PageValues": 1, "Weekend": True}


def figures(app: App) -> dict[tuple[Any, ...], float]:
    text = ask(app, "GET", "/metrics").body.decode()
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    return {(each.name, *each.labels.values()): each.value for each in samples}


def test_requests_rows_versions_and_memory_are_counted(models: Models) -> None:
    app = app_of(ServeSettings.of(), lambda: models)
    ask(app, "POST", "/predict", [ROW] * 3)
    ask(app, "POST", "/v1/models/regression:predict", {"instances": [ROW] * 2})
    ask(app, "POST", "/predict", {})
    ask(app, "GET", f"/{'x' * 1000}")
    told = figures(app)
    assert told["stemma_rows_total", "binary", "1"] == 3 and told["stemma_rows_total", "regression", "1"] == 2
    assert told["stemma_requests_total", "/predict", "200"] == told["stemma_requests_total", "/predict", "422"] == 1
    assert told["stemma_requests_total", "none", "404"] == 1
    assert told["stemma_request_seconds_count", "/predict"] == 2
    assert told["stemma_version_seconds_count", "stable", "binary", "1"] == 2
    assert not any(name == "stemma_version_errors_total" for name, *_ in told)
    assert told["stemma_version", "binary", "1"] == 1 and told["stemma_memory_bytes",] > 10**6
    assert [told["stemma_log_rows_total", state] for state in ("written", "dropped", "failed")] == [0, 0, 0]


def test_requests_that_wait_and_rows_that_ran_together_are_counted(bundles: dict[str, Path]) -> None:
    bundle = load(bundles["binary"])
    version = Version("shop", 3, bundle, Batcher(bundle, Shape(64, 1)))
    app = app_of(ServeSettings.of(), lambda: Models({"shop": Model("shop", {3: version})}))

    async def several() -> bytes:
        goes_on = asyncio.Event()
        slow = asyncio.create_task(asked(app, "POST", "/predict", parts=[b"{", goes_on.wait, b"}"]))
        await asyncio.gather(*(asked(app, "POST", "/predict", ROW) for _ in range(3)))
        await asked(app, "POST", "/predict", [ROW] * 8)
        text = (await asked(app, "GET", "/metrics")).body
        goes_on.set()
        await slow
        return text

    text = asyncio.run(several()).decode()
    assert "stemma_requests_in_progress 2.0" in text, "the slow one, and who asks"
    assert "stemma_requests_in_progress 1.0" in ask(app, "GET", "/metrics").body.decode()
    for rows, runs in ((2, 0), (4, 1), (8, 2)):
        assert f'stemma_batch_rows_bucket{{le="{rows}.0",model="shop",version="3"}} {runs}.0' in text
    assert 'stemma_batch_rows_sum{model="shop",version="3"} 11.0' in text


def test_a_version_that_is_refused_says_why_in_the_figures(models: Models) -> None:
    refused = Models({"shop": Model("shop", models.by_name["binary"].versions, faults={4: 'it is\n"damaged"'})})
    told = figures(app_of(ServeSettings.of(), lambda: refused))
    assert told["stemma_version_refused", "shop", "4", 'it is "damaged"'] == 1


def test_what_a_shadow_was_asked_is_counted_with_the_next_request_and_nothing_waits_for_ever(models: Models) -> None:
    counts, version = Metrics(), models.find({})
    answer, ran = Answer(version=version, rows=2), Ran(version=version, arm="shadow")

    async def one_turn() -> None:
        counts.opens(0)
        counts.count("/predict", answer, 0.2, None)
        while counts._waiting:
            await asyncio.sleep(TOGETHER)

    for _ in range(3):
        counts.count_copy(answer, 0.003, ran)
        asyncio.run(one_turn())
        assert not counts._waiting
    told = {family.name: family.samples for family in counts._registry.collect()}
    took = {each.labels.get("le"): each.value for each in told["stemma_version_seconds"] if "le" in each.labels}
    assert (took["0.0025"], took["0.005"], took["+Inf"]) == (0, 3, 3)
    assert [each.value for each in told["stemma_version_seconds"] if each.name.endswith("_sum")] == [
        pytest.approx(0.009)
    ]
    assert [each.value for each in told["stemma_rows"] if each.name.endswith("_total")] == [6]


def test_an_error_of_a_version_is_what_it_cannot_answer_and_not_what_callers_do_wrong(models: Models) -> None:
    app = app_of(ServeSettings.of(), lambda: models)
    wrong = [b"{", {}, ROW | {"PageValues": "x"}, [1], b"x" * 20_000]
    for body in wrong:
        assert 400 <= ask(app, "POST", "/predict", body).status < 500
    assert ask(app, "POST", "/predict", b"a,b\n1\n", content_type="text/csv").status == 422
    told = figures(app)
    assert told["stemma_version_seconds_count", "stable", "binary", "1"] == len(wrong) + 1
    assert not any(name == "stemma_version_errors_total" for name, *_ in told)
    scope = {"id": "a", "method": "POST", "path": "/predict", "headers": []}
    faults = [_told(error, scope) for error in (GraphError("it gives no number"), KeyError("a fault of ours"))]
    assert [(each.status, each.fault) for each in faults] == [(422, True), (500, True)]


def test_a_request_is_logged_in_a_line_where_that_is_asked_for(
    models: Models, capfd: pytest.CaptureFixture[str]
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    app = app_of(ServeSettings.of(log_requests=True), lambda: models)
    ask(app, "POST", "/predict", ROW, x_request_id="a-b", traceparent=trace)
    app.close()
    (line,) = capfd.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["event"], told["status"], told["model"], told["version"], told["rows"]) == (
        "request",
        200,
        "binary",
        "1",
        1,
    )
    assert (told["request_id"], told["traceparent"]) == ("a-b", trace) and told["seconds"] > 0
    ask(app_of(ServeSettings.of(), lambda: models), "POST", "/predict", ROW)
    assert capfd.readouterr().err == ""


def test_the_openapi_document_names_every_path_and_the_columns_of_the_models(app: App) -> None:
    told = ask(app, "GET", "/openapi.json").json
    assert told["openapi"].startswith("3.1") and {"/predict", "/v2", "/status", "/metrics"} <= set(told["paths"])
    for path, operations in told["paths"].items():
        for operation in operations.values():
            assert [each["name"] for each in operation.get("parameters", ())] == re.findall(r"\{(\w+)\}", path)
            assert operation["responses"]["default"]
    content = told["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert {"application/json", "text/csv"} <= set(content)
    row = content["application/json"]["schema"]["anyOf"][0]
    assert row["required"] == ["Month", "PageValues", "Weekend"]

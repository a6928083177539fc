"""TensorFlow Serving's REST API: its documented requests and answers, case by case."""

import base64
import dataclasses
from typing import Any

import numpy as np
import pytest

from bundles import ROWS
from serving import Reply, ask
from stemma.serve.app import App
from stemma.serve.models import Model, Models
from stemma.serve.process import app_of
from stemma.serve.settings import ServeSettings

COUNT = len(ROWS["Month"])
INSTANCES = [{name: values[row] for name, values in ROWS.items()} for row in range(COUNT)]


def predict(app: App, name: str = "binary", **body: Any) -> Reply:
    return ask(app, "POST", f"/v1/models/{name}:predict", body)


def expected(models: Models, name: str) -> bytes:
    return models.by_name[name].versions[1].bundle.predict(ROWS).tobytes()


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression"])
def test_rows_and_columns_give_what_the_graph_gives_bit_for_bit(app: App, models: Models, name: str) -> None:
    by_row, by_column = predict(app, name, instances=INSTANCES), predict(app, name, inputs=ROWS)
    assert (list(by_row.json), list(by_column.json)) == (["predictions"], ["outputs"])
    for found in (by_row.json["predictions"], by_column.json["outputs"]):
        assert np.array(found, np.float32).tobytes() == expected(models, name)
    assert by_row.headers["x-model-version"] == "1"


def test_a_value_may_stand_in_a_list_of_one_or_in_base64(app: App, models: Models) -> None:
    coded = [{"b64": base64.b64encode(text.encode()).decode()} for text in ROWS["Month"]]
    columns = ROWS | {"Month": coded, "PageValues": [[value] for value in ROWS["PageValues"]]}
    rows = [{name: values[row] for name, values in columns.items()} for row in range(COUNT)]
    for found in (predict(app, inputs=columns).json["outputs"], predict(app, instances=rows).json["predictions"]):
        assert np.array(found, np.float32).tobytes() == expected(models, "binary")


def test_where_there_is_one_input_its_values_alone_will_do(app: App) -> None:
    days = ["1970-01-03", None, 86400]
    for instances in (days, [[day] for day in days], [{"Day": day} for day in days]):
        assert predict(app, "dated", instances=instances).json == {"predictions": [[2.0], [-1.0], [1.0]]}
    assert predict(app, "dated", inputs=days).json == {"outputs": [[2.0], [-1.0], [1.0]]}
    assert predict(app, "dated", inputs={"Day": days}).json == {"outputs": [[2.0], [-1.0], [1.0]]}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"instances": INSTANCES, "inputs": ROWS}, 400),
        ({"instances": {}}, 400),
        ({"instances": "May"}, 400),
        ({"instances": [1]}, 400),
        ({"instances": [[1, 2]]}, 400),
        ({"instances": [INSTANCES[0], {}]}, 422),
        ({"instances": [INSTANCES[0] | {"PageValues": [1, 2]}]}, 422),
        ({"instances": [INSTANCES[0] | {"Month": {"b64": "?"}}]}, 400),
        ({"instances": [INSTANCES[0] | {"Month": {"b64": "//8="}}]}, 400),
        ({"instances": [INSTANCES[0] | {"Month": {"b64": 1}}]}, 400),
        ({"inputs": [1]}, 400),
        ({"inputs": {"Month": "May"}}, 400),
        ({"inputs": ROWS | {"Month": ["May"]}}, 422),
        ({"inputs": {"Month": ["May"]}}, 422),
        ({"instances": INSTANCES, "signature_name": "other"}, 400),
        ({"instances": INSTANCES, "signature_name": 1}, 400),
        ({"instances": INSTANCES, "signature_name": "serving_default"}, 200),
        ({"instances": []}, 200),
    ],
)
def test_what_is_wrong_with_a_body_is_told_under_error(app: App, body: dict[str, Any], status: int) -> None:
    reply = predict(app, **body)
    assert reply.status == status, reply.body
    assert status == 200 or isinstance(reply.json["error"], str)
    assert ask(app, "POST", "/v1/models/binary:predict", [body]).status == 400


def test_classify_pairs_labels_with_scores_and_regress_gives_values(app: App, models: Models) -> None:
    reply = ask(app, "POST", "/v1/models/multiclass:classify", {"examples": INSTANCES})
    found = reply.json["results"]
    assert [[label for label, _ in pairs] for pairs in found] == [["a", "b", "c"]] * COUNT
    scores = np.array([[score for _, score in pairs] for pairs in found], np.float32)
    assert scores.tobytes() == expected(models, "multiclass")
    reply = ask(app, "POST", "/v1/models/regression:regress", {"examples": INSTANCES})
    assert reply.json == {"results": [2.5, 5.0, 3.75, -9.0]}


def test_what_examples_share_may_stand_in_the_context_and_nowhere_else(app: App) -> None:
    example = {"PageValues": [1], "Weekend": True}
    body: dict[str, Any] = {"context": {"Month": "May"}, "examples": [example, example]}
    assert ask(app, "POST", "/v1/models/regression:regress", body).json == {"results": [3.0, 3.0]}
    body["examples"].append(example | {"Month": "Nov"})
    reply = ask(app, "POST", "/v1/models/regression:regress", body)
    assert (reply.status, reply.json["field"], reply.json["row"]) == (400, "Month", 3)
    for wrong in ({"examples": 1}, {"examples": [1]}, {"examples": [], "context": 1}, {}):
        assert ask(app, "POST", "/v1/models/regression:regress", wrong).status == 400
    assert ask(app, "POST", "/v1/models/regression:classify", {"examples": [example]}).status == 400
    assert ask(app, "POST", "/v1/models/binary:regress", {"examples": [example]}).status == 400


def test_what_a_verb_takes_and_which_there_are(app: App) -> None:
    for verb in ("predict", "classify", "regress"):
        assert ask(app, "GET", f"/v1/models/binary:{verb}").status == 404
    for path in ("/v1/models/binary:explain", "/v1/models/binary/versions/1:explain", "/v1/models/", "/v1/models"):
        reply = ask(app, "POST", path, {"instances": INSTANCES})
        assert reply.status in (404, 405) and reply.json["error"]


def test_a_feature_may_be_one_value_or_a_list_of_it_or_in_base64(app: App) -> None:
    may = {"b64": base64.b64encode(b"May").decode()}
    for month in ("May", ["May"], may, [may]):
        body = {"context": {"Month": month}, "examples": [{"PageValues": 1, "Weekend": [True]}]}
        assert ask(app, "POST", "/v1/models/regression:regress", body).json == {"results": [3.0]}
    for wrong in ({"b64": "?"}, {"b64": "//8="}, ["May", "Nov"], {"b65": ""}, [[["May"]]]):
        body = {"examples": [{"Month": wrong, "PageValues": 1, "Weekend": True}]}
        assert ask(app, "POST", "/v1/models/regression:regress", body).status in (400, 422)
    body = {"signature_name": "other", "examples": [{"Month": "May", "PageValues": 1, "Weekend": True}]}
    assert ask(app, "POST", "/v1/models/regression:regress", body).status == 400


def test_the_status_is_that_of_every_version_or_of_one(models: Models) -> None:
    one = models.by_name["binary"].versions[1]
    model = Model("binary", {1: one, 3: dataclasses.replace(one, number=3)}, {"stable": 1}, {4: "it is damaged"})
    app = app_of(ServeSettings.of(), lambda: Models({"binary": model}))
    good = {"error_code": "OK", "error_message": ""}
    states = ask(app, "GET", "/v1/models/binary").json["model_version_status"]
    known = {each["version"]: each["state"] for each in states}
    assert known == {"4": "END", "3": "AVAILABLE", "1": "AVAILABLE"}
    assert states[0]["status"]["error_message"] == "it is damaged" and states[1]["status"] == good
    told = {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": good}]}
    assert ask(app, "GET", "/v1/models/binary/versions/1").json == told
    assert ask(app, "GET", "/v1/models/binary/labels/stable").json == told
    for path in ("nobody", "binary/versions/2", "binary/versions/x", "binary/labels/canary"):
        reply = ask(app, "GET", f"/v1/models/{path}")
        assert reply.status == 404 and reply.json["error"]
    for path, version in (("", "3"), ("/versions/1", "1"), ("/labels/stable", "1")):
        reply = ask(app, "POST", f"/v1/models/binary{path}:predict", {"instances": INSTANCES})
        assert (reply.status, reply.headers["x-model-version"]) == (200, version)


def test_the_metadata_names_inputs_and_outputs(app: App) -> None:
    reply = ask(app, "GET", "/v1/models/binary/metadata").json
    assert reply["model_spec"] == {"name": "binary", "signature_name": "", "version": "1"}
    known = reply["metadata"]["signature_def"]["signature_def"]["serving_default"]
    kinds = {name: each["dtype"] for name, each in known["inputs"].items()}
    assert kinds == {"Month": "DT_STRING", "PageValues": "DT_FLOAT", "Weekend": "DT_BOOL"}
    sizes = [each["size"] for each in known["outputs"]["probabilities"]["tensor_shape"]["dim"]]
    assert sizes == ["-1", "2"] and known["method_name"] == "tensorflow/serving/predict"

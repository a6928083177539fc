"""`GET /openapi.json`: every path of the server, and the columns of its models."""

from collections.abc import Iterable, Mapping
from typing import Any

from stemma.serve.models import Models
from stemma.serve.routes import JSON, Answer, Call, Route, in_json

KINDS: Mapping[str, list[str]] = {
    "number": ["number", "string", "boolean", "null"],
    "boolean": ["boolean", "number", "string", "null"],
    "date": ["string", "number", "null"],
    "string": ["string", "number", "boolean", "null"],
}
ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
NONE = {"description": "Why there is none.", "content": {JSON: {"schema": ERROR}}}


def route(routes: Iterable[Route]) -> Route:
    """The route that tells the others."""
    known = tuple(routes)

    def document(call: Call) -> Answer:
        """This document."""
        paths: dict[str, dict[str, Any]] = {}
        for each in known:
            paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, call.models)
        return in_json({"openapi": "3.1.0", "info": {"title": "Stemma", "version": "1"}, "paths": paths})

    return Route("GET", "/openapi.json", document)


def _operation(each: Route, models: Models) -> dict[str, Any]:
    told: dict[str, Any] = {
        "summary": (each.answer.__doc__ or each.path).splitlines()[0],
        "responses": {"200": {"description": "The answer."}, "default": NONE},
    }
    if each.pattern.groupindex:
        told["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in each.pattern.groupindex
        ]
    if each.method == "POST":
        told["requestBody"] = {"content": {kind: {"schema": _body(each, models)} for kind in each.takes}}
    return told


def _body(each: Route, models: Models) -> dict[str, Any]:
    """Of a path that takes rows: those of the models that serve."""
    if not each.path.startswith("/predict"):
        return {}
    rows = []
    for model in models.by_name.values():
        if model.versions:
            columns = {each.name: {"type": KINDS[each.type]} for each in model.find().bundle.signature.inputs}
            rows.append({"type": "object", "required": list(columns), "properties": columns})
    return {"anyOf": [*rows, {"type": "array", "items": {"anyOf": rows}}]}

"""What a server says of itself: `GET /status`."""

from dataclasses import asdict
from typing import Any

from stemma.serve.models import Model, Version
from stemma.serve.routes import Answer, Call, Route, in_json


def status(call: Call) -> Answer:
    """Every model: versions in service, labels, and why others are not; 503 where one has none."""
    models = call.models
    told = {"ready": models.ready, "models": [_model(each) for each in models.by_name.values()]}
    return in_json(told, 200 if models.ready else 503)


def _model(model: Model) -> dict[str, Any]:
    versions = [
        {"version": str(number), "registered": each.facts.get("registered"), "batch": _batch(each)}
        for number, each in model.versions.items()
    ]
    faults = [{"version": str(number), "error": fault} for number, fault in model.faults.items()]
    split = model.split and {"name": model.split.name, "by": model.split.by, "shares": model.split.served}
    told = {"labels": model.labels, "split": split, "shadows": model.shadows, "faults": faults}
    return {"name": model.name, "versions": versions, **told}


def _batch(version: Version) -> dict[str, int] | None:
    return None if version.batcher is None else asdict(version.batcher.shape)


ROUTES = (Route("GET", "/status", status),)

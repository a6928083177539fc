"""What a server says of itself: `GET /status`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from stemma.serve.models import Model
from stemma.serve.routes import Answer, Call, Route, in_json


def status(call: Call) -> Answer:
    """Every model: versions in service, labels, and why others are not; 503 where one has none."""
    models = call.models
    told = {"ready": models.ready, "models": [_model(each) for each in models.by_name.values()]}
    return in_json(told, 200 if models.ready else 503)


def _model(model: Model) -> dict[str, Any]:
    versions = [
        {"version": str(number), "registered": each.facts.get("registered"),
         "batch": each.batcher and asdict(each.batcher.shape)}
        for number, each in model.versions.items()
    ]  # fmt: skip
    faults = [{"version": str(number), "error": fault} for number, fault in model.faults.items()]
    split = model.split and {"name": model.split.name, "by": model.split.by, "shares": _by_text(model.split.served)}
    told = {"labels": model.labels, "split": split, "shadows": _by_text(model.shadows), "faults": faults}
    return {"name": model.name, "versions": versions, **told}


def _by_text(shares: Mapping[int, float]) -> dict[str, float]:
    return {str(number): share for number, share in shares.items()}


ROUTES = (Route("GET", "/status", status),)

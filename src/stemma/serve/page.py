"""`GET /`: a page to try a model by hand; and what a form, or any client, must know: `GET /predict/NAME`.

page.html is one file, without a build step, which asks nobody but this server: the policy sent with it lets just the
script and the style run that are in it, by their hashes.
"""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from stemma.bundle import Bundle
from stemma.errors import BundleError
from stemma.serve.routes import Answer, Call, Header, Route, in_json, versions

FILE = Path(__file__).with_name("page.html")


def page(call: Call) -> Answer:
    """page.html, the same for everybody."""
    body, headers = _read()
    return Answer(body, kind="text/html; charset=utf-8", headers=headers)


@cache
def _read() -> tuple[bytes, tuple[Header, ...]]:
    body = FILE.read_bytes()
    rules = [
        "default-src 'none'", "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'",
        "frame-ancestors 'none'", *(f"{name}-src '{_hash(body, name)}'" for name in ("script", "style")),
    ]  # fmt: skip
    return body, ((b"content-security-policy", "; ".join(rules).encode()), (b"referrer-policy", b"no-referrer"))


def _hash(body: bytes, name: str) -> str:
    """Of the one element of this name, as a policy names it."""
    (content,) = re.findall(rf"<{name}>(.*?)</{name}>".encode(), body, re.DOTALL)
    return f"sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}"


def describe(call: Call) -> Answer:
    """What a version takes and gives, and a row to try."""
    version = call.models.find(call.named)
    known = version.bundle.signature
    told = {
        **version.facts,
        "task": known.task,
        "target": known.target,
        "inputs": [{"name": each.name, "type": each.type} for each in known.inputs],
        "classes": known.classes,
        "positive": known.positive,
        "threshold": known.threshold,
        "sample": _sample(version.bundle),
    }
    return in_json(told, version=version)


def _sample(bundle: Bundle) -> dict[str, Any] | None:
    """The first row of the bundle's sample."""
    try:
        return {each.name: bundle.sample[each.name][0] for each in bundle.signature.inputs}
    except (BundleError, KeyError, IndexError, TypeError):
        return None


ROUTES = (
    Route("GET", "/", page, scope=None),
    *(Route("GET", path, describe) for path in ("/predict", *versions("/predict/{model}"))),
)

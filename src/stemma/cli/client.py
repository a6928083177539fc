"""Asks a running server."""

import json
import os
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from stemma.errors import StemmaError
from stemma.text import in_one_line

NOTHING: Mapping[str, str] = MappingProxyType({})
SHOWN = "STEMMA_SHOWN"  # of the environment: the file of the one certificate that a server of ours shows
SECONDS = 120  # a version may take its time to load


def ask(url: str, method: str, path: str, holds: str, query: Mapping[str, str] = NOTHING, body: Any = None) -> Any:
    """What a server answers, in JSON; the token of STEMMA_TOKEN is shown to it.

    Args:
        holds: a name that the answer of a server of ours has.
        body: is sent as JSON; None: there is none.

    Raises:
        StemmaError: it cannot be reached, or refuses; with what it says.
    """
    try:
        _, content = _told(url, method, path, query, None if body is None else json.dumps(body))
        said = json.loads(content)
    except ValueError:  # its text may hold the token
        raise StemmaError(f"{url} does not answer in JSON, or STEMMA_TOKEN is no token") from None
    if isinstance(said, dict) and "error" in said:
        raise StemmaError(f"{url}: {said['error']}")
    if not isinstance(said, dict) or holds not in said:
        raise StemmaError(f"{url} is no server of `stemma serve`: it does not say {holds!r}")
    return said


def read(url: str, path: str) -> bytes:
    """What a server answers at a path, as it is; raises as `ask`."""
    status, content = _told(url, "GET", path)
    if status != HTTPStatus.OK:
        raise StemmaError(f"{url}{path} answers {status}: {in_one_line(content.decode(errors='replace'))}")
    return content


def _told(
    url: str, method: str, path: str, query: Mapping[str, str] = NOTHING, body: str | None = None
) -> tuple[int, bytes]:
    connection, root = _connection(url)
    token = os.environ.get("STEMMA_TOKEN", "").strip()
    try:
        target = root + quote(path) + (f"?{urlencode(query)}" if query else "")
        connection.request(method, target, body, headers={"authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        if answer.status == HTTPStatus.UNAUTHORIZED and not token:
            raise StemmaError(f"{url} asks for a token, which STEMMA_TOKEN shows it", run="export STEMMA_TOKEN=...")
        return answer.status, answer.read()
    except ssl.SSLCertVerificationError as error:
        what = f"the certificate of {url} is not trusted here ({error.verify_message})"
        raise StemmaError(f"{what}: SSL_CERT_FILE, or --ca of `stemma service`, names its authority") from None
    except (OSError, HTTPException) as error:
        raise StemmaError(f"{url} does not answer ({error})", run="stemma serve") from None
    finally:
        connection.close()


def _connection(url: str) -> tuple[HTTPConnection, str]:
    try:
        place = urlsplit(url)
        kinds: dict[str, Callable[..., HTTPConnection]] = {"http": HTTPConnection, "https": _over_tls}
        return kinds[place.scheme](str(place.hostname), place.port, timeout=SECONDS), place.path.rstrip("/")
    except (KeyError, ValueError):
        raise StemmaError(f"{url!r} is no URL of a server, such as http://127.0.0.1:8501") from None


def _over_tls(host: str, port: int | None, timeout: float) -> HTTPSConnection:
    """By the authorities of the system, or of SSL_CERT_FILE; a server that asks who calls is shown STEMMA_CERT."""
    context, file = ssl.create_default_context(), os.environ.get(SHOWN)
    try:
        if file:
            from stemma.serve.tls import trusting

            context = trusting(file)
        if file := os.environ.get("STEMMA_CERT"):
            context.load_cert_chain(file, password="")
    except OSError as error:
        raise StemmaError(f"{file} holds no certificate and its key ({error.strerror or 'no PEM'})") from None
    return HTTPSConnection(host, port, timeout=timeout, context=context)

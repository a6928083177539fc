"""Who may ask what: bearer tokens, of which a file or the environment holds the SHA-256 and never the token.

    - {"name": "shop", "sha256": "9f86d0...", "scopes": ["predict"], "expires": "2027-01-01T00:00:00+00:00"}

A line of YAML each, as `add` writes it. A token is 256 random bits: its SHA-256 tells nothing of it. Two may have one
name, for the time in which clients change from one to the other.
"""

import hashlib
import hmac
import json
import os
import secrets
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field

from stemma.errors import SettingsError
from stemma.files import read_plain, write_text
from stemma.serve.models import Refused
from stemma.serve.reread import Reread
from stemma.serve.routes import Header
from stemma.serve.scopes import Scope
from stemma.serve.settings import SOME, shaped
from stemma.settings import Section, checked, parse

VARIABLE = "STEMMA_TOKENS"  # of the environment: what a file would hold
ADMIN = Scope.ADMIN
CHALLENGE = b"www-authenticate"
BITS = 256


class Token(Section):
    """A token, by its hash."""

    name: Annotated[str, shaped(r"[\w.@-]{1,64}", "1 to 64 letters, digits, or _ . @ -")]
    sha256: Annotated[str, shaped("[0-9a-f]{64}", "a SHA-256 in 64 hexadecimal digits")]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    expires: AwareDatetime | None = None


class Tokens(Section):
    """All of them."""

    tokens: Annotated[tuple[Token, ...], SOME]


class Access:
    """Which calls are answered; a SettingsError where the tokens cannot be read.

    Args:
        file: of tokens; None: those of the environment, and where that has none, every call is answered.
    """

    def __init__(self, file: str | None) -> None:
        files, read = () if file is None else (file,), partial(_read, None if file is None else Path(file))
        self._tokens = Reread("tokens", files, read, lambda tokens: {"file": file, "count": len(tokens)})

    @property
    def asks(self) -> bool:
        """Whether there are tokens, so that calls without one are not answered."""
        return bool(self._tokens.now)

    def check(self, scope: str | None, headers: Iterable[Header]) -> str | None:
        """The name of a call's token, where tokens are asked for; Refused without one (401) of this scope (403).

        Args:
            scope: what its route asks for; None: nothing.
        """
        if scope is None:
            return None
        self._tokens.renewed()
        if not self.asks:  # an admin is whoever reaches the loopback then, but no page that a browser there shows
            if scope == ADMIN and any(name in (b"origin", b"sec-fetch-site") for name, _ in headers):
                raise Refused(403, "without tokens, no page of a browser may do this")
            return None
        token = self._given(headers)
        if token.expires is not None and token.expires <= datetime.now(UTC):
            raise _unknown("the token has expired", "invalid_token")
        if scope not in token.scopes:
            asked = f'Bearer error="insufficient_scope", scope="{scope}"'.encode()
            raise Refused(403, f"the token {token.name} may not do this: it takes {scope}", ((CHALLENGE, asked),))
        return token.name

    def _given(self, headers: Iterable[Header]) -> Token:
        """The token of a call. Each known one is compared in the same time, whichever it is."""
        said = [value for name, value in headers if name == b"authorization"]
        kind, _, given = said[0].partition(b" ") if len(said) == 1 else (b"", b"", b"")
        if kind.lower() != b"bearer":
            raise _unknown("a token is asked for: Authorization: Bearer TOKEN")
        digest = hashlib.sha256(given.strip()).hexdigest()
        found = [token for token in self._tokens.now if hmac.compare_digest(token.sha256, digest)]
        if not found:
            raise _unknown("the token is not known here", "invalid_token")
        return found[0]


def _unknown(what: str, error: str | None = None) -> Refused:
    asked = b"Bearer" + (f' error="{error}"'.encode() if error else b"")
    return Refused(401, what, ((CHALLENGE, asked),))


def add(file: Path, name: str, scopes: Sequence[str], expires: datetime | None = None) -> str:
    """Make a token, and note its hash in a file, beside those that are there.

    Raises:
        SettingsError: the file holds no tokens, or the name is none.
        OSError: it cannot be written.
    """
    token = secrets.token_urlsafe(BITS // 8)
    said = {"name": name, "sha256": hashlib.sha256(token.encode()).hexdigest(), "scopes": list(scopes)}
    line = "- " + json.dumps(said | ({} if expires is None else {"expires": expires.isoformat()})) + "\n"
    before = _text(file) if file.exists() else ""
    after = before + ("" if not before or before.endswith("\n") else "\n") + line
    _parsed(after, str(file))
    write_text(file, after)
    return token


def _read(file: Path | None) -> Sequence[Token]:
    """Those of a file, else of the environment."""
    said = os.environ.get(VARIABLE) if file is None else _text(file)
    return () if said is None else _parsed(said, str(file or VARIABLE))


def _text(file: Path) -> str:
    try:
        return read_plain(file).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        lacks = f"stemma service token NAME --file {shlex.quote(str(file))}"
        is_gone = isinstance(error, FileNotFoundError)
        raise SettingsError(f"{file} cannot be read ({why})", run=lacks if is_gone else None) from None


def _parsed(text: str, where: str) -> Sequence[Token]:
    try:
        said = parse(text, where)
    except SettingsError as error:  # what it says may hold a hash that stands in the wrong place
        mark = getattr(error.__cause__, "problem_mark", None)
        line = "" if mark is None else f", see its line {mark.line + 1}"
        raise SettingsError(f"{where} cannot be read as YAML{line}") from None
    return checked(Tokens, {"tokens": said}, where).tokens

"""The protocols of a server: each is a module whose ROUTES say its paths, what they take and what they give.

To add one: a module with ROUTES, a tuple of `Route`, and a line in PROTOCOLS, or an entry point of an installed package
in the group `stemma.protocols`.
"""

from collections.abc import Iterator

from stemma.entries import Entry, added
from stemma.serve.routes import Route

PROTOCOLS = {
    "rows": Entry("stemma.serve.protocols.rows:ROUTES", extra="serve"),
    "tensorflow": Entry("stemma.serve.protocols.tensorflow:ROUTES", extra="serve"),
    "open-inference": Entry("stemma.serve.protocols.open_inference:ROUTES", extra="serve"),
}


def routes() -> Iterator[Route]:
    """Those of every protocol."""
    for entry in (PROTOCOLS | added("protocols", {}, PROTOCOLS)).values():
        yield from entry.load(tuple)

"""The protocols of a server: each is a module whose ROUTES say its paths, what they take and what they give.

To add one: a module with ROUTES, a tuple of `Route`, and a line in PROTOCOLS, or an entry point of an installed package
in the group `stemma.protocols`. One of gRPC has RPCS, a tuple of `Rpc`, each as a request to a path of the former.
"""

from collections.abc import Iterator
from typing import Any

from stemma.entries import Entry, added
from stemma.serve.routes import Route

PROTOCOLS = {
    "rows": Entry("stemma.serve.protocols.rows:ROUTES", extra="serve"),
    "tensorflow": Entry("stemma.serve.protocols.tensorflow:ROUTES", extra="serve"),
    "open-inference": Entry("stemma.serve.protocols.open_inference:ROUTES", extra="serve"),
}
OVER_GRPC = {
    "tensorflow": Entry("stemma.serve.protocols.tensorflow_rpc:RPCS", extra="grpc"),
    "open-inference": Entry("stemma.serve.protocols.open_inference_rpc:RPCS", extra="grpc"),
}


def routes() -> Iterator[Route]:
    """Those of every protocol."""
    for entry in (PROTOCOLS | added("protocols", {}, PROTOCOLS)).values():
        yield from entry.load(tuple)


def rpcs() -> Iterator[Any]:
    """The methods (`Rpc`) of every protocol over gRPC; a MissingExtra where gRPC is not installed."""
    for entry in OVER_GRPC.values():
        yield from entry.load(tuple)

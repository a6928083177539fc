"""Stage `compress`: weights -> the graph of the network, smaller where settings ask for it.

network.onnx        in models/network/: encoded rows in, scores out; evaluate judges it, export joins the encoder to it
compression.json    in reports/: bytes and main figure before and after, and each layer
"""

from purchase_intent.networks import NETWORKS
from purchase_intent.settings import load
from stemma import layout
from stemma.compress import making, record
from stemma.files import write_bytes
from stemma.tables import arrays, profile
from stemma.training import networks
from stemma.training.base import Problem


def main() -> None:
    settings = load()
    problem = Problem.of(profile.read(layout.PREPARED))
    network = networks.fitted(NETWORKS, settings.model, problem, layout.WEIGHTS)
    validation, test = (arrays.read(layout.PREPARED, name) for name in ("validation", "test"))
    made = making.compress(network, settings.compress, settings.export, validation, test)
    write_bytes(layout.NETWORK, made.graph)
    record.write(layout.COMPRESSION, made.record)

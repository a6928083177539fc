"""Stage `compress`: weights -> the graph of the network in models/network/, smaller where settings ask for it.

network.onnx            encoded rows in, scores out: evaluate judges it, export joins the encoder to it
compression.json        in reports/: bytes and main figure before and after, and each layer
"""

from purchase_intent.networks import NETWORKS
from purchase_intent.settings import load
from stemma import layout
from stemma.compress import compress
from stemma.files import write_bytes, write_json
from stemma.tables import arrays, profile
from stemma.training import networks
from stemma.training.base import Problem


def main() -> None:
    settings = load()
    problem = Problem.of(profile.read(layout.PREPARED))
    network = networks.fitted(NETWORKS, settings.model, problem, layout.WEIGHTS)
    validation, test = (arrays.read(layout.PREPARED, name) for name in ("validation", "test"))
    made = compress(network, settings.compress, settings.export, validation, test)
    write_bytes(layout.NETWORK, made.graph)
    write_json(layout.COMPRESSION, made.record)

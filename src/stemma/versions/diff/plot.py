"""A heat map of the change of each tensor of each layer, as a PNG."""

import math
from collections.abc import Mapping
from pathlib import Path

from stemma.errors import StemmaError
from stemma.files import check_place, replaced
from stemma.report.pictures import styled
from stemma.versions.diff import Difference
from stemma.versions.diff.structure import LayerChange

MOST_LAYERS = 400  # beyond, the lines of a picture cannot be told apart


def check_picture(path: Path) -> None:
    """Before versions are compared: a StemmaError where the path is no PNG, or cannot be written."""
    if path.suffix.lower() != ".png":
        raise StemmaError(f"--plot writes a PNG, and {path} does not end in .png")
    check_place(path)


def draw(difference: Difference, path: Path) -> None:
    """Write the picture: a line for each layer, a column for each role of a tensor, its colour the distance in [0, 1].

    Layers that were added or removed are named so; only those that differ are drawn where there are more than 400.

    Raises:
        StemmaError: it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names, roles, cells = table(difference)
    size = (2.5 + 1.1 * max(len(roles), 1), 1.5 + 0.22 * max(len(names), 1))
    with styled():
        figure = Figure(size, layout="constrained")  # names of layers may be long
        axes = figure.add_subplot()
        image = axes.imshow(cells or [[math.nan]], aspect="auto", vmin=0, vmax=1, interpolation="nearest")
        axes.grid(visible=False)
        axes.set_xticks(range(len(roles)), roles)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set_title(f"{difference.before.name} → {difference.after.name}", fontsize=9)
        figure.colorbar(image, label="distance |b - a| / (|a| + |b|)")
        try:
            with replaced(path) as partial:
                FigureCanvasAgg(figure).print_png(str(partial), metadata={"Software": None})
        except OSError as error:
            raise StemmaError(f"{path} cannot be written ({error.strerror or error})") from None


def table(difference: Difference) -> tuple[list[str], list[str], list[list[float]]]:
    """Names of layers, roles of tensors, and distances (layers, roles); NaN where a layer has no such tensor."""
    distances: dict[str, dict[str, float]] = {}
    for change in difference.tensors:
        role = change.after.removeprefix(f"{change.layer}.")
        distances.setdefault(change.layer, {})[role] = change.distance
    layers = [
        layer for layer in difference.layers if _differs(layer, distances) or len(difference.layers) <= MOST_LAYERS
    ]
    roles = list(dict.fromkeys(role for found in distances.values() for role in found))
    cells = [[distances.get(layer.after or "", {}).get(role, math.nan) for role in roles] for layer in layers]
    return [_label(layer) for layer in layers], roles, cells


def _differs(layer: LayerChange, distances: Mapping[str, Mapping[str, float]]) -> bool:
    return layer.status != "kept" or any(distances.get(layer.after or "", {}).values())


def _label(layer: LayerChange) -> str:
    name = layer.after if layer.after is not None else str(layer.before)
    return name if layer.status == "kept" else f"{name} ({layer.status})"

"""Every picture: SVG in one style, the same bytes for the same figures, drawn once.

A file of its own is a light picture. In a page, `document` turns each of COLOURS into a CSS variable, so that it suits
light and dark pages.
"""

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from stemma.text import figure, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"ink": "#1f2328", "muted": "#6e7781", "grid": "#d8dee4", "paper": "#ffffff", "model": "#1f6feb",
           "second": "#bc4c00", "third": "#1a7f37", "fourth": "#8250df"}  # fmt: skip
STYLE = {
    "svg.hashsalt": "stemma",  # what names inside the file are drawn from
    "svg.fonttype": "none",  # text stays text: a tenth of the bytes
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: of one width everywhere
    "font.size": 9.0,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "figure.facecolor": COLOURS["paper"], "axes.facecolor": COLOURS["paper"], "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"], "axes.edgecolor": COLOURS["muted"], "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"], "axes.grid": True, "axes.axisbelow": True, "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.7, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "legend.fontsize": 8.0, "lines.linewidth": 1.8,
}  # fmt: skip
WIDTH, LETTER = 8.6, 0.08  # inches: of a wide picture, and of a letter of what names its bars
Paint = Callable[["Axes"], None]


class Margins(NamedTuple):
    """Inches around the axes, for their labels: matplotlib finds them itself by drawing every picture twice."""

    left: float = 0.75
    right: float = 0.2
    bottom: float = 0.55
    top: float = 0.2


MARGINS = Margins()


def draw(*paints: Paint, size: tuple[float, float] = (4.2, 3.6), margins: Margins = MARGINS, across: int = 1) -> str:
    """One picture, or several side by side, as SVG without a date.

    Args:
        size: of each, in inches, with its margins.
        across: how many stand in a row.
    """
    from matplotlib.figure import Figure

    width, height = size[0] * min(across, len(paints)), size[1] * -(-len(paints) // across)
    inner = (size[0] - margins.left - margins.right, size[1] - margins.bottom - margins.top)
    made = io.StringIO()
    with styled():
        figure = Figure((width, height))
        for place, paint in enumerate(paints):
            row, column = divmod(place, across)
            x, y = column * size[0] + margins.left, height - (row + 1) * size[1] + margins.bottom
            paint(figure.add_axes((x / width, y / height, inner[0] / width, inner[1] / height)))
        figure.savefig(made, format="svg", metadata={"Date": None, "Creator": None})
    return made.getvalue()


def bars(values: Sequence[tuple[str, float]], of: str, errors: Sequence[float] | None = None) -> str:
    """A bar for each name, the first on top, with its figure or what that may be off; `of` is what they measure."""
    values = [(short(name, 30), value) for name, value in values]
    margins = Margins(left=0.3 + LETTER * max((len(name) for name, _ in values), default=0))
    paint = partial(paint_bars, values=values, of=of, errors=errors)
    return draw(paint, size=(WIDTH, 0.8 + 0.22 * len(values)), margins=margins)


def paint_bars(
    axes: "Axes", values: Sequence[tuple[str, float]], of: str, errors: Sequence[float] | None = None
) -> None:
    names, sizes = [name for name, _ in values], [value for _, value in values]
    places = range(len(names))[::-1]
    axes.barh(places, sizes, xerr=errors, color=COLOURS["model"], ecolor=COLOURS["muted"], alpha=0.75, height=0.6)
    least = max(map(abs, sizes), default=0.0) / 5000  # what is less is 0 beside the others
    for place, value in zip(places, sizes, strict=True) if errors is None else ():
        label_bar(axes, figure(value if abs(value) > least else 0.0), (max(value, 0), place))
    name_bars(axes, names)
    axes.margins(x=0.1)  # for the label of the longest
    axes.set(xlabel=of)


def name_bars(axes: "Axes", names: Sequence[str]) -> None:
    """Of bars that lie, the first on top."""
    axes.set_yticks(range(len(names))[::-1], names)
    axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
    axes.set(ylim=(-0.6, len(names) - 0.4))
    axes.grid(visible=False, axis="y")


def label_bar(axes: "Axes", label: str, at: tuple[float, float]) -> None:
    """To the right of its end, for names stand on the left."""
    axes.annotate(label, at, (3, 0), textcoords="offset points", va="center", fontsize=8)


@contextmanager
def styled() -> Iterator[None]:
    """Whatever a person's own matplotlibrc says; letters that the font lacks are no warning."""
    import matplotlib.style

    with (
        matplotlib.style.context(["default", STYLE]),
        warnings.catch_warnings(action="ignore", category=UserWarning),
    ):
        yield

"""Pictures in one style: a blank figure, axes with nothing on them that does not help to read a value, PNG bytes.

Matplotlib's object interface alone is used, so no display is needed and no global figure is left behind.
"""

import io
import textwrap
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

__all__ = ["INK", "PAPER", "RULE", "SOFT_INK", "VOLUME", "blank", "png", "strip"]

INK: Final = "#1a1a1a"
SOFT_INK: Final = "#5c5c5c"
RULE: Final = "#dedede"
PAPER: Final = "#ffffff"
VOLUME: Final = "#b9bfc4"

_DPI: Final = 160


def blank(title: str, width: int, height: int) -> Figure:
    """An empty figure of width × height pixels under a title, which is plain text: a $ in it is money, no formula."""
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.1)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=PAPER, layout=layout)
    FigureCanvasAgg(figure)
    heading = "\n".join(textwrap.wrap(title, 72))
    figure.suptitle(heading, x=0.015, ha="left", color=INK, fontsize=14, fontweight="bold", parse_math=False)
    return figure


def strip(axes: Axes) -> None:
    """Leave of the frame only the base and faint horizontal lines."""
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT_INK, length=0)


def png(figure: Figure) -> bytes:
    """The figure as a PNG."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DPI)
    return picture.getvalue()

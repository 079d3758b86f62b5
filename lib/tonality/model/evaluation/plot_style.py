"""The common style of all plots: an empty figure, minimal axes, the colours, and PNG output.

Only Matplotlib's object interface is used, so no display is needed and no figure remains in global state.
"""

import io
import textwrap
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tonality.runtime.diagnostics.escaping import printable

__all__ = ["INK", "PAPER", "RULE", "SOFT_INK", "VOLUME", "new_figure", "strip_frame", "to_png"]

INK: Final = "#1a1a1a"
SOFT_INK: Final = "#5c5c5c"
RULE: Final = "#dedede"
PAPER: Final = "#ffffff"
VOLUME: Final = "#b9bfc4"

_DPI: Final = 160


def new_figure(title: str, width: int, height: int) -> Figure:
    """An empty figure of width × height pixels. The title is plain text: a $ in it does not start a formula."""
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.1)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=PAPER, layout=layout)
    FigureCanvasAgg(figure)
    heading = "\n".join(textwrap.wrap(printable(title), 72))
    figure.suptitle(heading, x=0.015, ha="left", color=INK, fontsize=14, fontweight="bold", parse_math=False)
    return figure


def strip_frame(axes: Axes) -> None:
    """Reduce the frame to the base line and faint horizontal grid lines."""
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT_INK, length=0)


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()

"""The comparison of models as a plot: ROC curves, reliability diagrams and confusion matrices."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from tonality.model.evaluation.plot_style import INK, RULE, SOFT_INK, new_figure, strip_frame, to_png
from tonality.model.evaluation.results import Confusion, EvaluationResult

__all__ = ["draw_png"]

_LineStyle: TypeAlias = tuple[str, str | tuple[int, tuple[int, ...]], str]

_STYLES: Final[tuple[_LineStyle, ...]] = (
    ("#0072b2", "-", "o"),
    ("#d55e00", "--", "s"),
    ("#009e73", "-.", "^"),
    ("#767676", ":", "D"),
    ("#cc79a7", (0, (5, 1, 1, 1, 1, 1)), "v"),
)
"""Colour, dash pattern (in Matplotlib's notation) and marker of each model: the palette of M. Okabe and K. Ito (2008),
distinguishable without colour as well."""


def draw_png(models: Mapping[str, EvaluationResult], title: str, width: int = 1600, height: int = 1260) -> bytes:
    """Plot at most five models, as a PNG of width × height pixels."""
    figure = new_figure(title, width, height)
    curves, confusions = figure.subfigures(2, 1, height_ratios=[1.9, 1], squeeze=False)[:, 0]
    roc, reliability = curves.subplots(1, 2)
    for (name, model), style in zip(models.items(), _STYLES, strict=False):
        _draw_roc(roc, name, model, style)
        _draw_reliability(reliability, name, model, style)
    _label_axes(roc, "ROC, area under the curve", "False positive rate", "True positive rate")
    _label_axes(reliability, "Reliability", "Predicted probability", "Share that is positive")
    for axes, (name, model) in zip(confusions.subplots(1, len(models), squeeze=False)[0], models.items(), strict=True):
        _draw_confusion(axes, name, model.confusion)
    return to_png(figure)


def _draw_roc(axes: Axes, name: str, model: EvaluationResult, style: _LineStyle) -> None:
    colour, dash, _ = style
    label = f"{name}: {model.metrics.auc:.3f}"
    axes.plot(model.roc.false_positive_rate, model.roc.true_positive_rate, linestyle=dash, color=colour, label=label)


def _draw_reliability(axes: Axes, name: str, model: EvaluationResult, style: _LineStyle) -> None:
    colour, dash, marker = style
    bins = model.reliability
    share = np.array(bins.positive_share)
    errors = np.maximum(0, [share - np.array(bins.low), np.array(bins.high) - share])
    axes.errorbar(
        bins.mean_probability, share, errors, color=colour, linestyle=dash, marker=marker, markersize=4, label=name
    )


def _label_axes(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    axes.plot([0, 1], [0, 1], color=RULE, zorder=0)
    axes.set_title(title, loc="left", color=INK, fontsize=12)
    axes.set_xlabel(x_label, color=SOFT_INK)
    axes.set_ylabel(y_label, color=SOFT_INK)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_aspect("equal")
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    strip_frame(axes)


def _draw_confusion(axes: Axes, name: str, confusion: Confusion) -> None:
    counts = np.array(
        [
            [confusion.true_positive, confusion.false_negative],
            [confusion.false_positive, confusion.true_negative],
        ]
    )
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.4)  # 1.4: dark text stays legible on the darkest blue
    for (row, column), count in np.ndenumerate(counts):
        text = f"{count:,}\n{shares[row, column]:.1%}"
        axes.text(column, row, text, ha="center", va="center", color=INK, fontsize=9)
    axes.set_title(name.replace(", ", ",\n"), color=INK, fontsize=9)
    axes.set_xticks([0, 1], ["predicted\npositive", "predicted\nnegative"])
    axes.set_yticks([0, 1], ["actually\npositive", "actually\nnegative"])
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=SOFT_INK, length=0, labelsize=8)

"""The comparison of models as a table, for the terminal and in Markdown."""

from collections.abc import Iterable, Mapping

from tonality.model.evaluation.results import EvaluationResult

__all__ = ["as_markdown", "as_text"]

_HEADER = ("model", "accuracy", "95 % interval", "macro F1", "AUC", "log loss")


def as_text(models: Mapping[str, EvaluationResult]) -> str:
    """The table as plain text in aligned columns."""
    rows = [_HEADER, *_rows(models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    return "\n".join(_line(row, widths) for row in rows)


def as_markdown(models: Mapping[str, EvaluationResult], rows: int, positive: int) -> str:
    """The table as a Markdown document that also describes the held-out rows."""
    lines = [_HEADER, ("---", *("---:" for _ in _HEADER[1:])), *_rows(models)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    chosen = [
        f"- {name}: {setting} {value:g}, chosen on part of the training split"
        for name, model in models.items()
        for setting, value in model.settings.items()
    ]
    return "\n".join(
        [
            "# Evaluation",
            "",
            f"On {rows:,} held-out labelled tweets, {positive / rows:.1%} of them positive. Threshold: 0.5.",
            "",
            table,
            "",
            *chosen,
            "",
            "![ROC curves, reliability and confusion](evaluation.png)",
            "",
        ]
    )


def _rows(models: Mapping[str, EvaluationResult]) -> Iterable[tuple[str, ...]]:
    for name, model in models.items():
        metrics = model.metrics
        yield (
            name,
            f"{metrics.accuracy:.1%}",
            f"{100 * model.accuracy_low:.1f}–{model.accuracy_high:.1%}",
            f"{metrics.macro_f1:.3f}",
            f"{metrics.auc:.3f}",
            f"{metrics.log_loss:.3f}",
        )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """One row: the first cell is left-aligned, the numbers right-aligned."""
    name, *numbers = cells
    return "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])])

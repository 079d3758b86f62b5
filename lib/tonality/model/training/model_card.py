"""The model card: what a model learned from, how, how well it reads and what it is not for; all of it facts of the run.

After M. Mitchell et al., Model Cards for Model Reporting, FAT* 2019.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tonality.model.network.lstm import LSTMConfig
from tonality.model.training.hyperparameters import Hyperparameters
from tonality.model.training.state import Epoch, TrainingResult

__all__ = ["card"]


def card(
    *,
    shape: LSTMConfig,
    hyperparameters: Hyperparameters,
    trained: TrainingResult,
    rows: Mapping[str, Mapping[str, int]],
    dropped: Mapping[str, int],
    rules: Mapping[str, Any],
    stems: int,
    max_length: int,
    unknown: str,
) -> str:
    """The card in Markdown. `rows` are those of the sides train and valid, each with `rows` and `positive`."""
    valid = trained.best.valid
    return "\n".join(
        [
            "# Model card",
            "",
            f"A network that reads one tweet, in the language `{rules['name']}`, and gives the probability that it is",
            f"positive. On {valid.rows:,} tweets that it did not learn from it is right about {valid.accuracy:.1%}.",
            "",
            "## Data",
            "",
            *_table(("side", "tweets", "positive"), [_side(name, side) for name, side in rows.items()]),
            "",
            *_dropped(dropped),
            f"{stems:,} stems have a number; any other is "
            + ("read as the unknown stem." if unknown == "train" else "left out.")
            + f" Of a tweet the first {max_length} stems are read.",
            "The validation side chose the epoch below, so its measures are a little too good.",
            "",
            "Text rules: " + ", ".join(f"{name} `{_short(value)}`" for name, value in rules.items()) + ".",
            "",
            "## Training",
            "",
            "Network: " + ", ".join(f"{name} {value}" for name, value in asdict(shape).items()) + ".",
            "Hyperparameters: " + ", ".join(f"{name} {value}" for name, value in asdict(hyperparameters).items()) + ".",
            f"Computed in {trained.computed}.",
            "",
            *_table(
                ("epoch", "training loss", "validation loss", "accuracy", "F1", "macro F1", "AUC", "seconds", "rows/s"),
                [_epoch(epoch) for epoch in trained.epochs],
            ),
            "",
            f"Epoch {trained.best.number}, of the lowest validation loss, is the model. Losses are nats a tweet.",
            "",
            "## Limits",
            "",
            "- It knows two answers, positive and negative, as its corpus labelled them: where emoticons were the",
            "  labels, it tells what people mark with them.",
            "- It reads stems alone: no emoticons, no pictures, nothing of who wrote or what was answered.",
            "- Irony, quotes and news of sad events are its usual mistakes; single tweets are not to be judged by it.",
            "- Counts of its answers are not shares of opinions: they lean towards the mix that it was trained on.",
            "- It reads tweets cut by the text rules above; scoring refuses others.",
            "",
            "How it compares with linear models stands in `evaluation/`, once `evaluate` has run.",
            "",
        ]
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _side(name: str, side: Mapping[str, int]) -> tuple[str, ...]:
    return name, f"{side['rows']:,}", f"{side['positive'] / side['rows']:.1%}"


def _dropped(dropped: Mapping[str, int]) -> list[str]:
    counts = [f"{count:,} {reason}" for reason, count in sorted(dropped.items()) if count]
    return [f"Labelled tweets on neither side: {', '.join(counts)}.", ""] if counts else []


def _epoch(epoch: Epoch) -> tuple[str, ...]:
    valid = epoch.valid
    measures = (epoch.loss, valid.log_loss, valid.accuracy, valid.f1, valid.macro_f1, valid.auc)
    return (
        str(epoch.number),
        *(f"{number:.4f}" for number in measures),
        f"{epoch.seconds:.1f}",
        f"{epoch.rows_per_second:,.0f}",
    )


def _short(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

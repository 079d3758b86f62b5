"""The model card: a model's data, training, accuracy and limits, filled in from the run.

After M. Mitchell et al., Model Cards for Model Reporting, FAT* 2019.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from tonality.model.network.lstm import LSTMConfig
from tonality.model.training.hyperparameters import hyperparameters
from tonality.model.training.state import TrainingResult
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.settings.sections import TrainSettings

__all__ = ["model_card"]


def model_card(
    *,
    config: LSTMConfig,
    settings: TrainSettings,
    result: TrainingResult,
    rows: Mapping[str, Mapping[str, int]],
    dropped: Mapping[str, int],
    rules: Mapping[str, Any],
    stems: int,
    max_length: int,
    unknown: str,
) -> str:
    """The model card in Markdown. `rows` holds the counts `rows` and `positive` of the splits train and valid."""
    return (
        _environment()
        .get_template("model_card.md.j2")
        .render(
            valid=result.best.valid,
            rows=rows,
            dropped=[(reason, count) for reason, count in sorted(dropped.items()) if count],
            rules=rules,
            stems=stems,
            max_length=max_length,
            unknown=unknown,
            network=asdict(config),
            hyperparameters=hyperparameters(settings),
            computed=result.computed,
            epochs=result.epochs,
            best=result.best,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tonality.model.training"),
        autoescape=select_autoescape(),  # for HTML, which Markdown is not
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )
    environment.filters |= {"count": _count, "percent": _percent, "fixed": _fixed}
    environment.filters |= {"pairs": _pairs, "shortened": _shortened}
    return environment


def _finalize(value: Any) -> Any:
    """Keep every text on its line, such as the name of a language."""
    return escaped_name(value) if isinstance(value, str) else value


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _fixed(number: float, digits: int = 4) -> str:
    return f"{number:.{digits}f}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _shortened(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

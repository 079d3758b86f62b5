"""evaluation.json: the metrics of all evaluated models, and paired differences between the candidate and others.

`evaluate` writes it, `promote` reads the differences and `report` the metrics.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tonality.model.evaluation.paired_difference import Difference
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.json_files import first_error, to_json
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["EVALUATION_FILE", "Evaluation", "ModelMetrics", "Rival", "read_evaluation"]

EVALUATION_FILE: Final = "evaluation.json"


class ModelMetrics(BaseModel):
    """Metrics of a model on the held-out rows. None stands for undefined values, which JSON has no NaN for.

    Further keys of `EvaluationResult.content`, such as the ROC curve, are kept as they are.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    rows: int = 0
    log_loss: float | None
    accuracy: float
    f1: float | None = None
    macro_f1: float | None
    auc: float | None
    accuracy_low: float
    accuracy_high: float


class Rival(BaseModel):
    """Another network, compared with the candidate on the same rows."""

    model_config = ConfigDict(frozen=True)

    model: str
    """Its fingerprint."""
    learned_from_other_split: bool
    """True if it may have been trained on some of the held-out rows."""
    differences: dict[str, Difference]
    """The candidate's metrics minus its own, by name."""


class Evaluation(BaseModel):
    """The content of evaluation.json. Files of earlier versions lack `networks`, `rivals` and `positive`."""

    model_config = ConfigDict(frozen=True)

    model: str
    """The candidate's fingerprint."""
    networks: dict[str, str] = {}
    """Names in `models` by fingerprint; if there are none, the candidate is the first of `models`."""
    rivals: list[Rival] = []
    rows: int
    """Held-out rows."""
    positive: int = 0
    """Of the held-out rows."""
    models: dict[str, ModelMetrics] = {}
    """By name, the candidate first."""

    def to_json(self) -> str:
        """The content of the file."""
        return to_json(self.model_dump())

    def metrics_with_first(self, model: str) -> dict[str, ModelMetrics] | None:
        """Metrics by name, those of the network with this fingerprint first; None if it was not evaluated."""
        names = self.networks or {self.model: next(iter(self.models), "")}
        first = names.get(model)
        if first not in self.models:
            return None
        return {name: self.models[name] for name in sorted(self.models, key=lambda name: name != first)}


def read_evaluation(root: str, required: Literal["models", "rivals"]) -> Evaluation | None:
    """The evaluation under a root; None if there is none.

    Raises InputError if the file cannot be parsed or lacks the required key.
    """
    location = join(root, "evaluation", EVALUATION_FILE)
    system, path = filesystem(location)
    try:
        evaluation = Evaluation.model_validate_json(system.cat_file(path))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise InputError(f"{location} cannot be read ({first_error(error)}). Run `evaluate` again.") from error
    if required not in evaluation.model_fields_set:
        raise InputError(f"{location} cannot be read ({required}: Field required). Run `evaluate` again.")
    return evaluation

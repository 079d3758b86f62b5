"""Where a training stands, and what it gave."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from torch import Tensor

from tonality.model.metrics import Metrics
from tonality.model.training.checkpoint import Checkpoint, Saved
from tonality.model.training.learner import Learner

__all__ = ["Epoch", "TrainingResult", "TrainingState"]


@dataclass(frozen=True)
class Epoch:
    """What one pass gave."""

    number: int
    """From 1."""
    loss: float
    """Mean cross-entropy of the training rows while they were learned, dropout included; nats a row."""
    learning_rate: float
    """Of the last step."""
    valid: Metrics
    """The validation side, after the pass."""
    rows_per_second: float
    """Rows learned, of all processes together; validation not counted."""
    seconds: float
    """Of the pass, validation included."""


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What training gave."""

    weights: Mapping[str, Tensor]
    """The state_dict of the best epoch, on the CPU."""
    epochs: tuple[Epoch, ...]
    best: Epoch
    """The epoch of the lowest validation log loss; the earlier of equals."""
    computed: str
    """In what and on what, in words."""


@dataclass(eq=False)
class TrainingState:
    """Where a training stands: at a step of an epoch, after other epochs."""

    epoch: int = 1
    step: int = 0
    """The epoch's steps that are done."""
    rows: int = 0
    """Their rows, in all processes."""
    loss: float = 0.0
    """Their cross-entropy, summed; nats."""
    seconds: float = 0.0
    """What they took."""
    computed: str = ""
    """In what and on what, in words."""
    epochs: tuple[Epoch, ...] = ()
    """The epochs that are done."""
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    """The weights of the best of them."""

    @property
    def best(self) -> Epoch:
        """The epoch of the lowest validation log loss; the earlier of equals."""
        return min(self.epochs, key=lambda epoch: epoch.valid.log_loss)

    def save(self, checkpoint: Checkpoint, learner: Learner) -> None:
        """Raises OSError, with the checkpoint before still whole."""
        position = {name: getattr(self, name) for name in ("epoch", "step", "rows", "loss", "seconds", "computed")}
        best = {f"best.{name}": weight for name, weight in self.weights.items()}
        told = [asdict(epoch) for epoch in self.epochs]
        checkpoint.write({**position, "epochs": told}, {**learner.state(), **best})

    @classmethod
    def restored(cls, saved: Saved, learner: Learner) -> Self:
        """What was saved; the learner goes on from there too."""
        learner.restore(saved.tensors)
        epochs = tuple(Epoch(**{**told, "valid": Metrics(**told["valid"])}) for told in saved.position["epochs"])
        best = {name.removeprefix("best."): part for name, part in saved.tensors.items() if name.startswith("best.")}
        return cls(**{**saved.position, "epochs": epochs}, weights=best)

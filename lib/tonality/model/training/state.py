"""The state of a training run, and its result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from torch import Tensor

from tonality.model.metrics import Metrics
from tonality.model.training.checkpoint import Checkpoint, SavedCheckpoint
from tonality.model.training.learner import Learner

__all__ = ["Epoch", "TrainingResult", "TrainingState"]

_POSITION = ("epoch", "step", "rows", "loss", "seconds", "computed")
"""The fields of the state that a checkpoint holds as they are."""


@dataclass(frozen=True)
class Epoch:
    """The result of an epoch."""

    number: int
    """Counted from 1."""
    loss: float
    """Mean cross-entropy of the training rows at their steps, with dropout; nats per row."""
    learning_rate: float
    """The learning rate of the last step."""
    valid: Metrics
    """Metrics of the validation split after the epoch."""
    rows_per_second: float
    """Training rows of all processes per second, without validation."""
    seconds: float
    """Duration of the epoch, validation included."""


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The result of training."""

    weights: Mapping[str, Tensor]
    """The state_dict of the best epoch, on the CPU."""
    epochs: tuple[Epoch, ...]
    best: Epoch
    """The epoch with the lowest validation log loss; the earliest if several are equal."""
    computed: str
    """The precision and the hardware of the computation, in words."""


@dataclass(eq=False)
class TrainingState:
    """The position of a training run: a step of an epoch, and the epochs before it."""

    epoch: int = 1
    step: int = 0
    """Steps of this epoch that are done."""
    rows: int = 0
    """Rows of these steps, in all processes."""
    loss: float = 0.0
    """Summed cross-entropy of these rows; nats."""
    seconds: float = 0.0
    """Duration of these steps."""
    computed: str = ""
    """The precision and the hardware of the computation, in words."""
    epochs: tuple[Epoch, ...] = ()
    """The completed epochs."""
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    """The weights of the best completed epoch."""

    @property
    def best(self) -> Epoch:
        """The epoch with the lowest validation log loss; the earliest if several are equal."""
        return min(self.epochs, key=lambda epoch: epoch.valid.log_loss)

    def finish_epoch(self, epoch: Epoch) -> None:
        """Add the result of this epoch and move to the start of the next one."""
        self.epochs = (*self.epochs, epoch)
        self.epoch, self.step, self.rows, self.loss, self.seconds = epoch.number + 1, 0, 0, 0.0, 0.0

    def save(self, checkpoint: Checkpoint, learner: Learner) -> None:
        """Write a checkpoint. Raises OSError, and leaves the previous one intact."""
        position = {name: getattr(self, name) for name in _POSITION}
        best = {f"best.{name}": weight for name, weight in self.weights.items()}
        epochs = [asdict(epoch) for epoch in self.epochs]
        checkpoint.write({**position, "epochs": epochs}, {**learner.state(), **best})

    @classmethod
    def restore(cls, saved: SavedCheckpoint, learner: Learner) -> Self:
        """Restore the state, and the learner's, from a checkpoint."""
        learner.restore(saved.tensors)
        epochs = tuple(Epoch(**{**epoch, "valid": Metrics(**epoch["valid"])}) for epoch in saved.position["epochs"])
        best = {name.removeprefix("best."): part for name, part in saved.tensors.items() if name.startswith("best.")}
        return cls(**{**saved.position, "epochs": epochs}, weights=best)

"""The training loop: epochs of steps, validation after each, the best epoch kept, checkpoints on the way."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tonality.faults import Fault
from tonality.network.lstm import Shape
from tonality.network.measures import Metrics, measure
from tonality.reader.batches import Batch, count_batches
from tonality.reader.loader import Loader
from tonality.reader.row_groups import RowGroups
from tonality.training.checkpoint import Checkpoint, Saved
from tonality.training.group import ALONE, Group, in_step
from tonality.training.interruption import Interrupted, Interruption
from tonality.training.learner import Learner
from tonality.training.progress import Progress
from tonality.training.recipe import Recipe, learning_rate

__all__ = ["Epoch", "Trained", "predict", "train"]

_VALIDATION_BATCH: Final = 1_024
_STEPS_UNSEEN: Final = 50
"""Steps that a GPU takes between two looks at their losses, each of which it waits for."""


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
class Trained:
    """What training gave."""

    weights: Mapping[str, Tensor]
    """The state_dict of the best epoch, on the CPU."""
    epochs: tuple[Epoch, ...]
    best: Epoch
    """The epoch of the lowest validation log loss; the earlier of equals."""
    device: str
    """Where it was computed, by its name."""
    precision: str
    """The numbers that it was computed in."""
    threads: int
    """Threads of the processor that shared a step."""


@dataclass(eq=False)
class _Standing:
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
    epochs: tuple[Epoch, ...] = ()
    """The epochs that are done."""
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    """The weights of the best of them."""

    @property
    def best(self) -> Epoch:
        return min(self.epochs, key=lambda epoch: epoch.valid.log_loss)

    def save(self, checkpoint: Checkpoint, learner: Learner) -> None:
        position = {name: getattr(self, name) for name in ("epoch", "step", "rows", "loss", "seconds")}
        best = {f"best.{name}": weight for name, weight in self.weights.items()}
        told = [asdict(epoch) for epoch in self.epochs]
        checkpoint.write({**position, "epochs": told}, {**learner.state(), **best})

    @classmethod
    def restored(cls, saved: Saved, learner: Learner) -> Self:
        learner.restore(saved.tensors)
        epochs = tuple(Epoch(**{**told, "valid": Metrics(**told["valid"])}) for told in saved.position["epochs"])
        best = {name.removeprefix("best."): part for name, part in saved.tensors.items() if name.startswith("best.")}
        return cls(**{**saved.position, "epochs": epochs}, weights=best)


def train(
    shape: Shape,
    train_location: str,
    valid_location: str,
    recipe: Recipe,
    device: torch.device,
    *,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    group: Group = ALONE,
) -> Trained:
    """Trains a fresh network of this shape on one folder of schema.DATASET rows and validates it on another.

    On one machine, the same recipe on the CPU gives the same weights, whatever torch's global generator was at and
    whether it was interrupted and gone on with from its checkpoint; on a GPU sums may round differently from run to
    run. A checkpoint that is there is gone on from; it is removed by nobody here.

    With a group, every process of it calls this; each reads its own shard, and all get the same weights.

    Raises InputFault where a side cannot be read, Fault where the loss stops being finite or the checkpoint cannot be
    written, and Interrupted on Ctrl-C.
    """
    return _Training(shape, train_location, valid_location, recipe, device, progress, checkpoint, group).run()


class _Training:
    """One training: what `train` was called with, and its steps."""

    def __init__(
        self,
        shape: Shape,
        train_location: str,
        valid_location: str,
        recipe: Recipe,
        device: torch.device,
        progress: Progress | None,
        checkpoint: Checkpoint | None,
        group: Group,
    ) -> None:
        if recipe.batch_size % group.size:
            raise ValueError(f"a batch of {recipe.batch_size} cannot be shared by {group.size} processes")
        self._shape, self._recipe, self._device = shape, recipe, device
        self._progress, self._checkpoint, self._group = progress, checkpoint, group
        share = recipe.batch_size // group.size
        rows = RowGroups(train_location, shape.vocabulary, shard=group.rank, shards=group.size, readers=recipe.readers)
        self._training = Loader(
            rows,
            batch_size=share,
            seed=recipe.seed,
            window=recipe.shuffle_rows,
            memory=recipe.memory,
            ahead=recipe.batches_ahead,
        )
        # nothing is learned from these batches, so they can be larger
        self._validation = Loader(
            RowGroups(valid_location, shape.vocabulary), batch_size=_VALIDATION_BATCH, memory=recipe.memory
        )
        self._rows = rows.all_rows
        self._steps = count_batches(rows.most_rows, share)

    def run(self) -> Trained:
        """All epochs, from the start or from the checkpoint."""
        with (
            _one_thread(),
            Learner(self._shape, self._recipe, self._device, self._group) as self._learner,
            Interruption() as self._interruption,
        ):
            standing = self._resumed() or _Standing()
            while not self._has_ended(standing):
                self._learn(standing)
                self._validate(standing)
                self._save(standing)
            return Trained(
                standing.weights,
                standing.epochs,
                standing.best,
                device=torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu",
                precision=str(self._learner.precision).removeprefix("torch."),
                threads=self._learner.threads,
            )

    def _has_ended(self, standing: _Standing) -> bool:
        in_vain = len(standing.epochs) - standing.best.number if standing.epochs else 0
        return standing.epoch > self._recipe.epochs or 0 < self._recipe.patience <= in_vain

    def _learn(self, standing: _Standing) -> None:
        """The rest of the epoch's steps."""
        looks = _STEPS_UNSEEN if self._device.type == "cuda" else 1
        unseen: list[tuple[Batch, Tensor]] = []
        started = time.monotonic() - standing.seconds
        if self._progress:
            self._progress.start(standing.epoch, self._recipe.epochs, self._rows, standing.rows)
        with self._training.epoch(standing.epoch, skip=standing.step) as batches:
            for batch, rows in in_step(batches, self._group):
                standing.step += 1
                standing.rows += rows
                draw = standing.epoch, standing.step
                unseen.append((batch, self._learner.step(batch, rows, self._learning_rate(standing), draw)))
                saves = standing.step % self._recipe.checkpoint_steps == 0
                ends = self._is_asked_to_end  # asked once: a signal may come at any time
                if saves or ends or len(unseen) == looks:
                    self._look(standing, unseen, time.monotonic() - started)
                if saves or ends:
                    self._save(standing)
                if ends:
                    raise Interrupted(self._way_on())
        self._look(standing, unseen, time.monotonic() - started)

    @property
    def _is_asked_to_end(self) -> bool:
        """Of several processes the first decides, since it saves; the others end because it does."""
        return self._interruption.asked and self._group.rank == 0

    def _look(self, standing: _Standing, unseen: list[tuple[Batch, Tensor]], seconds: float) -> None:
        """At the losses of the last steps, which a GPU is waited for."""
        losses = torch.stack([loss for _, loss in unseen]).tolist() if unseen else []
        for step, ((batch, _), loss) in enumerate(zip(unseen, losses, strict=True), standing.step - len(losses) + 1):
            _require_finite(loss, f"epoch {standing.epoch}, step {step}, a batch of {_describe(batch)}")
        unseen.clear()
        standing.loss += sum(losses)
        standing.seconds = seconds
        if self._progress and standing.rows:
            self._progress.step(standing.rows, standing.loss / standing.rows)

    def _validate(self, standing: _Standing) -> None:
        """The epoch ends with its measures; its weights are kept where they are the best so far."""
        started = time.monotonic()
        self._learner.settle()
        valid = measure(*predict(self._learner, self._validation, self._group))
        _require_finite(valid.log_loss, f"the validation of epoch {standing.epoch}")
        loss = standing.loss / standing.rows
        epoch = Epoch(
            standing.epoch,
            loss,
            self._learning_rate(standing),
            valid,
            rows_per_second=standing.rows / standing.seconds,
            seconds=standing.seconds + time.monotonic() - started,
        )
        if self._progress:
            self._progress.epoch(loss, valid)
        standing.epochs = (*standing.epochs, epoch)
        if standing.best is epoch:
            standing.weights = self._learner.weights()
        standing.epoch, standing.step, standing.rows, standing.loss, standing.seconds = epoch.number + 1, 0, 0, 0.0, 0.0

    def _learning_rate(self, standing: _Standing) -> float:
        step = (standing.epoch - 1) * self._steps + standing.step
        return learning_rate(self._recipe, step, self._recipe.epochs * self._steps)

    def _resumed(self) -> _Standing | None:
        """Where the checkpoint stands, and the learner with it; None where there is none of this training."""
        saved = self._checkpoint.read() if self._checkpoint else None
        if self._checkpoint is None or saved is None:
            return None
        place = self._checkpoint.location
        if saved.identity != self._checkpoint.identity:
            self._tell(f"{place} is of other settings or another dataset: training begins anew and will replace it")
            return None
        standing = _Standing.restored(saved, self._learner)
        self._tell(f"going on from {place}: epoch {standing.epoch}, after step {standing.step:,}")
        return standing

    def _tell(self, text: str) -> None:
        if self._progress:
            self._progress.tell(text)

    def _save(self, standing: _Standing) -> None:
        if self._checkpoint is None or self._group.rank > 0:
            return
        try:
            standing.save(self._checkpoint, self._learner)
        except OSError as error:
            raise Fault(
                f"no checkpoint can be written to {self._checkpoint.location}: {error.strerror or error}; the one "
                f"before, if there was one, is whole: free some space or name another disk, then train again"
            ) from error

    def _way_on(self) -> str:
        if self._checkpoint is None:
            return "nothing of this training is kept"
        return f"train again and it goes on from {self._checkpoint.location}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch computes in as many threads as ask it to, and no more: see training.lanes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def predict(learner: Learner, loader: Loader, group: Group = ALONE) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (N,) and labels (N,) of all the loader's rows, by settled weights; the group shares the work."""
    logits, labels = torch.zeros(2, loader.rows)
    at = 0
    with loader.epoch(0) as batches:
        for number, batch in enumerate(batches):
            if number % group.size == group.rank:
                logits[at : at + batch.rows] = learner.logits(batch).cpu()
                labels[at : at + batch.rows] = torch.from_numpy(
                    np.concatenate([part.labels for part in batch.segments])
                )
            at += batch.rows
    # in float64 a sure tweet's probability stays below 1, and its log loss is its own
    probabilities = torch.sigmoid(group.sum(logits).double())
    return probabilities.numpy(), group.sum(labels).double().numpy()


def _require_finite(loss: float, place: str) -> None:
    if not math.isfinite(loss):
        raise Fault(
            f"the loss is {loss} in {place}: lower train.learning_rate, set train.clip_norm (1 is a usual one), "
            f'or train.precision = "float32"'
        )


def _describe(batch: Batch) -> str:
    """The tweets of a batch, in words."""
    lengths = [segment.places.shape[1] for segment in batch.segments]
    span = f"{min(lengths)}" if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)}"
    return f"{batch.rows} tweets of {span} stems"

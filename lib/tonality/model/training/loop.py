"""The training loop: epochs of steps, validation after each, the best epoch kept, checkpoints on the way."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from tonality.model.loading.data_loader import Loader
from tonality.model.loading.length_buckets import Batch, count_batches
from tonality.model.loading.row_groups import RowGroups
from tonality.model.metrics import compute_metrics
from tonality.model.network.lstm import LSTMConfig
from tonality.model.training.checkpoint import Checkpoint
from tonality.model.training.distributed import ALONE, ProcessGroup, in_step
from tonality.model.training.hyperparameters import Hyperparameters, learning_rate
from tonality.model.training.learner import Learner, Losses
from tonality.model.training.progress import Progress
from tonality.model.training.signals import Interrupted, Interruption
from tonality.model.training.state import Epoch, TrainingResult, TrainingState
from tonality.runtime.diagnostics.errors import UserError

__all__ = ["predict", "train"]

_VALIDATION_BATCH: Final = 1_024
_STEPS_UNSEEN: Final = 50
"""Steps that a GPU takes between two looks at their losses, each of which it waits for."""


def train(
    shape: LSTMConfig,
    train_location: str,
    valid_location: str,
    hyperparameters: Hyperparameters,
    device: torch.device,
    *,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    group: ProcessGroup = ALONE,
) -> TrainingResult:
    """Trains a fresh network of this shape on one folder of schema.DATASET rows and validates it on another.

    On one machine, the same hyperparameters on the CPU give the same weights, whatever the state of torch's global
    generator and whether training was interrupted and resumed from its checkpoint; on a GPU sums may round differently from run to
    run. A checkpoint that is there is gone on from; it is removed by nobody here.

    With a group, every process of it calls this; each reads its own shard, and all get the same weights.

    Raises InputError where a side cannot be read, UserError where the loss stops being finite or the checkpoint cannot
    be written, and Interrupted on Ctrl-C.
    """
    return _Training(shape, train_location, valid_location, hyperparameters, device, progress, checkpoint, group).run()


class _Training:
    """One training: what `train` was called with, and its steps."""

    def __init__(
        self,
        shape: LSTMConfig,
        train_location: str,
        valid_location: str,
        hyperparameters: Hyperparameters,
        device: torch.device,
        progress: Progress | None,
        checkpoint: Checkpoint | None,
        group: ProcessGroup,
    ) -> None:
        if hyperparameters.batch_size % group.size:
            raise ValueError(f"a batch of {hyperparameters.batch_size} cannot be shared by {group.size} processes")
        self._shape, self._hyperparameters, self._device = shape, hyperparameters, device
        self._progress, self._checkpoint, self._group = progress, checkpoint, group
        share = hyperparameters.batch_size // group.size
        rows = RowGroups(
            train_location, shape.vocabulary, shard=group.rank, shards=group.size, readers=hyperparameters.readers
        )
        self._training = Loader(
            rows,
            batch_size=share,
            seed=hyperparameters.seed,
            window=hyperparameters.shuffle_rows,
            memory=hyperparameters.memory,
            ahead=hyperparameters.batches_ahead,
        )
        # nothing is learned from these batches, so they can be larger
        self._validation = Loader(
            RowGroups(valid_location, shape.vocabulary, readers=hyperparameters.readers),
            batch_size=_VALIDATION_BATCH,
            memory=hyperparameters.memory,
            ahead=hyperparameters.batches_ahead,
        )
        self._rows = rows.all_rows
        self._steps = count_batches(rows.most_rows, share)

    def run(self) -> TrainingResult:
        """All epochs, from the start or from the checkpoint."""
        with (
            _one_thread(),
            Learner(self._shape, self._hyperparameters, self._device, self._group) as self._learner,
            Interruption(patient=self._group.size > 1) as self._interruption,
        ):
            standing = self._resumed() or TrainingState(computed=self._computed())
            self._require_agreement(standing)
            while not self._has_ended(standing):
                self._learn(standing)
                self._validate(standing)
                self._save(standing)
                self._end_if_asked()
            return TrainingResult(
                standing.weights,
                standing.epochs,
                standing.best,
                computed=self._computed(),
            )

    def _computed(self) -> str:
        """In what and on what this process computes, in words."""
        precision, threads, processes = self._learner.precision, self._learner.threads, self._group.size
        each = f" in each of {processes} processes" if processes > 1 else ""
        if self._device.type == "cpu":
            return f"{precision} on a processor, by {threads} thread{'s' if threads > 1 else ''}{each}"
        has_tf32 = torch.backends.cudnn.allow_tf32 and torch.cuda.get_device_capability(self._device) >= (8, 0)
        in_tf32 = ", multiplied as TF32," if precision == "float32" and has_tf32 else ""
        return f"{precision}{in_tf32} on {torch.cuda.get_device_name(self._device)}{each}"

    def _has_ended(self, standing: TrainingState) -> bool:
        in_vain = len(standing.epochs) - standing.best.number if standing.epochs else 0
        return standing.epoch > self._hyperparameters.epochs or 0 < self._hyperparameters.patience <= in_vain

    def _learn(self, standing: TrainingState) -> None:
        """The rest of the epoch's steps."""
        looks = _STEPS_UNSEEN if self._device.type == "cuda" else 1
        unseen: list[tuple[Batch, Losses]] = []
        started = time.monotonic() - standing.seconds
        if self._progress:
            self._progress.start(standing.epoch, self._hyperparameters.epochs, self._rows, standing.rows)
        with self._training.epoch(standing.epoch, skip=standing.step) as batches:
            for batch, rows in in_step(batches, self._group):
                standing.step += 1
                standing.rows += rows
                draw = standing.epoch, standing.step
                unseen.append((batch, self._learner.step(batch, rows, self._learning_rate(standing), draw)))
                saves = standing.step % self._hyperparameters.checkpoint_steps == 0
                ends = self._is_asked_to_end  # asked once: a signal may come at any time
                if saves or ends or len(unseen) == looks:
                    self._look(standing, unseen, started)
                if saves or ends:
                    self._save(standing)
                if ends:
                    raise Interrupted(self._way_on())
        self._look(standing, unseen, started)

    @property
    def _is_asked_to_end(self) -> bool:
        """Of several processes the first decides, since it saves; the others end because it does."""
        return self._interruption.asked and self._group.rank == 0

    def _end_if_asked(self, standing: TrainingState | None = None) -> None:
        """With a checkpoint of where training stands, if that is given."""
        if self._is_asked_to_end:
            if standing:
                self._save(standing)
            raise Interrupted(self._way_on())

    def _look(self, standing: TrainingState, unseen: list[tuple[Batch, Losses]], started: float) -> None:
        """At the losses of the last steps, which a GPU is waited for."""
        wholes = torch.stack([losses.whole for _, losses in unseen]).tolist() if unseen else []
        for step, ((batch, losses), whole) in enumerate(
            zip(unseen, wholes, strict=True), standing.step - len(wholes) + 1
        ):
            if not math.isfinite(whole) and losses.own.isfinite():
                raise RuntimeError("the loss of another process is not finite: it tells of its batch")
            _require_finite(whole, f"epoch {standing.epoch}, step {step}, a batch of {_describe(batch)}")
        unseen.clear()
        standing.loss += sum(wholes)
        standing.seconds = time.monotonic() - started
        if self._progress and standing.rows:
            self._progress.step(standing.rows, standing.loss / standing.rows)

    def _validate(self, standing: TrainingState) -> None:
        """The epoch ends with its measures; its weights are kept where they are the best so far."""
        started = time.monotonic()
        self._learner.flush()
        valid = compute_metrics(
            *predict(self._learner, self._validation, self._group, lambda: self._end_if_asked(standing))
        )
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

    def _learning_rate(self, standing: TrainingState) -> float:
        step = (standing.epoch - 1) * self._steps + standing.step
        return learning_rate(self._hyperparameters, step, self._hyperparameters.epochs * self._steps)

    def _resumed(self) -> TrainingState | None:
        """Where the checkpoint stands, and the learner with it; None where there is none of this training."""
        if self._checkpoint is None or not self._checkpoint.resume:
            return None
        saved = self._checkpoint.read()
        if saved is None:
            return None
        place = self._checkpoint.location
        if saved.identity != self._checkpoint.identity:
            self._tell(f"{place} is of other settings or another dataset: training begins again and will replace it")
            return None
        standing = TrainingState.restored(saved, self._learner)
        self._tell(f"going on from {place}: epoch {standing.epoch}, after step {standing.step:,}")
        if standing.computed != (now := self._computed()):
            self._tell(f"it was computed in {standing.computed}, and is now in {now}: what comes will round otherwise")
            standing.computed = now
        return standing

    def _require_agreement(self, standing: TrainingState) -> None:
        """All processes must have found the same checkpoint: on a shared disk one may see it later than another."""
        if not self._group.agrees([standing.epoch, standing.step]):
            raise UserError("the processes have found several checkpoints, or one of them none: train again")

    def _tell(self, text: str) -> None:
        if self._progress:
            self._progress.tell(text)

    def _save(self, standing: TrainingState) -> None:
        if self._checkpoint is None or self._group.rank > 0:
            return
        try:
            standing.save(self._checkpoint, self._learner)
        except OSError as error:
            raise UserError(
                f"no checkpoint can be written to {self._checkpoint.location}: {error.strerror or error}; the one "
                f"before, if there was one, is whole: free some space or name another disk, then train again"
            ) from error

    def _way_on(self) -> str:
        return self._checkpoint.way_on if self._checkpoint else "nothing of this training is kept"


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch computes in as many threads as ask it to, and no more: see training.lanes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def predict(
    learner: Learner, loader: Loader, group: ProcessGroup = ALONE, between: Callable[[], None] = lambda: None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (N,) and labels (N,) of all the loader's rows, by settled weights; the group shares the work.

    `between` is called between two batches, and may raise.
    """
    logits, labels = torch.zeros(2, loader.rows)
    at = 0
    with loader.epoch(0) as batches:
        for number, batch in enumerate(batches):
            between()
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
        raise UserError(
            f"the loss is {loss} in {place}: lower train.learning_rate, set train.clip_norm (1 is a usual one), "
            f'or train.precision = "float32"'
        )


def _describe(batch: Batch) -> str:
    """The tweets of a batch, in words."""
    lengths = [segment.places.shape[1] for segment in batch.segments]
    span = f"{min(lengths)}" if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)}"
    return f"{batch.rows} tweets of {span} stems"

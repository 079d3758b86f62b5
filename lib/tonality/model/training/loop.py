"""The training loop: epochs of steps with validation after each, checkpoints, and the best epoch as the result."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from tonality.model.loading.data_loader import Loader
from tonality.model.loading.length_buckets import Batch, count_batches
from tonality.model.loading.row_groups import RowGroups
from tonality.model.metrics import compute_metrics
from tonality.model.network.lstm import LSTMConfig
from tonality.model.training.checkpoint import Checkpoint
from tonality.model.training.distributed import SINGLE_PROCESS, ProcessGroup, synchronize
from tonality.model.training.hyperparameters import learning_rate
from tonality.model.training.learner import Learner, Losses
from tonality.model.training.predict import predict
from tonality.model.training.progress import Progress
from tonality.model.training.signals import DeferredSignals, Interrupted
from tonality.model.training.state import Epoch, TrainingResult, TrainingState
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.settings.sections import TrainSettings
from tonality.runtime.settings.types import in_bytes

__all__ = ["train"]

_VALIDATION_BATCH: Final = 1_024
_GPU_LOSS_INTERVAL: Final = 50
"""Steps on a GPU between two reads of the losses, since every read waits for the GPU."""


def train(
    config: LSTMConfig,
    train_location: str,
    valid_location: str,
    settings: TrainSettings,
    device: torch.device,
    *,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
) -> TrainingResult:
    """Train a network on one folder of schema.DATASET rows, validating it on another.

    On one machine, the same settings on the CPU give the same weights, whatever the state of torch's global generator
    and whether or not training was interrupted and resumed from its checkpoint; on a GPU sums may round differently
    from run to run. Training resumes from an existing checkpoint of the same identity, and never removes it.

    `device` and `group` take the place of the settings' device and processes. Every process of a group calls this; each
    reads its own shard, and all get the same weights.

    Raises InputError if a split cannot be read, UserError if the loss is not finite or the checkpoint cannot be
    written, and Interrupted on Ctrl-C.
    """
    return _Training(config, train_location, valid_location, settings, device, progress, checkpoint, group).run()


class _Training:
    """A training run."""

    def __init__(
        self,
        config: LSTMConfig,
        train_location: str,
        valid_location: str,
        settings: TrainSettings,
        device: torch.device,
        progress: Progress | None,
        checkpoint: Checkpoint | None,
        group: ProcessGroup,
    ) -> None:
        if settings.batch_size % group.size:
            raise ValueError(f"a batch of {settings.batch_size} cannot be shared by {group.size} processes")
        self._config, self._settings, self._device = config, settings, device
        self._progress, self._checkpoint, self._group = progress, checkpoint, group
        local_batch_size = settings.batch_size // group.size
        memory = in_bytes(settings.memory)
        rows = RowGroups(
            train_location, config.vocabulary, shard=group.rank, shards=group.size, readers=settings.readers
        )
        self._training = Loader(
            rows,
            batch_size=local_batch_size,
            seed=settings.seed,
            window=settings.shuffle_rows,
            memory=memory,
            ahead=settings.batches_ahead,
        )
        # larger batches, since no gradients are computed
        self._validation = Loader(
            RowGroups(valid_location, config.vocabulary, readers=settings.readers),
            batch_size=_VALIDATION_BATCH,
            memory=memory,
            ahead=settings.batches_ahead,
        )
        self._rows = rows.total_rows
        self._steps_per_epoch = count_batches(rows.max_shard_rows, local_batch_size)

    def run(self) -> TrainingResult:
        """Train all epochs, from the start or from the checkpoint."""
        with (
            _single_torch_thread(),
            Learner(self._config, self._settings, self._device, self._group) as self._learner,
            DeferredSignals(ignore_repeated=self._group.size > 1) as self._signals,
        ):
            state = self._resume() or TrainingState(computed=self._computed())
            self._require_agreement(state)
            while not self._has_ended(state):
                self._train_epoch(state)
                self._validate(state)
                self._save(state)
                if self._stop_requested:
                    raise self._interrupted()
            return TrainingResult(
                state.weights,
                state.epochs,
                state.best,
                computed=self._computed(),
            )

    def _computed(self) -> str:
        """The precision and the hardware of this process' computation, in words."""
        precision, threads, processes = self._learner.precision, self._learner.threads, self._group.size
        each = f" in each of {processes} processes" if processes > 1 else ""
        if self._device.type == "cpu":
            return f"{precision} on a processor, by {counted(threads, 'thread')}{each}"
        has_tf32 = torch.backends.cudnn.allow_tf32 and torch.cuda.get_device_capability(self._device) >= (8, 0)
        in_tf32 = ", multiplied as TF32," if precision == "float32" and has_tf32 else ""
        return f"{precision}{in_tf32} on {torch.cuda.get_device_name(self._device)}{each}"

    def _has_ended(self, state: TrainingState) -> bool:
        epochs_without_gain = len(state.epochs) - state.best.number if state.epochs else 0
        return state.epoch > self._settings.epochs or 0 < self._settings.patience <= epochs_without_gain

    def _train_epoch(self, state: TrainingState) -> None:
        """Take the remaining steps of the epoch."""
        interval = _GPU_LOSS_INTERVAL if self._device.type == "cuda" else 1
        pending: list[tuple[Batch, Losses]] = []
        started = time.monotonic() - state.seconds
        if self._progress:
            self._progress.start(state.epoch, self._settings.epochs, self._rows, state.rows)
        with self._training.epoch(state.epoch, skip=state.step) as batches:
            for batch, rows in synchronize(batches, self._group):
                state.step += 1
                state.rows += rows
                position = state.epoch, state.step
                pending.append((batch, self._learner.step(batch, rows, self._learning_rate(state), position)))
                saves = state.step % self._settings.checkpoint_steps == 0
                stops = self._stop_requested  # read once: a signal may arrive at any time
                if saves or stops or len(pending) == interval:
                    self._read_losses(state, pending, started)
                if saves or stops:
                    self._save(state)
                if stops:
                    raise self._interrupted()
        self._read_losses(state, pending, started)

    @property
    def _stop_requested(self) -> bool:
        """True on Ctrl-C, in the first process of a group only: it writes the checkpoint, and the others follow it."""
        return self._signals.received and self._group.rank == 0

    def _interrupted(self) -> Interrupted:
        return Interrupted(self._checkpoint.resume_hint if self._checkpoint else "nothing of this training was saved")

    def _read_losses(self, state: TrainingState, pending: list[tuple[Batch, Losses]], started: float) -> None:
        """Add the losses of the pending steps to the state; on a GPU this waits for them."""
        losses = torch.stack([losses.total for _, losses in pending]).tolist() if pending else []
        first = state.step - len(losses) + 1
        for step, ((batch, step_losses), loss) in enumerate(zip(pending, losses, strict=True), first):
            if not math.isfinite(loss) and step_losses.own.isfinite():
                raise RuntimeError("the loss of another process is not finite: that process reports its batch")
            _require_finite(loss, f"epoch {state.epoch}, step {step}, a batch of {_describe(batch)}")
        pending.clear()
        state.loss += sum(losses)
        state.seconds = time.monotonic() - started
        if self._progress and state.rows:
            self._progress.step(state.rows, state.loss / state.rows)

    def _validate(self, state: TrainingState) -> None:
        """Complete the epoch with its validation metrics, and keep its weights if they are the best so far."""
        started = time.monotonic()
        self._learner.flush()
        valid = compute_metrics(
            *predict(self._learner, self._validation, self._group, lambda: self._save_if_stopping(state))
        )
        _require_finite(valid.log_loss, f"the validation of epoch {state.epoch}")
        epoch = Epoch(
            state.epoch,
            state.loss / state.rows,
            self._learning_rate(state),
            valid,
            rows_per_second=state.rows / state.seconds,
            seconds=state.seconds + time.monotonic() - started,
        )
        if self._progress:
            self._progress.epoch(epoch.loss, valid)
        state.finish_epoch(epoch)
        if state.best is epoch:
            state.weights = self._learner.weights()

    def _save_if_stopping(self, state: TrainingState) -> None:
        if self._stop_requested:
            self._save(state)
            raise self._interrupted()

    def _learning_rate(self, state: TrainingState) -> float:
        step = (state.epoch - 1) * self._steps_per_epoch + state.step
        return learning_rate(self._settings, step, self._settings.epochs * self._steps_per_epoch)

    def _resume(self) -> TrainingState | None:
        """Restore the state and the learner from the checkpoint; None if there is none of this identity."""
        if self._checkpoint is None or not self._checkpoint.resume:
            return None
        saved = self._checkpoint.read()
        if saved is None:
            return None
        location = self._checkpoint.location
        if saved.identity != self._checkpoint.identity:
            self._report(
                f"{location} was written with other settings or another dataset: training starts over and will "
                "replace it",
                logging.WARNING,
            )
            return None
        state = TrainingState.restore(saved, self._learner)
        self._report(f"resuming from {location}: epoch {state.epoch}, after step {state.step:,}")
        if state.computed != (computed := self._computed()):
            change = f"resuming in {computed}, was {state.computed}: results will not be bit-identical"
            self._report(change, logging.WARNING)
            state.computed = computed
        return state

    def _require_agreement(self, state: TrainingState) -> None:
        """Require that all processes start from the same position.

        On a shared disk one may see a checkpoint later than another.
        """
        if not self._group.agrees([state.epoch, state.step]):
            raise UserError("the processes found different checkpoints, or some of them found none: train again")

    def _report(self, text: str, level: int = logging.INFO) -> None:
        if self._progress:
            self._progress.message(text, level)

    def _save(self, state: TrainingState) -> None:
        if self._checkpoint is None or self._group.rank > 0:
            return
        try:
            state.save(self._checkpoint, self._learner)
        except OSError as error:
            raise UserError(
                f"no checkpoint can be written to {self._checkpoint.location}: {error.strerror or error}; the previous "
                f"one, if any, is intact: free some space or choose another disk, then train again"
            ) from error


@contextmanager
def _single_torch_thread() -> Iterator[None]:
    """Limit every torch operation to the thread that calls it: see thread_parallel."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _require_finite(loss: float, place: str) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"the loss is {loss} in {place}: lower train.learning_rate, set train.clip_norm (1 is a usual one), "
            f'or train.precision = "float32"'
        )


def _describe(batch: Batch) -> str:
    """The batch's size and tweet lengths, in words."""
    lengths = [segment.places.shape[1] for segment in batch.segments]
    span = f"{min(lengths)}" if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)}"
    return f"{batch.rows} tweets of {span} stems"

"""Guarantees for several processes that train together, without Spark: here each process is a long-lived worker."""

import dataclasses
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tonality.model.loading.length_buckets import Batch, Segment
from tonality.model.network.lstm import LSTMConfig
from tonality.model.training.checkpoint import Checkpoint
from tonality.model.training.distributed import SINGLE_PROCESS, ProcessGroup, join_process_group, synchronize
from tonality.model.training.learner import Learner, Losses
from tonality.model.training.loop import train
from tonality.model.training.state import TrainingResult
from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.settings.sections import TrainSettings
from tonality.runtime.storage import schema

pytestmark = pytest.mark.slow

CPU: Final = torch.device("cpu")
TIMEOUT_SECONDS: Final = 90
"""Time after which a group that hangs fails its test."""
VOCABULARY: Final = 102
SHAPE: Final = LSTMConfig(vocabulary=VOCABULARY, embedding=16, hidden=16, layers=2, dropout=0.0, learned_start=True)

Together = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def together() -> Iterator[Together]:
    """Call a function in so many processes, with the process group as first argument; collect results or exceptions."""
    workers = [ProcessPoolExecutor(1, get_context("spawn")) for _ in range(3)]

    def call(function: Callable[..., Any], processes: int, *arguments: Any) -> list[Any]:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        futures = [
            worker.submit(in_group, rank, processes, port, function, arguments)
            for rank, worker in enumerate(workers[:processes])
        ]
        return [future.exception(TIMEOUT_SECONDS) or future.result() for future in futures]

    try:
        yield call
    finally:
        for worker in workers:
            for process in (worker._processes or {}).values():
                process.kill()
            worker.shutdown(wait=False)


def in_group(rank: int, size: int, port: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    names = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()})
    torch.set_num_threads(1)
    with join_process_group(CPU) as group:
        return function(group, *arguments)


def batch_of(tokens: list[list[int]]) -> Batch:
    stems, places = np.unique(np.array(tokens), return_inverse=True)
    labels = np.array([row[0] % 2 for row in tokens], np.float32)
    return Batch(stems, (Segment(places.reshape(len(tokens), -1), labels),), len(tokens))


def some_batches(count: int, seed: int) -> list[Batch]:
    random = np.random.default_rng(seed)
    return [batch_of(random.integers(2, VOCABULARY, (8, 5)).tolist()) for _ in range(count)]


def union_of(batches: list[Batch]) -> Batch:
    """A single batch with the tweets of all."""
    return batch_of([row for batch in batches for row in batch.stems[batch.segments[0].places].tolist()])


def synchronized(group: ProcessGroup, batches: list[list[Batch]]) -> list[tuple[Batch, int]]:
    return list(synchronize(iter(batches[group.rank]), group))


def test_a_process_alone_has_its_batches_as_they_come() -> None:
    batches = some_batches(3, seed=1)
    assert list(synchronize(iter(batches), SINGLE_PROCESS)) == [(batch, 8) for batch in batches]


def test_in_every_step_all_processes_know_the_rows_and_the_stems_of_all(together: Together) -> None:
    first, second = [batch_of([[2, 9, 4]])], [batch_of([[4, 7], [7, 5]])]
    [(left, left_rows)], [(right, right_rows)] = together(synchronized, 2, [first, second])
    assert left_rows == right_rows == 3
    assert left.stems.tolist() == right.stems.tolist() == [2, 4, 5, 7, 9]
    assert left.stems[left.segments[0].places].tolist() == [[2, 9, 4]], "the tweets are what they were"
    assert right.stems[right.segments[0].places].tolist() == [[4, 7], [7, 5]]


def test_a_process_whose_batches_have_ended_continues_without_rows_until_the_last_has_ended(together: Together) -> None:
    batches = [some_batches(40, seed=1), some_batches(1, seed=2), []]
    steps = together(synchronized, 3, batches)
    assert [len(own) for own in steps] == [40, 40, 40]
    assert [sum(batch.rows for batch, _ in own) for own in steps] == [320, 8, 0]
    for own in steps:
        assert [rows for _, rows in own] == [16, *[8] * 39]
        assert all(
            np.array_equal(batch.stems, first.stems) for (batch, _), (first, _) in zip(own, steps[0], strict=True)
        )


def learn(
    group: ProcessGroup, settings: TrainSettings, batches: list[list[Batch]]
) -> tuple[dict[str, torch.Tensor], list[float]]:
    """The weights after steps with these batches, and the losses of the steps."""
    with Learner(SHAPE, settings, CPU, group) as learner:
        steps = synchronize(iter(batches[group.rank]), group)
        losses = [learner.step(batch, rows, 0.01, (1, n)).total.item() for n, (batch, rows) in enumerate(steps)]
        learner.flush()
        return learner.weights(), losses


@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
def test_processes_learn_what_one_learns_from_the_batches_of_all(
    together: Together, settings: TrainSettings, clip_norm: float
) -> None:
    settings = settings.model_copy(update={"clip_norm": clip_norm, "threads": 1})
    batches = [some_batches(12, seed=1), some_batches(12, seed=2)]
    (first, losses), (second, others) = together(learn, 2, settings, batches)
    alone, expected = learn(SINGLE_PROCESS, settings, [[union_of([*both]) for both in zip(*batches, strict=True)]])
    assert losses == others
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(expected), rtol=1e-4, atol=1e-4)
    for name, weight in alone.items():
        torch.testing.assert_close(first[name], weight, rtol=0, atol=1e-5)
        assert torch.equal(first[name], second[name]), f"{name} is the same in all processes"


def test_a_process_without_rows_changes_nothing_of_what_others_learn(
    together: Together, settings: TrainSettings
) -> None:
    batches = [some_batches(12, seed=1), some_batches(2, seed=2)]
    (first, losses), (second, others) = together(learn, 2, settings, batches)
    merged = [union_of([*both]) for both in zip(*batches, strict=False)] + batches[0][2:]
    alone, expected = learn(SINGLE_PROCESS, settings.model_copy(update={"threads": 1}), [merged])
    assert losses == others
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(expected), rtol=1e-4, atol=1e-4)
    for name, weight in alone.items():
        torch.testing.assert_close(first[name], weight, rtol=0, atol=1e-5)
        assert torch.equal(first[name], second[name])


def train_together(
    group: ProcessGroup, sides: tuple[str, str], settings: TrainSettings, checkpoint: Checkpoint | None
) -> TrainingResult:
    return train(SHAPE, *sides, settings, CPU, checkpoint=checkpoint, group=group)


def equal(trained: TrainingResult, other: TrainingResult) -> bool:
    return all(torch.equal(weight, other.weights[name]) for name, weight in trained.weights.items())


def regrouped(side: str, folder: Path, sizes: list[int]) -> str:
    """The first rows of the split, in row groups of these sizes."""
    table = pq.read_table(side)
    folder.mkdir()
    with pq.ParquetWriter(folder / "part.parquet", schema.DATASET) as writer:
        for start, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
            writer.write_table(table.slice(start, size).cast(schema.DATASET), row_group_size=size)
    return str(folder)


@pytest.mark.parametrize("processes", [2, 3])
def test_shards_of_very_different_size_are_learned_to_their_ends(
    together: Together, sides: tuple[str, str], settings: TrainSettings, tmp_path: Path, processes: int
) -> None:
    uneven = regrouped(sides[0], tmp_path / "train", [900, 100, 100])
    settings = settings.model_copy(update={"batch_size": 48})
    first, *others = together(train_together, processes, (uneven, sides[1]), settings, None)
    assert first.best.valid.rows == 2_000
    assert first.best.valid.accuracy > 0.8
    for other in others:
        assert equal(first, other)
        assert [epoch.loss for epoch in other.epochs] == [epoch.loss for epoch in first.epochs]


def test_two_processes_learn_as_well_as_one(
    together: Together, sides: tuple[str, str], settings: TrainSettings
) -> None:
    first, second = together(train_together, 2, sides, settings, None)
    alone = train(SHAPE, *sides, settings, CPU)
    assert equal(first, second)
    for both, one in zip(first.epochs, alone.epochs, strict=True):
        assert both.loss == pytest.approx(one.loss, abs=0.05)
        assert both.valid.log_loss == pytest.approx(one.valid.log_loss, abs=0.05)
        assert both.valid.accuracy == pytest.approx(one.valid.accuracy, abs=0.02)


def train_with_a_loss_of_nan(group: ProcessGroup, sides: tuple[str, str], settings: TrainSettings) -> TrainingResult:
    """Train while every batch of the second process gives a loss of NaN."""
    step = Learner.step

    def broken(self: Learner, batch: Batch, *others: Any) -> Losses:
        labels = [part._replace(labels=part.labels * np.nan) for part in batch.segments]
        return step(self, batch._replace(segments=tuple(labels)) if group.rank == 1 else batch, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "step", broken)
        return train(SHAPE, *sides, settings, CPU, group=group)


def test_a_loss_that_is_not_finite_is_reported_by_the_process_whose_batch_it_was(
    together: Together, sides: tuple[str, str], settings: TrainSettings
) -> None:
    innocent, guilty = together(train_with_a_loss_of_nan, 2, sides, settings)
    assert isinstance(guilty, UserError)
    assert "the loss is nan in epoch 1, step 1, a batch of 32 tweets" in str(guilty)
    assert not isinstance(innocent, UserError)
    assert "the loss of another process is not finite" in str(innocent)


def test_processes_learn_in_bfloat16_too(together: Together, sides: tuple[str, str], settings: TrainSettings) -> None:
    first, second = together(train_together, 2, sides, settings.model_copy(update={"precision": "bfloat16"}), None)
    assert first.computed == "bfloat16 on a processor, by 1 thread in each of 2 processes"
    assert first.best.valid.accuracy > 0.9
    assert equal(first, second)


class CutOff(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Cutting(Checkpoint):
    """A checkpoint after whose second write the process is lost."""

    written: list[None] = dataclasses.field(default_factory=list)

    def write(self, *parts: Any) -> None:
        super().write(*parts)
        self.written.append(None)
        if len(self.written) == 2:
            raise CutOff


def test_interrupted_processes_resume_to_the_result_of_uninterrupted_ones(
    together: Together, sides: tuple[str, str], settings: TrainSettings, tmp_path: Path
) -> None:
    place = str(tmp_path / "checkpoint")
    settings = settings.model_copy(update={"checkpoint_steps": 10})
    uninterrupted, _ = together(train_together, 2, sides, settings, None)
    cut, lost = together(train_together, 2, sides, settings, Cutting(place, "same"))
    assert isinstance(cut, CutOff)
    assert isinstance(lost, RuntimeError), "a process does not wait for one that has ended"
    first, second = together(train_together, 2, sides, settings, Checkpoint(place, "same"))
    assert equal(first, uninterrupted)
    assert equal(second, uninterrupted)
    for trained in (first, second):
        for epoch, expected in zip(trained.epochs, uninterrupted.epochs, strict=True):
            assert epoch.loss == pytest.approx(expected.loss, rel=1e-6)
            assert epoch.valid == expected.valid


def test_a_batch_that_the_processes_cannot_share_is_refused(sides: tuple[str, str], settings: TrainSettings) -> None:
    with pytest.raises(ValueError, match="a batch of 64 cannot be shared by 3 processes"):
        train(SHAPE, *sides, settings, CPU, group=ProcessGroup(0, 3))

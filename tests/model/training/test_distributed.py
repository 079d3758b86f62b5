"""What several processes that train together are promised, without Spark: each process here is a worker that stays."""

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
from tonality.model.training import distributed as groups
from tonality.model.training.checkpoint import Checkpoint
from tonality.model.training.distributed import ALONE, ProcessGroup, in_step, joined
from tonality.model.training.hyperparameters import Hyperparameters
from tonality.model.training.learner import Learner, Losses
from tonality.model.training.loop import train
from tonality.model.training.state import TrainingResult
from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage import schema

CPU: Final = torch.device("cpu")
PATIENCE_SECONDS: Final = 90
"""A group that hangs fails its test."""
VOCABULARY: Final = 102
SHAPE: Final = LSTMConfig(vocabulary=VOCABULARY, embedding=16, hidden=16, layers=2, dropout=0.0, learned_start=True)

Together = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def together() -> Iterator[Together]:
    """Call a function in so many processes, each with its group first; what each returned, or raised."""
    workers = [ProcessPoolExecutor(1, get_context("spawn")) for _ in range(3)]

    def call(function: Callable[..., Any], processes: int, *arguments: Any) -> list[Any]:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        done = [
            worker.submit(in_a_group, rank, processes, port, function, arguments)
            for rank, worker in enumerate(workers[:processes])
        ]
        return [one.exception(PATIENCE_SECONDS) or one.result() for one in done]

    try:
        yield call
    finally:
        for worker in workers:
            for process in (worker._processes or {}).values():
                process.kill()
            worker.shutdown(wait=False)


def in_a_group(rank: int, size: int, port: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    names = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()})
    torch.set_num_threads(1)
    with joined(CPU) as group:
        return function(group, *arguments)


def batch_of(tokens: list[list[int]]) -> Batch:
    stems, places = np.unique(np.array(tokens), return_inverse=True)
    labels = np.array([row[0] % 2 for row in tokens], np.float32)
    return Batch(stems, (Segment(places.reshape(len(tokens), -1), labels),), len(tokens))


def some_batches(count: int, seed: int) -> list[Batch]:
    random = np.random.default_rng(seed)
    return [batch_of(random.integers(2, VOCABULARY, (8, 5)).tolist()) for _ in range(count)]


def union_of(batches: list[Batch]) -> Batch:
    """One batch of the tweets of several."""
    return batch_of([row for batch in batches for row in batch.stems[batch.segments[0].places].tolist()])


def keep_step(group: ProcessGroup, batches: list[list[Batch]]) -> list[tuple[Batch, int]]:
    return list(in_step(iter(batches[group.rank]), group))


def test_a_process_alone_has_its_batches_as_they_come() -> None:
    batches = some_batches(3, seed=1)
    assert list(in_step(iter(batches), ALONE)) == [(batch, 8) for batch in batches]


def test_in_every_step_all_processes_know_the_rows_and_the_stems_of_all(together: Together) -> None:
    first, second = [batch_of([[2, 9, 4]])], [batch_of([[4, 7], [7, 5]])]
    [(left, left_rows)], [(right, right_rows)] = together(keep_step, 2, [first, second])
    assert left_rows == right_rows == 3
    assert left.stems.tolist() == right.stems.tolist() == [2, 4, 5, 7, 9]
    assert left.stems[left.segments[0].places].tolist() == [[2, 9, 4]], "the tweets are what they were"
    assert right.stems[right.segments[0].places].tolist() == [[4, 7], [7, 5]]


def test_a_process_whose_batches_have_ended_goes_on_without_rows_until_the_last_has_ended(together: Together) -> None:
    batches = [some_batches(40, seed=1), some_batches(1, seed=2), []]
    steps = together(keep_step, 3, batches)
    assert [len(own) for own in steps] == [40, 40, 40]
    assert [sum(batch.rows for batch, _ in own) for own in steps] == [320, 8, 0]
    for own in steps:
        assert [rows for _, rows in own] == [16, *[8] * 39]
        assert all(
            np.array_equal(batch.stems, first.stems) for (batch, _), (first, _) in zip(own, steps[0], strict=True)
        )


def learn(
    group: ProcessGroup, hyperparameters: Hyperparameters, batches: list[list[Batch]]
) -> tuple[dict[str, torch.Tensor], list[float]]:
    """The weights after steps with these batches, and the losses on the way."""
    with Learner(SHAPE, hyperparameters, CPU, group) as learner:
        steps = in_step(iter(batches[group.rank]), group)
        losses = [learner.step(batch, rows, 0.01, (1, n)).whole.item() for n, (batch, rows) in enumerate(steps)]
        learner.flush()
        return learner.weights(), losses


@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
def test_processes_learn_what_one_learns_from_the_batches_of_all(
    together: Together, hyperparameters: Hyperparameters, clip_norm: float
) -> None:
    hyperparameters = dataclasses.replace(hyperparameters, clip_norm=clip_norm, threads=1)
    batches = [some_batches(12, seed=1), some_batches(12, seed=2)]
    (first, losses), (second, others) = together(learn, 2, hyperparameters, batches)
    alone, expected = learn(ALONE, hyperparameters, [[union_of([*both]) for both in zip(*batches, strict=True)]])
    assert losses == others
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(expected), rtol=1e-4, atol=1e-4)
    for name, weight in alone.items():
        torch.testing.assert_close(first[name], weight, rtol=0, atol=1e-5)
        assert torch.equal(first[name], second[name]), f"{name} is the same in all processes"


def test_a_process_without_rows_changes_nothing_of_what_others_learn(
    together: Together, hyperparameters: Hyperparameters
) -> None:
    batches = [some_batches(12, seed=1), some_batches(2, seed=2)]
    (first, losses), (second, others) = together(learn, 2, hyperparameters, batches)
    whole = [union_of([*both]) for both in zip(*batches, strict=False)] + batches[0][2:]
    alone, expected = learn(ALONE, dataclasses.replace(hyperparameters, threads=1), [whole])
    assert losses == others
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(expected), rtol=1e-4, atol=1e-4)
    for name, weight in alone.items():
        torch.testing.assert_close(first[name], weight, rtol=0, atol=1e-5)
        assert torch.equal(first[name], second[name])


def train_together(
    group: ProcessGroup, sides: tuple[str, str], hyperparameters: Hyperparameters, checkpoint: Checkpoint | None
) -> TrainingResult:
    return train(SHAPE, *sides, hyperparameters, CPU, checkpoint=checkpoint, group=group)


def equal(trained: TrainingResult, other: TrainingResult) -> bool:
    return all(torch.equal(weight, other.weights[name]) for name, weight in trained.weights.items())


def regrouped(side: str, folder: Path, sizes: list[int]) -> str:
    """The side's first rows, in row groups of these sizes."""
    table = pq.read_table(side)
    folder.mkdir()
    with pq.ParquetWriter(folder / "part.parquet", schema.DATASET) as writer:
        for start, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
            writer.write_table(table.slice(start, size).cast(schema.DATASET), row_group_size=size)
    return str(folder)


@pytest.mark.parametrize("processes", [2, 3])
def test_shards_of_very_different_size_are_learned_to_their_ends(
    together: Together, sides: tuple[str, str], hyperparameters: Hyperparameters, tmp_path: Path, processes: int
) -> None:
    uneven = regrouped(sides[0], tmp_path / "train", [900, 100, 100])
    hyperparameters = dataclasses.replace(hyperparameters, batch_size=48)
    first, *others = together(train_together, processes, (uneven, sides[1]), hyperparameters, None)
    assert first.best.valid.rows == 2_000
    assert first.best.valid.accuracy > 0.8
    for other in others:
        assert equal(first, other)
        assert [epoch.loss for epoch in other.epochs] == [epoch.loss for epoch in first.epochs]


def test_two_processes_learn_as_well_as_one(
    together: Together, sides: tuple[str, str], hyperparameters: Hyperparameters
) -> None:
    first, second = together(train_together, 2, sides, hyperparameters, None)
    alone = train(SHAPE, *sides, hyperparameters, CPU)
    assert equal(first, second)
    for both, one in zip(first.epochs, alone.epochs, strict=True):
        assert both.loss == pytest.approx(one.loss, abs=0.05)
        assert both.valid.log_loss == pytest.approx(one.valid.log_loss, abs=0.05)
        assert both.valid.accuracy == pytest.approx(one.valid.accuracy, abs=0.02)


def with_stems_of_no_number(
    group: ProcessGroup, sides: tuple[str, str], hyperparameters: Hyperparameters
) -> TrainingResult:
    """Train, where the second process' every batch gives a loss that is no number."""
    step = Learner.step

    def broken(self: Learner, batch: Batch, *others: Any) -> Losses:
        labels = [part._replace(labels=part.labels * np.nan) for part in batch.segments]
        return step(self, batch._replace(segments=tuple(labels)) if group.rank == 1 else batch, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "step", broken)
        return train(SHAPE, *sides, hyperparameters, CPU, group=group)


def test_of_a_loss_that_is_not_finite_the_process_tells_whose_batch_it_was(
    together: Together, sides: tuple[str, str], hyperparameters: Hyperparameters
) -> None:
    innocent, guilty = together(with_stems_of_no_number, 2, sides, hyperparameters)
    assert isinstance(guilty, UserError)
    assert "the loss is nan in epoch 1, step 1, a batch of 32 tweets" in str(guilty)
    assert not isinstance(innocent, UserError)
    assert "the loss of another process is not finite" in str(innocent)


def test_processes_learn_in_bfloat16_too(
    together: Together, sides: tuple[str, str], hyperparameters: Hyperparameters
) -> None:
    first, second = together(train_together, 2, sides, dataclasses.replace(hyperparameters, precision="bfloat16"), None)
    assert first.computed == "bfloat16 on a processor, by 1 thread in each of 2 processes"
    assert first.best.valid.accuracy > 0.9
    assert equal(first, second)


class CutOff(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Cutting(Checkpoint):
    """A checkpoint after whose second writing the process is lost."""

    written: list[None] = dataclasses.field(default_factory=list)

    def write(self, *parts: Any) -> None:
        super().write(*parts)
        self.written.append(None)
        if len(self.written) == 2:
            raise CutOff


def test_processes_that_were_cut_off_go_on_to_the_result_of_undisturbed_ones(
    together: Together, sides: tuple[str, str], hyperparameters: Hyperparameters, tmp_path: Path
) -> None:
    place = str(tmp_path / "checkpoint")
    hyperparameters = dataclasses.replace(hyperparameters, checkpoint_steps=10)
    undisturbed, _ = together(train_together, 2, sides, hyperparameters, None)
    cut, lost = together(train_together, 2, sides, hyperparameters, Cutting(place, "same"))
    assert isinstance(cut, CutOff)
    assert isinstance(lost, RuntimeError), "a process does not wait for one that is gone"
    first, second = together(train_together, 2, sides, hyperparameters, Checkpoint(place, "same"))
    assert equal(first, undisturbed)
    assert equal(second, undisturbed)
    for trained in (first, second):
        for epoch, expected in zip(trained.epochs, undisturbed.epochs, strict=True):
            assert epoch.loss == pytest.approx(expected.loss, rel=1e-6)
            assert epoch.valid == expected.valid


def test_a_batch_that_the_processes_cannot_share_is_refused(
    sides: tuple[str, str], hyperparameters: Hyperparameters
) -> None:
    with pytest.raises(ValueError, match="a batch of 64 cannot be shared by 3 processes"):
        train(SHAPE, *sides, hyperparameters, CPU, group=groups.ProcessGroup(0, 3))

import dataclasses
import errno
import io
import json
import os
import re
import signal
import threading
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tonality.model.training.checkpoint import Checkpoint
from tonality.model.training.learner import Learner
from tonality.model.training.loop import train as train_on
from tonality.model.training.progress import Progress
from tonality.model.training.signals import Interrupted, Interruption
from tonality.runtime.diagnostics.errors import InputError, UserError
from tonality.runtime.storage.urls import replace_file

STATE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.int64)}


def train(shape, sides, hyperparameters, **options):
    return train_on(shape, *sides, hyperparameters, torch.device("cpu"), **options)


def equal(weights, others):
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)


class Stop(Exception):
    """The power fails."""


class Failing(Checkpoint):
    """A checkpoint after whose n-th writing the power fails."""

    left = 0

    def write(self, position, state):
        super().write(position, state)
        Failing.left -= 1
        if not Failing.left:
            raise Stop


class Signalling(Progress):
    """Sends a signal to this process once so many rows of an epoch are learned."""

    def __init__(self, rows, number=signal.SIGINT):
        super().__init__(io.StringIO(), seconds=0)
        self.at, self.number = rows, number

    def step(self, rows, loss):
        if rows == self.at:
            os.kill(os.getpid(), self.number)


@pytest.fixture
def place(tmp_path):
    return Checkpoint(str(tmp_path / "checkpoint" / "train.safetensors"), "this one")


def test_what_is_written_is_read_back(place):
    place.write({"epoch": 2, "loss": 0.1 + 0.2}, STATE)
    saved = place.read()
    assert (saved.identity, saved.position) == ("this one", {"epoch": 2, "loss": 0.1 + 0.2})
    assert equal(saved.tensors, STATE)
    place.remove()
    assert place.read() is None
    place.remove()


def test_a_checkpoint_holds_data_only(place):
    place.write({}, STATE)
    content = Path(place.location).read_bytes()
    assert content[8:9] == b"{", "safetensors: a JSON header behind its length, then numbers"
    assert b"pickle" not in content and not content.startswith(b"PK")


def test_a_disk_that_is_full_leaves_the_checkpoint_before_it_whole(place, monkeypatch):
    place.write({"epoch": 1}, STATE)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        place.write({"epoch": 2}, STATE)
    assert place.read().position == {"epoch": 1}
    assert [file.name for file in Path(place.location).parent.iterdir()] == ["train.safetensors"]


def test_a_file_of_another_kind_in_the_checkpoints_place_is_refused(place):
    replace_file(place.location, safetensors.torch.save(STATE, {"training": json.dumps({"format": 1})}))
    with pytest.raises(InputError, match=r"train\.safetensors cannot be read: "):
        place.read()


@pytest.mark.parametrize("cut", [0, 4, 40, -1])
def test_a_checkpoint_that_is_cut_off_is_refused_with_what_to_do(place, cut):
    place.write({}, STATE)
    file = Path(place.location)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"train\.safetensors cannot be read: .*: remove it, or set train\.resume to"):
        place.read()


@pytest.mark.parametrize("memory", [2**20, 1], ids=["in memory", "streamed"])
@pytest.mark.parametrize("writing", [1, 2, 4, 5, 8], ids=lambda writing: f"writing {writing}")
def test_a_training_cut_off_anywhere_ends_in_the_bits_of_an_undisturbed_one(
    shape, sides, hyperparameters, place, writing, memory
):
    """Checkpoints come after steps 10, 20, 30 of 32, and after each epoch: the first two, the epoch's end and so on."""
    hyperparameters = dataclasses.replace(
        hyperparameters, checkpoint_steps=10, decay="cosine", clip_norm=1.0, memory=memory, shuffle_rows=500
    )
    straight = train(shape, sides, hyperparameters)
    Failing.left = writing
    with pytest.raises(Stop):
        train(shape, sides, hyperparameters, checkpoint=Failing(place.location, place.identity))
    told = io.StringIO()
    again = train(shape, sides, hyperparameters, checkpoint=place, progress=Progress(told))
    assert told.getvalue().startswith(f"going on from {place.location}: epoch ")
    assert equal(again.weights, straight.weights)
    assert [(epoch.loss, epoch.valid) for epoch in again.epochs] == [
        (epoch.loss, epoch.valid) for epoch in straight.epochs
    ]


def test_a_checkpoint_of_other_settings_is_not_gone_on_from_and_that_is_said(shape, sides, hyperparameters, place):
    Failing.left = 1
    with pytest.raises(Stop):
        train(shape, sides, hyperparameters, checkpoint=Failing(place.location, "another"))
    told = io.StringIO()
    trained = train(shape, sides, hyperparameters, checkpoint=place, progress=Progress(told))
    assert f"{place.location} is of other settings or another dataset: training begins again" in told.getvalue()
    assert equal(trained.weights, train(shape, sides, hyperparameters).weights)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_after_the_step_with_a_checkpoint_and_its_path(shape, sides, hyperparameters, place, number):
    with pytest.raises(Interrupted, match=f"train again and it goes on from {re.escape(place.location)}"):
        train(shape, sides, hyperparameters, checkpoint=place, progress=Signalling(640, number))
    saved = place.read()
    assert saved.position["rows"] in (640, 704), "the signal is heard at this step or the next"
    straight = train(shape, sides, hyperparameters)
    assert equal(train(shape, sides, hyperparameters, checkpoint=place).weights, straight.weights)


def test_ctrl_c_in_the_last_validation_is_heard_too(shape, sides, hyperparameters, place):
    class Late(Progress):
        def epoch(self, loss, valid):
            if self._epoch == hyperparameters.epochs:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="train again"):
        train(shape, sides, hyperparameters, checkpoint=place, progress=Late(io.StringIO()))
    again = train(shape, sides, hyperparameters, checkpoint=place)
    assert equal(again.weights, train(shape, sides, hyperparameters).weights)


def test_ctrl_c_in_the_middle_of_a_validation_keeps_the_epochs_steps(shape, sides, hyperparameters, place, monkeypatch):
    measured = Learner.logits

    def interrupted(self, batch):
        os.kill(os.getpid(), signal.SIGINT)
        return measured(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "logits", interrupted)
        with pytest.raises(Interrupted, match="train again"):
            train(shape, sides, hyperparameters, checkpoint=place)
    assert (place.read().position["epoch"], place.read().position["step"]) == (1, 32)
    assert equal(
        train(shape, sides, hyperparameters, checkpoint=place).weights, train(shape, sides, hyperparameters).weights
    )


def test_the_way_on_after_ctrl_c_is_one_that_goes_on(shape, sides, hyperparameters, place):
    fresh = dataclasses.replace(place, resume=False)
    with pytest.raises(Interrupted, match=r"train again with train\.resume = true and it goes on from "):
        train(shape, sides, hyperparameters, checkpoint=fresh, progress=Signalling(640))


def test_a_checkpoint_at_an_epochs_last_step_is_gone_on_from(shape, sides, hyperparameters, place):
    hyperparameters = dataclasses.replace(hyperparameters, checkpoint_steps=32)
    Failing.left = 1
    with pytest.raises(Stop):
        train(shape, sides, hyperparameters, checkpoint=Failing(place.location, place.identity))
    assert place.read().position["step"] == 32
    again = train(shape, sides, hyperparameters, checkpoint=place, progress=Progress(io.StringIO(), seconds=0))
    assert equal(again.weights, train(shape, sides, hyperparameters).weights)


def test_a_checkpoint_that_may_not_be_gone_on_from_is_left_until_it_is_replaced(shape, sides, hyperparameters, place):
    Failing.left = 1
    with pytest.raises(Stop):
        train(shape, sides, hyperparameters, checkpoint=Failing(place.location, place.identity))
    told = io.StringIO()
    train(shape, sides, hyperparameters, checkpoint=dataclasses.replace(place, resume=False), progress=Progress(told))
    assert "going on" not in told.getvalue()


def test_going_on_with_other_threads_is_said_to_round_otherwise(shape, sides, hyperparameters, place):
    Failing.left = 1
    with pytest.raises(Stop):
        train(shape, sides, hyperparameters, checkpoint=Failing(place.location, place.identity))
    told = io.StringIO()
    train(shape, sides, dataclasses.replace(hyperparameters, threads=1), checkpoint=place, progress=Progress(told))
    assert (
        "computed in float32 on a processor, by 2 threads, and is now in float32 on a processor, by 1 thread"
        in told.getvalue()
    )


def test_ctrl_c_without_a_checkpoint_says_that_nothing_is_kept(shape, sides, hyperparameters):
    with pytest.raises(Interrupted, match="nothing of this training is kept"):
        train(shape, sides, hyperparameters, progress=Signalling(640))


def test_a_second_ctrl_c_ends_at_once_and_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.asked
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_process_of_several_hears_one_ctrl_c_as_one_however_many_signals_it_comes_as():
    with Interruption(patient=True) as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.asked


def test_training_in_another_thread_leaves_signals_alone(shape, sides, hyperparameters):
    found = []
    before = signal.getsignal(signal.SIGINT)
    hyperparameters = dataclasses.replace(hyperparameters, epochs=1)
    thread = threading.Thread(target=lambda: found.append(train(shape, sides, hyperparameters)))
    thread.start()
    thread.join()
    assert found and signal.getsignal(signal.SIGINT) is before


def test_a_full_disk_ends_training_with_a_message_and_the_checkpoint_before(
    shape, sides, hyperparameters, place, monkeypatch
):
    write = Checkpoint.write
    writings = []

    def full(self, position, state):
        writings.append(position)
        if len(writings) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, position, state)

    monkeypatch.setattr(Checkpoint, "write", full)
    hyperparameters = dataclasses.replace(hyperparameters, checkpoint_steps=10)
    with pytest.raises(
        UserError, match=r"no checkpoint can be written to .*train\.safetensors: No space left on device;"
    ):
        train(shape, sides, hyperparameters, checkpoint=place)
    assert place.read().position["step"] == 10

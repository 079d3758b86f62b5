import dataclasses
import errno
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
from tonality.model.training.signals import DeferredSignals, Interrupted
from tonality.runtime.diagnostics.errors import InputError, UserError
from tonality.runtime.storage.atomic_files import replace_file

STATE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.int64)}


def train(config, sides, settings, **options):
    return train_on(config, *sides, settings, torch.device("cpu"), **options)


def equal(weights, others):
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)


class Stop(Exception):
    """A power failure."""


class Failing(Checkpoint):
    """A checkpoint with a power failure after its n-th write."""

    remaining = 0

    def write(self, position, state):
        super().write(position, state)
        Failing.remaining -= 1
        if not Failing.remaining:
            raise Stop


class Signalling(Progress):
    """Progress that sends a signal to this process once so many rows of an epoch are learned."""

    def __init__(self, rows, number=signal.SIGINT):
        super().__init__(seconds=0)
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


def test_a_full_disk_leaves_the_previous_checkpoint_intact(place, monkeypatch):
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


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["1m", "1k"], ids=["in memory", "streamed"])
@pytest.mark.parametrize("writes", [1, 2, 4, 5, 8], ids=lambda writes: f"write {writes}")
def test_training_interrupted_anywhere_gives_the_bits_of_an_uninterrupted_one(
    config, sides, settings, place, writes, memory, log
):
    """Checkpoints are written after steps 10, 20 and 30 of 32, and after each epoch."""
    settings = settings.model_copy(
        update={"checkpoint_steps": 10, "decay": "cosine", "clip_norm": 1.0, "memory": memory, "shuffle_rows": 500}
    )
    straight = train(config, sides, settings)
    Failing.remaining = writes
    with pytest.raises(Stop):
        train(config, sides, settings, checkpoint=Failing(place.location, place.identity))
    again = train(config, sides, settings, checkpoint=place, progress=Progress())
    assert log.messages[0].startswith(f"resuming from {place.location}: epoch ")
    assert equal(again.weights, straight.weights)
    assert [(epoch.loss, epoch.valid) for epoch in again.epochs] == [
        (epoch.loss, epoch.valid) for epoch in straight.epochs
    ]


def test_a_checkpoint_of_other_settings_is_ignored_with_a_message(config, sides, settings, place, log):
    Failing.remaining = 1
    with pytest.raises(Stop):
        train(config, sides, settings, checkpoint=Failing(place.location, "another"))
    trained = train(config, sides, settings, checkpoint=place, progress=Progress())
    assert f"{place.location} was written with other settings or another dataset: training starts over" in log.text
    assert equal(trained.weights, train(config, sides, settings).weights)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_after_the_step_with_a_checkpoint_and_its_path(config, sides, settings, place, number):
    with pytest.raises(Interrupted, match=f"train again to resume from {re.escape(place.location)}"):
        train(config, sides, settings, checkpoint=place, progress=Signalling(640, number))
    saved = place.read()
    assert saved.position["rows"] in (640, 704), "the signal takes effect at this step or the next"
    straight = train(config, sides, settings)
    assert equal(train(config, sides, settings, checkpoint=place).weights, straight.weights)


def test_ctrl_c_in_the_last_validation_takes_effect_too(config, sides, settings, place):
    class Late(Progress):
        def epoch(self, loss, valid):
            if self._epoch == settings.epochs:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="train again"):
        train(config, sides, settings, checkpoint=place, progress=Late())
    again = train(config, sides, settings, checkpoint=place)
    assert equal(again.weights, train(config, sides, settings).weights)


def test_ctrl_c_in_the_middle_of_a_validation_keeps_the_epochs_steps(config, sides, settings, place, monkeypatch):
    logits = Learner.logits

    def interrupted(self, batch):
        os.kill(os.getpid(), signal.SIGINT)
        return logits(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "logits", interrupted)
        with pytest.raises(Interrupted, match="train again"):
            train(config, sides, settings, checkpoint=place)
    assert (place.read().position["epoch"], place.read().position["step"]) == (1, 32)
    assert equal(train(config, sides, settings, checkpoint=place).weights, train(config, sides, settings).weights)


def test_the_message_on_ctrl_c_names_the_setting_without_which_training_would_not_resume(
    config, sides, settings, place
):
    fresh = dataclasses.replace(place, resume=False)
    with pytest.raises(Interrupted, match=r"train again with train\.resume = true to resume from "):
        train(config, sides, settings, checkpoint=fresh, progress=Signalling(640))


def test_training_resumes_from_a_checkpoint_at_an_epochs_last_step(config, sides, settings, place):
    settings = settings.model_copy(update={"checkpoint_steps": 32})
    Failing.remaining = 1
    with pytest.raises(Stop):
        train(config, sides, settings, checkpoint=Failing(place.location, place.identity))
    assert place.read().position["step"] == 32
    again = train(config, sides, settings, checkpoint=place, progress=Progress(seconds=0))
    assert equal(again.weights, train(config, sides, settings).weights)


def test_without_resume_a_checkpoint_is_ignored_and_stays_until_it_is_replaced(config, sides, settings, place, log):
    Failing.remaining = 1
    with pytest.raises(Stop):
        train(config, sides, settings, checkpoint=Failing(place.location, place.identity))
    train(config, sides, settings, checkpoint=dataclasses.replace(place, resume=False), progress=Progress())
    assert "resuming" not in log.text


def test_resuming_with_other_threads_warns_that_results_will_not_be_bit_identical(config, sides, settings, place, log):
    Failing.remaining = 1
    with pytest.raises(Stop):
        train(config, sides, settings, checkpoint=Failing(place.location, place.identity))
    train(config, sides, settings.model_copy(update={"threads": 1}), checkpoint=place, progress=Progress())
    assert (
        "resuming in float32 on a processor, by 1 thread, was float32 on a processor, by 2 threads: "
        "results will not be bit-identical" in log.text
    )


def test_the_message_on_ctrl_c_without_a_checkpoint_is_that_nothing_was_saved(config, sides, settings):
    with pytest.raises(Interrupted, match="nothing of this training was saved"):
        train(config, sides, settings, progress=Signalling(640))


def test_a_second_ctrl_c_ends_at_once_and_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), DeferredSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_process_of_several_takes_one_ctrl_c_as_one_however_many_signals_it_arrives_as():
    with DeferredSignals(ignore_repeated=True) as signals:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received


def test_training_in_another_thread_leaves_signals_alone(config, sides, settings):
    found = []
    before = signal.getsignal(signal.SIGINT)
    settings = settings.model_copy(update={"epochs": 1})
    thread = threading.Thread(target=lambda: found.append(train(config, sides, settings)))
    thread.start()
    thread.join()
    assert found and signal.getsignal(signal.SIGINT) is before


def test_a_full_disk_ends_training_with_a_message_and_the_previous_checkpoint(
    config, sides, settings, place, monkeypatch
):
    write = Checkpoint.write
    writes = []

    def full(self, position, state):
        writes.append(position)
        if len(writes) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, position, state)

    monkeypatch.setattr(Checkpoint, "write", full)
    settings = settings.model_copy(update={"checkpoint_steps": 10})
    with pytest.raises(
        UserError, match=r"no checkpoint can be written to .*train\.safetensors: No space left on device;"
    ):
        train(config, sides, settings, checkpoint=place)
    assert place.read().position["step"] == 10

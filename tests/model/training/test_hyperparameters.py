import pytest
import torch

from tonality.model.training.hyperparameters import (
    choose_device,
    choose_precision,
    choose_threads,
    learning_rate,
    training_identity,
)
from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.settings.sections import TrainSettings

CPU = torch.device("cpu")
GPU = torch.device("cuda", 0)


@pytest.fixture
def gpus(monkeypatch):
    """Set the number of GPUs that torch finds."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return pretend


@pytest.mark.parametrize(
    ("decay", "rates"),
    [("none", [1.0, 1.0, 1.0, 1.0]), ("linear", [1.0, 0.75, 0.5, 0.25]), ("cosine", [1.0, 0.8536, 0.5, 0.1464])],
)
def test_the_learning_rate_decays_from_the_first_step_on(settings, decay, rates):
    settings = settings.model_copy(update={"decay": decay, "learning_rate": 1.0})
    assert [round(learning_rate(settings, step, steps=4), 4) for step in (1, 2, 3, 4)] == rates


def test_cuda_without_a_gpu_is_refused(gpus):
    gpus(0)
    with pytest.raises(
        SettingsError, match=r'train\.device is cuda, and torch .* finds no GPU here: set .* "auto" or "cpu"'
    ):
        choose_device("cuda")
    assert choose_device("auto") == choose_device("cpu") == CPU


def test_auto_takes_the_gpu_where_there_is_one(gpus):
    gpus(1)
    assert choose_device("auto") == choose_device("cuda") == GPU
    assert choose_device("cpu") == CPU


def test_each_process_of_a_machine_has_a_gpu_of_its_own_or_is_refused(gpus):
    gpus(2)
    assert [choose_device("auto", rank).index for rank in (0, 1)] == [0, 1]
    with pytest.raises(SettingsError, match=r"3 processes on a machine with 2 GPUs.*lower train\.processes"):
        choose_device("cuda", 2)


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_auto_takes_bfloat16_on_processors_that_multiply_it_faster(monkeypatch, capabilities, precision):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto", CPU) == precision
    assert choose_precision("auto", GPU) == torch.float32
    assert choose_precision("float32", CPU) == torch.float32
    assert choose_precision("bfloat16", GPU) == torch.bfloat16


def test_auto_takes_float32_where_torch_does_not_report_cpu_features(monkeypatch):
    monkeypatch.delattr("torch.cpu.get_capabilities", raising=False)
    assert choose_precision("auto", CPU) == torch.float32


def test_a_step_is_shared_by_as_many_threads_as_it_feeds(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert [choose_threads(0, rows, CPU) for rows in (1, 31, 32, 64, 4_096)] == [1, 1, 2, 4, 8]
    assert choose_threads(3, 32, CPU) == 3
    assert choose_threads(0, 4_096, GPU) == 1


def test_what_does_not_change_the_result_does_not_change_the_identity(settings):
    assert training_identity(
        settings.model_copy(update={"checkpoint_steps": 7, "batches_ahead": 2, "threads": 5})
    ) == training_identity(settings)
    assert training_identity(settings.model_copy(update={"seed": 7})) != training_identity(settings)


def test_the_identity_is_the_one_of_existing_checkpoints():
    assert training_identity(TrainSettings()) == {
        "batch_size": 128,
        "epochs": 2,
        "learning_rate": 0.0025,
        "decay": "linear",
        "clip_norm": 0.5,
        "patience": 2,
        "precision": "auto",
        "seed": 2016,
        "shuffle_rows": 1_000_000,
        "memory": 2**30,
        "readers": 1,
    }

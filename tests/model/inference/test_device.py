"""What a model computes on, and in which numbers, is chosen once, and each task takes the GPU that Spark gave it."""

import pytest

from tonality.model.inference.device import choose_kind, choose_precision, gpu_of_task
from tonality.runtime.diagnostics.errors import SettingsError, UserError


@pytest.mark.parametrize(
    ("capabilities", "chosen"),
    [({"amx_bf16": True}, "bfloat16"), ({"amx_bf16": False, "avx512_bf16": True}, "float32"), ({}, "float32")],
)
def test_numbers_are_bfloat16_where_the_processor_has_amx(capabilities, chosen, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto") == chosen
    assert choose_precision("float32") == "float32"
    assert choose_precision("bfloat16") == "bfloat16"


def test_a_gpu_is_used_where_spark_gives_tasks_one():
    assert choose_kind("auto", 0) == "cpu"
    assert choose_kind("auto", 0.25) == "cuda"
    assert choose_kind("cuda", 1) == "cuda"
    assert choose_kind("cpu", 1) == "cpu"
    with pytest.raises(SettingsError, match=r"score\.device is cuda, and Spark gives its tasks no GPU"):
        choose_kind("cuda", 0)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)


def test_a_task_computes_on_the_gpu_of_its_address(two_gpus):
    assert gpu_of_task({"gpu": ["1"]}) == "cuda:1"
    assert gpu_of_task({"fpga": ["7"], "gpu": ["0", "1"]}) == "cuda:0"


def test_a_gpu_that_torch_does_not_find_is_told(two_gpus):
    with pytest.raises(UserError, match=r"Spark gave this task GPU 2, and torch .* finds 2 on this machine"):
        gpu_of_task({"gpu": ["2"]})
    with pytest.raises(UserError, match=r"Spark gave this task GPU mig-1"):
        gpu_of_task({"gpu": ["mig-1"]})


def test_a_task_without_a_gpu_is_told(two_gpus):
    with pytest.raises(UserError, match=r"this task was given no GPU"):
        gpu_of_task({})

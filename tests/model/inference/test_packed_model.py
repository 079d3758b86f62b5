"""A packed model is one file, and a mapped file scores exactly as the model it was written from."""

import pyarrow as pa
import pytest

from tonality.model.inference.packed_model import PackedModel, choose_precision
from tonality.model.inference.scorer import Scorer

TWEETS = pa.array(["w1 w2 w3", "w4", "strange w5 w5"])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_mapped_file_scores_as_the_model_it_was_written_from(artifact, tmp_path, precision):
    model = PackedModel.of(artifact, precision)
    file = tmp_path / "model.safetensors"
    file.write_bytes(model.to_bytes())
    mapped = PackedModel.map(file)
    assert (mapped.name, mapped.precision, mapped.unknown, mapped.max_length, mapped.network_config) == (
        model.name,
        precision,
        artifact.unknown,
        artifact.max_length,
        artifact.network_config,
    )
    assert mapped.vocabulary.equals(model.vocabulary)
    assert Scorer(mapped).probabilities(TWEETS).equals(Scorer(model).probabilities(TWEETS))


def test_models_precisions_and_devices_have_names_of_their_own(artifact):
    names = {PackedModel.of(artifact, precision).name for precision in ("float32", "bfloat16")}
    names.add(PackedModel.of(artifact, device="cuda").name)
    assert len(names) == 3
    assert all(artifact.fingerprint in name for name in names)


@pytest.mark.parametrize(
    ("capabilities", "chosen"),
    [({"amx_bf16": True}, "bfloat16"), ({"amx_bf16": False, "avx512_bf16": True}, "float32"), ({}, "float32")],
)
def test_the_precision_is_bfloat16_on_a_cpu_with_amx(capabilities, chosen, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto") == chosen
    assert choose_precision("float32") == "float32"
    assert choose_precision("bfloat16") == "bfloat16"

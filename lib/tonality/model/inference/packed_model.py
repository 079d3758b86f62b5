"""A model packed for scoring: a single file that many processes can memory-map, and the choice of its precision.

The file is in the safetensors format (https://huggingface.co/docs/safetensors). It holds the network's weights in the
layout that the device needs, and the vocabulary as the two buffers of an Arrow string array. Opening it parses and
rebuilds nothing, and processes that map the same file share one copy in memory.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

import numpy as np
import pyarrow as pa
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from tonality.model.network.cpu_features import has_any_cpu_feature
from tonality.model.network.lstm import LSTMConfig
from tonality.model.network.lstm_inference import Precision, tile_weights
from tonality.model.registry.artifact import Artifact

__all__ = ["Device", "PackedModel", "choose_precision"]

Device: TypeAlias = Literal["cpu", "cuda"]

_BYTES: Final = "vocabulary.bytes"
_OFFSETS: Final = "vocabulary.offsets"
_ABOUT: Final = "about"


@dataclass(frozen=True, eq=False)
class PackedModel:
    """The parts of a model that scoring needs."""

    name: str
    """Unique to the model, precision and kind of device."""
    network_config: LSTMConfig
    vocabulary: pa.StringArray
    """Stems in the order of their ids."""
    unknown: Literal["train", "drop"]
    max_length: int
    precision: Precision
    device: Device
    """The kind of device that the weights are laid out for."""
    weights: Mapping[str, Tensor]
    """The result of `tile_weights` for the CPU; the network's own weights for a GPU."""

    @classmethod
    def of(cls, artifact: Artifact, precision: Precision = "float32", device: Device = "cpu") -> Self:
        """Pack a model for a kind of device and a precision."""
        network = artifact.network()
        with torch.no_grad():
            weights = tile_weights(network, precision) if device == "cpu" else dict(artifact.weights)
        return cls(
            name=f"{artifact.fingerprint}-{precision}-{device}",
            network_config=artifact.network_config,
            vocabulary=artifact.vocabulary["stem"].combine_chunks(),
            unknown=artifact.unknown,
            max_length=artifact.max_length,
            precision=precision,
            device=device,
            weights=weights,
        )

    def to_bytes(self) -> bytes:
        """The file's content."""
        stems = pa.concat_arrays([self.vocabulary])  # without an offset of its own
        _, offsets, content = stems.buffers()
        vocabulary = {
            _OFFSETS: torch.from_numpy(np.frombuffer(offsets, np.int32, len(stems) + 1).copy()),
            _BYTES: torch.from_numpy(np.frombuffer(content, np.uint8).copy()),
        }
        about = {name: getattr(self, name) for name in ("name", "unknown", "max_length", "precision", "device")}
        text = json.dumps({**about, "network_config": asdict(self.network_config)})
        weights = {f"weights.{name}": weight for name, weight in self.weights.items()}
        return safetensors.torch.save({**weights, **vocabulary}, {_ABOUT: text})

    @classmethod
    def map(cls, file: Path) -> Self:
        """Memory-map the model in a file; all processes that map it share one copy in memory."""
        with safetensors.safe_open(file, framework="pt") as opened:
            about: dict[str, Any] = json.loads(opened.metadata()[_ABOUT])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        offsets, content = (pa.py_buffer(tensors.pop(name).numpy()) for name in (_OFFSETS, _BYTES))
        vocabulary = pa.StringArray.from_buffers(offsets.size // 4 - 1, offsets, content)
        weights = {name.removeprefix("weights."): tensor for name, tensor in tensors.items()}
        config = LSTMConfig(**about.pop("network_config"))
        return cls(**about, network_config=config, vocabulary=vocabulary, weights=weights)


def choose_precision(precision: Literal["auto", "float32", "bfloat16"], device: Device = "cpu") -> Precision:
    """Resolve `auto`: bfloat16 on a CPU with AMX, otherwise float32.

    Called on the driver; executors are assumed to have the same kind of CPU.
    """
    if precision != "auto":
        return precision
    return "bfloat16" if device == "cpu" and has_any_cpu_feature("amx_bf16") else "float32"

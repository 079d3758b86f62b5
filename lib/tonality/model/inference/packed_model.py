"""A model made ready to score with: one file's worth of bytes that many processes can map into their memory.

The bytes are a safetensors file (https://huggingface.co/docs/safetensors): the network's weights in the form that the
device wants, and the vocabulary as the two buffers of an Arrow string array, so that nothing is parsed or rebuilt by
whoever opens the file, and what several of them open is in memory once.
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

from tonality.model.network.lstm import LSTMConfig
from tonality.model.network.tiled_lstm import Precision, tile_weights
from tonality.model.registry.artifact import Artifact

__all__ = ["Device", "PackedModel"]

Device: TypeAlias = Literal["cpu", "cuda"]

_BYTES: Final = "vocabulary.bytes"
_OFFSETS: Final = "vocabulary.offsets"
_ABOUT: Final = "about"


@dataclass(frozen=True, eq=False)
class PackedModel:
    """What scoring needs of a model."""

    name: str
    """Another model, precision or kind of device has another name."""
    shape: LSTMConfig
    vocabulary: pa.StringArray
    """Stems in the order of their numbers."""
    unknown: Literal["train", "drop"]
    max_length: int
    precision: Precision
    device: Device
    """The kind of device that the weights are for."""
    weights: Mapping[str, Tensor]
    """Of network.inference.tile_weights for processors; for GPUs the network's own."""

    @classmethod
    def of(cls, artifact: Artifact, precision: Precision = "float32", device: Device = "cpu") -> Self:
        """A model, ready for a kind of device and to compute in a precision."""
        network = artifact.network()
        with torch.no_grad():
            weights = tile_weights(network, precision) if device == "cpu" else dict(artifact.weights)
        return cls(
            name=f"{artifact.fingerprint}-{precision}-{device}",
            shape=artifact.network_config,
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
        text = json.dumps({**about, "shape": asdict(self.shape)})
        weights = {f"weights.{name}": weight for name, weight in self.weights.items()}
        return safetensors.torch.save({**weights, **vocabulary}, {_ABOUT: text})

    @classmethod
    def map(cls, file: Path) -> Self:
        """The model of a file, whose bytes stay where they are: in memory that all share who have mapped it."""
        with safetensors.safe_open(file, framework="pt") as opened:
            about: dict[str, Any] = json.loads(opened.metadata()[_ABOUT])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        offsets, content = (pa.py_buffer(tensors.pop(name).numpy()) for name in (_OFFSETS, _BYTES))
        vocabulary = pa.StringArray.from_buffers(offsets.size // 4 - 1, offsets, content)
        weights = {name.removeprefix("weights."): tensor for name, tensor in tensors.items()}
        return cls(**{**about, "shape": LSTMConfig(**about["shape"])}, vocabulary=vocabulary, weights=weights)

"""Checkpoints: all that the steps to come depend on, in one file that holds data only.

The file is in the format of safetensors, whose metadata hold the position as JSON: no pickle is written or read. It is
replaced atomically, so that a kill or a full disk leaves the one before it whole.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage import urls

__all__ = ["Checkpoint", "Saved"]

_FORMAT: Final = 1
"""The version of the file."""


@dataclass(frozen=True, eq=False)
class Saved:
    """What a checkpoint holds."""

    identity: str
    """What decides the result of the training that it is of."""
    position: Mapping[str, Any]
    """Where training stood, in values that JSON knows."""
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of a training, at a place: a local path or any URL that fsspec knows."""

    location: str
    identity: str
    """Names what decides the training's result: one of another name is not gone on from."""
    resume: bool = True
    """Whether one that is there is gone on from at all."""

    @property
    def way_on(self) -> str:
        """How a training that was cut off goes on from it, in words."""
        return f"train again{'' if self.resume else ' with train.resume = true'} and it goes on from {self.location}"

    def write(self, position: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        """Put this in the place of what was there. Raises OSError, with what was there still whole."""
        note = {"format": _FORMAT, "identity": self.identity, "position": position}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        urls.replace_file(self.location, safetensors.torch.save(tensors, {"training": json.dumps(note)}))

    def read(self) -> Saved | None:
        """What was written last, for whichever training; None where there is nothing.

        Raises InputError where the file is broken, or of another format.
        """
        system, path = urls.filesystem(self.location)
        try:
            content = system.cat_file(path)
        except FileNotFoundError:
            return None
        try:
            note, tensors = _note(content), safetensors.torch.load(content)
            if note["format"] != _FORMAT:
                raise ValueError(f"format {note['format']} found, {_FORMAT} expected")
            return Saved(note["identity"], note["position"], tensors)
        except (SafetensorError, struct.error, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"the checkpoint {self.location} cannot be read: {error}: remove it, or set train.resume to false, "
                f"and training begins again"
            ) from error

    def remove(self) -> None:
        """Nothing is left of it."""
        system, path = urls.filesystem(self.location)
        if system.exists(path):
            system.rm_file(path)


def _note(content: bytes) -> dict[str, Any]:
    """What stands in the metadata: https://github.com/huggingface/safetensors#format."""
    (size,) = struct.unpack_from("<Q", content)
    note: dict[str, Any] = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["training"])
    return note

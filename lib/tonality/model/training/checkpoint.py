"""Checkpoints: everything that the remaining steps depend on, in one file of data only.

The file is in the safetensors format, with the position as JSON in its metadata: no pickle is written or read. It is
replaced atomically, so a kill or a full disk leaves the previous checkpoint intact.
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
from tonality.runtime.storage.atomic_files import replace_file
from tonality.runtime.storage.urls import filesystem

__all__ = ["Checkpoint", "SavedCheckpoint"]

_FORMAT: Final = 1
"""The version of the file's format."""


@dataclass(frozen=True, eq=False)
class SavedCheckpoint:
    """The content of a checkpoint."""

    identity: str
    """The identity of the training run that wrote it."""
    position: Mapping[str, Any]
    """The training state, as JSON values."""
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of a training run, at a local path or any URL that fsspec knows."""

    location: str
    identity: str
    """Identifies everything that decides the result of training: a checkpoint of another identity is ignored."""
    resume: bool = True
    """Resume from an existing checkpoint; if false, it is ignored."""

    @property
    def resume_hint(self) -> str:
        """The advice to a user whose training was interrupted."""
        return f"train again{'' if self.resume else ' with train.resume = true'} to resume from {self.location}"

    def write(self, position: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        """Replace the checkpoint. Raises OSError, and leaves the previous one intact."""
        metadata = {"format": _FORMAT, "identity": self.identity, "position": position}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        replace_file(self.location, safetensors.torch.save(tensors, {"training": json.dumps(metadata)}))

    def read(self) -> SavedCheckpoint | None:
        """Read the checkpoint, of whatever identity; None if there is no file.

        Raises InputError if the file is damaged, or of another format.
        """
        system, path = filesystem(self.location)
        try:
            content = system.cat_file(path)
        except FileNotFoundError:
            return None
        try:
            metadata, tensors = _metadata(content), safetensors.torch.load(content)
            if metadata["format"] != _FORMAT:
                raise ValueError(f"format {metadata['format']} found, {_FORMAT} expected")
            return SavedCheckpoint(metadata["identity"], metadata["position"], tensors)
        except (SafetensorError, struct.error, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"the checkpoint {self.location} cannot be read: {error}: remove it, or set train.resume to false, to "
                f"start training over"
            ) from error

    def remove(self) -> None:
        """Delete the file, if there is one."""
        system, path = filesystem(self.location)
        if system.exists(path):
            system.rm_file(path)


def _metadata(content: bytes) -> dict[str, Any]:
    """Our entry in the file's metadata: https://github.com/huggingface/safetensors#format."""
    (size,) = struct.unpack_from("<Q", content)
    metadata: dict[str, Any] = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["training"])
    return metadata

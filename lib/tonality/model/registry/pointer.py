"""A pointer: a small JSON file that names a model, and may say more of it. It is replaced atomically."""

import json
import re
from contextlib import suppress
from typing import Any, Final

from fsspec.implementations.local import LocalFileSystem

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.json_files import to_json
from tonality.runtime.storage.urls import filesystem, join, replace_file

__all__ = ["FINGERPRINT", "Pointer", "names"]

FINGERPRINT: Final = re.compile(r"[0-9a-f]{12}")


class Pointer:
    """A pointer in a folder: of a local disk, or any URL that fsspec knows."""

    def __init__(self, folder: str, name: str, mend: str) -> None:
        """`mend` says what to do where the file is damaged."""
        self._folder, self._location, self._mend = folder, join(folder, name), mend

    def read(self) -> dict[str, Any] | None:
        """What it says; None where there is none. Raises InputError where it is damaged."""
        system, path = filesystem(self._location)
        if not system.isfile(path):
            return None
        with suppress(ValueError, TypeError, KeyError):
            content = json.loads(system.cat_file(path))
            if FINGERPRINT.fullmatch(content["model"]):
                return dict(content)
        raise InputError(f"{self._location} names no model: {self._mend}")

    def read_if_whole(self) -> dict[str, Any] | None:
        """What it says, for whoever writes it again: None where nothing of it can be kept."""
        with suppress(InputError):
            return self.read()
        return None

    def model(self) -> str | None:
        """The model that it names; None where there is none. Raises InputError where it is damaged."""
        content = self.read()
        return content["model"] if content else None

    def write(self, **content: Any) -> None:
        """Let it say this."""
        system, path = filesystem(self._folder)
        if isinstance(system, LocalFileSystem):
            system.makedirs(path, exist_ok=True)
        replace_file(self._location, to_json(content).encode())


def names(content: dict[str, Any] | None, key: str) -> list[str]:
    """The models that a pointer names beside its own; none where it has no such list, as of earlier versions."""
    found = (content or {}).get(key)
    return [str(name) for name in found] if isinstance(found, list) else []

"""An alias: a small JSON file that names a model, with further data about it. It is replaced atomically."""

import json
import re
from contextlib import suppress
from typing import Any, Final

from fsspec.implementations.local import LocalFileSystem

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.atomic_files import replace_file
from tonality.runtime.storage.json_files import to_json
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["FINGERPRINT", "Alias", "models_in"]

FINGERPRINT: Final = re.compile(r"[0-9a-f]{12}")


class Alias:
    """An alias in a folder: a local one, or any URL that fsspec knows."""

    def __init__(self, folder: str, name: str, remedy: str) -> None:
        """`remedy` tells the user what to do if the file is damaged."""
        self._folder, self._location, self._remedy = folder, join(folder, name), remedy

    def read(self) -> dict[str, Any] | None:
        """Return the content, or None if there is no file. Raises InputError if the file is damaged."""
        system, path = filesystem(self._location)
        if not system.isfile(path):
            return None
        with suppress(ValueError, TypeError, KeyError):
            content = json.loads(system.cat_file(path))
            if FINGERPRINT.fullmatch(content["model"]):
                return dict(content)
        raise InputError(f"{self._location} names no model: {self._remedy}")

    def read_if_valid(self) -> dict[str, Any] | None:
        """Return the content, or None if there is no file or it is damaged and about to be overwritten."""
        with suppress(InputError):
            return self.read()
        return None

    def model(self) -> str | None:
        """Return the fingerprint of the model, or None if there is no file. Raises InputError if it is damaged."""
        content = self.read()
        return content["model"] if content else None

    def write(self, **content: Any) -> None:
        """Replace the content."""
        system, path = filesystem(self._folder)
        if isinstance(system, LocalFileSystem):
            system.makedirs(path, exist_ok=True)
        replace_file(self._location, to_json(content).encode())


def models_in(content: dict[str, Any] | None, key: str) -> list[str]:
    """The models that an alias lists under a key; empty if there is no such list, as in files of earlier versions."""
    models = (content or {}).get(key)
    return [str(model) for model in models] if isinstance(models, list) else []

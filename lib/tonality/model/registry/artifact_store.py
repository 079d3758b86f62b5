"""Models on local disks and in object stores.

On a local disk a model appears as a whole or not at all: it is written to a temporary folder beside its destination,
which is then renamed. A model that exists there already is renamed away first; a crash between the two renames leaves
the former model beside the destination, under a name that ends in `.former`, and the destination empty.

Object stores have no atomic rename, so the guarantee is weaker. config.json is deleted first when a model is replaced
and written last, and without it there is no model; so after a crash a model may be missing, but is never half-written.
A reader during a replacement may find the model incomplete or mixed, which is an error.
"""

from pathlib import Path

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from tonality.model.registry.artifact import CONFIG, FILES, Artifact
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage import atomic_files, urls

__all__ = ["read", "write"]


def read(location: str) -> Artifact:
    """Read the model in a folder: a local path or any URL that fsspec knows.

    Raises InputError if there is none, or its files are not valid. The message names the file, what was found, what
    was expected and what to do.
    """
    system, path = urls.filesystem(location)
    if not system.isdir(path):
        raise InputError(f"{location}: no such folder, a model is expected: run `train` first")
    paths = {name: urls.join(path, name) for name in FILES}
    files = {name: system.cat_file(file) for name, file in paths.items() if system.isfile(file)}
    try:
        return Artifact.from_files(files)
    except InputError as error:
        raise InputError(f"{location}: {error}") from error


def write(artifact: Artifact, location: str) -> None:
    """Write the model to a folder, replacing a model that exists there.

    Raises InputError if the folder is on a local disk and holds other files, which would be deleted.
    """
    system, path = urls.filesystem(location)
    if isinstance(system, LocalFileSystem):
        _check_replaceable(Path(path))
        _write_local(artifact.files(), Path(path))
    else:
        _write_remote(artifact.files(), system, path)


def _check_replaceable(folder: Path) -> None:
    """Refuse a folder with other files than those of a model. Raises InputError."""
    if folder.exists() and (not folder.is_dir() or {file.name for file in folder.iterdir()} - set(FILES)):
        raise InputError(
            f"{folder}: holds other things than a model, which would be deleted if one were written there: name "
            "another folder"
        )


def _write_local(files: dict[str, bytes], folder: Path) -> None:
    with atomic_files.replacing(folder) as temporary:
        temporary.mkdir()
        for name, content in files.items():
            atomic_files.write_durably(temporary / name, content)


def _write_remote(files: dict[str, bytes], system: AbstractFileSystem, path: str) -> None:
    system.makedirs(path, exist_ok=True)
    if system.exists(config := urls.join(path, CONFIG)):
        system.rm_file(config)
    for name in FILES:
        system.pipe_file(urls.join(path, name), files[name])

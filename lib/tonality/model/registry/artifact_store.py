"""Models on disk and in object stores.

On a local disk a model appears whole or not at all: it is written beside its place and renamed into it. Where a model
stood before, it is renamed away first; a crash between the two renames leaves the former one beside its place, under a
name that ends in `.former`, and none in it.

Elsewhere nothing can be renamed atomically, and the promise is weaker. config.json goes first when a model is
replaced and comes last when it is written, and no model is one without it; so after a crash there may be no model, but
never a half-written one. Who reads in the middle of a replacement may be told that the model is incomplete or mixed.
"""

import shutil
import uuid
from pathlib import Path

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from tonality.model.registry.artifact import CONFIG, FILES, Artifact
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage import urls

__all__ = ["read", "write"]


def read(location: str) -> Artifact:
    """The model in a folder: a local path or any URL that fsspec knows.

    Raises InputError where there is none, or none that can be trusted. The message names the file, what was found, what
    was expected and what to do.
    """
    system, path = urls.filesystem(location)
    if not system.isdir(path):
        raise InputError(f"{location}: no such folder, a model is expected: run `train` first")
    paths = {name: urls.join(path, name) for name in FILES}
    files = {name: system.cat_file(file) for name, file in paths.items() if system.isfile(file)}
    try:
        return Artifact.from_files(files)
    except InputError as fault:
        raise InputError(f"{location}: {fault}") from fault


def write(artifact: Artifact, location: str) -> None:
    """Puts the model into a folder, in the place of the model that was there.

    Raises InputError where the folder is on a local disk and holds anything else, since that would be deleted.
    """
    system, path = urls.filesystem(location)
    _check_place(location)
    if isinstance(system, LocalFileSystem):
        _write_local(artifact.files(), Path(path))
    else:
        _write_remote(artifact.files(), system, path)


def _write_local(files: dict[str, bytes], place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    unique = uuid.uuid4().hex[:8]
    coming = place.with_name(f".{place.name}.{unique}.coming")
    former = place.with_name(f".{place.name}.{unique}.former")
    try:
        coming.mkdir()
        for name, content in files.items():
            urls.write_durably(coming / name, content)
        if place.exists():
            place.rename(former)
        coming.rename(place)
    finally:
        shutil.rmtree(coming, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)


def _check_place(location: str) -> None:
    """Refuses a place where `write` would delete somebody's other files.

    Raises InputError where the folder is on a local disk and holds anything but a model.
    """
    system, path = urls.filesystem(location)
    place = Path(path)
    if not isinstance(system, LocalFileSystem):
        return
    if place.exists() and (not place.is_dir() or {file.name for file in place.iterdir()} - set(FILES)):
        raise InputError(
            f"{place}: holds other things than a model, which writing one would delete: name another folder"
        )


def _write_remote(files: dict[str, bytes], system: AbstractFileSystem, path: str) -> None:
    system.makedirs(path, exist_ok=True)
    if system.exists(config := urls.join(path, CONFIG)):
        system.rm_file(config)
    for name in FILES:
        system.pipe_file(urls.join(path, name), files[name])

"""Atomic replacement: content is written under a hidden temporary name, synced to disk and renamed into place.

On a local disk there is always either the old or the new content, even after a crash. An object store replaces a file
atomically by itself; on HDFS and the like the old file is missing while the new one is written.
"""

import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fsspec.implementations.local import LocalFileSystem

from tonality.runtime.storage.urls import filesystem, join

__all__ = ["replace_file", "replacing", "write_durably", "write_files"]

_TEMPORARY: Final = ".coming"
_REPLACED: Final = ".former"
_ABANDONED_SECONDS: Final = 3600
"""The age from which a temporary file belongs to a killed writer: a living one would have appended to it."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for new content of a local file or folder; on success it replaces `path`.

    A file is replaced atomically. A folder takes two renames: a crash between them leaves the old folder under a
    hidden name that ends in `.former`, and none at `path`. On failure the old content stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    prefix = f".{path.name}.{uuid.uuid4().hex[:8]}"
    temporary, replaced = path.with_name(prefix + _TEMPORARY), path.with_name(prefix + _REPLACED)
    try:
        yield temporary
        if path.is_dir() and temporary.is_dir():  # a file does not replace a folder: that is an OSError
            path.rename(replaced)
        try:
            temporary.replace(path)
        except OSError:
            if replaced.exists():
                replaced.rename(path)
            raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
    shutil.rmtree(replaced, ignore_errors=True)


def write_durably(file: Path | int, content: bytes) -> None:
    """Write a local file, given by path or open descriptor, and sync it to disk.

    Required before a rename, which may reach the disk before the data.
    """
    with open(file, "wb", closefd=isinstance(file, Path)) as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def replace_file(location: str, content: bytes) -> None:
    """Write a file atomically, replacing an existing one. Of concurrent writers the last one wins.

    Raises OSError; on a local disk the existing file then stays.
    """
    system, path = filesystem(location)
    if not isinstance(system, LocalFileSystem):
        system.pipe_file(path, content)
        return
    with replacing(Path(path)) as temporary:
        write_durably(temporary, content)


def write_files(folder: str, files: Mapping[str, bytes]) -> None:
    """Write small files into a folder, each atomically; the folder is created if missing."""
    system, path = filesystem(folder)
    system.makedirs(path, exist_ok=True)
    for name, content in files.items():
        replace_file(join(folder, name), content)


def _remove_abandoned(folder: Path) -> None:
    """Remove temporary files of killed writers from a folder."""
    for file in folder.glob(f".*{_TEMPORARY}"):
        with suppress(OSError):  # already removed, or the temporary folder of a model
            if time.time() - file.stat().st_mtime > _ABANDONED_SECONDS:
                file.unlink()

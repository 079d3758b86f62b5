"""Where things lie: URLs as fsspec writes them and as Hadoop does, and the files that a path, folder or glob means."""

import difflib
import os
import posixpath
import re
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from tonality.runtime.diagnostics.errors import InputError, MissingInputError, SettingsError

__all__ = [
    "expand",
    "filesystem",
    "fsspec_url",
    "hadoop_url",
    "join",
    "missing_reason",
    "replace_file",
    "unknown_scheme",
    "write_durably",
    "write_files",
]

_GLOB: Final = re.compile(r"[*?\[]")
_SHOWN: Final = 5
"""Names of a folder that a message shows."""
_DEAD_SECONDS: Final = 3600
"""Nobody writes a file for so long without adding to it: what is older is a killed writer's."""


def fsspec_url(location: str) -> str:
    """The location as fsspec names it: `s3a://` becomes `s3://`, a path without a scheme is a local file."""
    return "s3://" + location.removeprefix("s3a://") if location.startswith("s3a://") else location


def hadoop_url(location: str) -> str:
    """The location as Hadoop names it: `s3://` becomes `s3a://`, a path without a scheme is a local file.

    Hadoop would look for a bare path on the cluster's default file system, while fsspec looks on the local disk; so a
    bare path is always local, and HDFS is asked for by its scheme.
    """
    if location.startswith("s3://"):
        return "s3a://" + location.removeprefix("s3://")
    if "://" in location or location.startswith("file:"):
        return location
    # not as_uri(): Hadoop, like fsspec, reads a path as it stands and would make a folder named %20
    return f"file://{Path(location).expanduser().absolute()}"


def join(location: str, *names: str) -> str:
    """The location with names below it, slashes between."""
    return "/".join([location.rstrip("/"), *names])


def filesystem(location: str) -> tuple[AbstractFileSystem, str]:
    """The fsspec file system of a location and its path there.

    Raises SettingsError where the scheme is unknown, needs a package that is not installed (s3fs, gcsfs) or a library
    that is not there (hdfs).
    """
    try:
        system, path = fsspec.core.url_to_fs(fsspec_url(location))
    except (ImportError, ValueError, OSError) as error:  # a system that needs Java or a network may be cut off from it
        raise SettingsError(f"{location} cannot be opened: {str(error).partition(chr(10))[0]}") from error
    return system, path


def write_files(folder: str, files: Mapping[str, bytes]) -> None:
    """Put small files into a folder, which is made where it is not there, each atomically as by `replace_file`."""
    system, path = filesystem(folder)
    system.makedirs(path, exist_ok=True)
    for name, content in files.items():
        replace_file(join(folder, name), content)


def replace_file(location: str, content: bytes) -> None:
    """Put a file in the place of the one that was there, atomically: nobody finds half of it, nor a crash.

    Of several who do so at once the last one's stays. In an object store a file appears whole anyway; on HDFS and the
    like it does not, and what was there is gone while it is written. Raises OSError, with what was there, on a local
    disk, still there.
    """
    system, path = filesystem(location)
    if not isinstance(system, LocalFileSystem):
        system.pipe_file(path, content)
        return
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(place.parent)
    coming = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.coming")
    try:
        write_durably(coming, content)
        coming.replace(place)
    finally:
        coming.unlink(missing_ok=True)


def _remove_left(folder: Path) -> None:
    """Remove what killed writers left in a folder, beside the files that they meant to replace."""
    for left in folder.glob(".*.coming"):
        with suppress(OSError):  # gone by now, or a folder, in which a model comes
            if time.time() - left.stat().st_mtime > _DEAD_SECONDS:
                left.unlink()


def write_durably(file: Path, content: bytes) -> None:
    """Write a local file that is about to be renamed: a rename may reach the disk before the data do."""
    with file.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def expand(location: str) -> dict[str, int]:
    """The files that a path, folder or glob means: their URLs, in order, with their bytes.

    Below a folder, or below where a glob begins, names that begin with . or _ are hidden. A name with * ? [ in it that
    is there is no glob. What is no file, such as a pipe, is left out. Raises InputError where there is no file, with
    what the folder holds instead, and where links lead to nothing or to folders, which holds data back unseen.
    """
    system, path = filesystem(location)
    roots, base = [path], path
    if (mark := _GLOB.search(path)) and not system.exists(path):
        roots, base = system.glob(path), posixpath.dirname(path[: mark.start()] + "*")
    found: dict[str, int] = {}
    astray: list[str] = []
    for root in roots:
        for name, details in _below(system, root).items():
            if _is_hidden(posixpath.relpath(name, base)):
                continue
            if details["type"] == "file" or not isinstance(system, LocalFileSystem) or os.path.isfile(name):  # noqa: PTH113
                found[system.unstrip_protocol(name)] = details["size"]
            elif os.path.islink(name) and (os.path.isdir(name) or not os.path.exists(name)):  # noqa: PTH110, PTH112, PTH114
                astray.append(name)
    if astray:
        raise InputError(_astray(sorted(set(astray))))
    if not found:
        raise MissingInputError(
            f"no file found at {location}{_instead(system, posixpath.join(base, '') if mark else path)}"
        )
    return dict(sorted(found.items()))


def _below(system: AbstractFileSystem, root: str) -> dict[str, dict[str, Any]]:
    """What is at a root or below it, but the folders; a local link to nothing, too."""
    found: dict[str, dict[str, Any]] = system.find(root, detail=True)
    if not found and isinstance(system, LocalFileSystem) and os.path.islink(root) and not os.path.exists(root):  # noqa: PTH110, PTH114
        return {root: {"type": "other"}}
    return found


def _astray(links: Sequence[str]) -> str:
    """Where links lead that are no way to a file."""
    lines = [
        f"a link to {'a folder, which is not followed' if os.path.isdir(link) else 'nothing'}: "  # noqa: PTH112
        f"{link} -> {os.readlink(link)}"  # noqa: PTH115
        for link in links[:_SHOWN]
    ]
    more = len(links) - _SHOWN
    return "\n".join([*lines, f"and {more} more such links"] if more > 0 else lines)


def unknown_scheme(location: str) -> str | None:
    """Why nothing can be opened by a URL's scheme, in words; None where it can, as far as this machine knows."""
    scheme, separator, _ = fsspec_url(location).partition("://")
    try:
        fsspec.get_filesystem_class(scheme if separator else "file")
    except (ImportError, ValueError) as error:
        return f"{location} cannot be opened: {error}"
    return None


def missing_reason(location: str) -> str | None:
    """Why a local file or folder cannot be read, in words; None where it is there.

    Globs and files of other systems are not looked for: whoever opens them tells.
    """
    if unknown := unknown_scheme(location):
        return unknown
    if not location.startswith("file:") and "://" in location:
        return None
    system, path = filesystem(location)
    if not isinstance(system, LocalFileSystem) or system.exists(path) or _GLOB.search(path):
        return None
    return f"nothing at {location}{_nearest(Path(path), location)}"


def _nearest(path: Path, typed: str) -> str:
    """A name that may have been meant, in the form that was typed; else what there is."""
    # os.path, since pathlib raises where a folder may not be looked into or a name is too long
    folder = next(parent for parent in path.parents if os.path.exists(parent))  # noqa: PTH110
    if not os.path.isdir(folder):  # noqa: PTH112
        return f"; {folder} is a file, no folder"
    if not os.access(folder, os.R_OK | os.X_OK):
        return f"; {folder} may not be read by this user"
    if folder != path.parent:
        return f"; there is no {path.parent} either, the nearest that is there is {folder}"
    names = [file.name for file in folder.iterdir()]
    near = difflib.get_close_matches(path.name, names, n=1)
    if not near:
        return f"; {folder} holds {_few(names)}"
    before = typed.rstrip("/").removesuffix(path.name)
    meant = f"{before}{near[0]}" if f"{before}{path.name}" == typed.rstrip("/") else folder / near[0]
    return f"; did you mean {meant}?"


def _instead(system: AbstractFileSystem, folder: str) -> str:
    """What the folder holds where what was looked for is not there; nothing where the folder is not there either."""
    if not system.isdir(folder):
        return ""
    names = [posixpath.basename(name.rstrip("/")) for name in system.ls(folder, detail=False)]
    hidden = ", which are hidden by their . or _" if names and all(map(_is_hidden, names)) else ""
    return f"; {folder.rstrip('/') or '/'} holds {_few(names)}{hidden}"


def _few(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _SHOWN
    return ", ".join(ordered[:_SHOWN]) + (f" and {more} more" if more > 0 else "") if ordered else "nothing"


def _is_hidden(relative: str) -> bool:
    return relative != "." and any(part.startswith((".", "_")) for part in relative.split("/"))

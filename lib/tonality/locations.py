"""Where things lie: URLs as fsspec writes them and as Hadoop does, and the files that a path, folder or glob means."""

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import fsspec
from fsspec import AbstractFileSystem

from tonality.faults import InputFault, SettingsFault

__all__ = ["expand", "filesystem", "fsspec_url", "hadoop_url", "join", "write_files"]

_GLOB: Final = re.compile(r"[*?\[]")


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

    Raises SettingsFault where the scheme is unknown or needs a package that is not installed (s3fs, gcsfs).
    """
    try:
        system, path = fsspec.core.url_to_fs(fsspec_url(location))
    except (ImportError, ValueError) as error:
        raise SettingsFault(f"{location} cannot be opened: {error}") from error
    return system, path


def write_files(folder: str, files: Mapping[str, bytes]) -> None:
    """Put small files into a folder, which is made where it is not there."""
    system, path = filesystem(folder)
    system.makedirs(path, exist_ok=True)
    for name, content in files.items():
        system.pipe_file(join(path, name), content)


def expand(location: str) -> dict[str, int]:
    """The files that a path, folder or glob means: their URLs, in order, with their bytes.

    Below a folder, or below where a glob begins, names that begin with . or _ are hidden. A name with * ? [ in it that
    is there is no glob. Raises InputFault where there is no file.
    """
    system, path = filesystem(location)
    roots, base = [path], path
    if (mark := _GLOB.search(path)) and not system.exists(path):
        roots, base = system.glob(path), posixpath.dirname(path[: mark.start()] + "*")
    found = {
        system.unstrip_protocol(name): details["size"]
        for root in roots
        for name, details in system.find(root, detail=True).items()
        if not _is_hidden(posixpath.relpath(name, base))
    }
    if not found:
        raise InputFault(f"no file found at {location}")
    return dict(sorted(found.items()))


def _is_hidden(relative: str) -> bool:
    return relative != "." and any(part.startswith((".", "_")) for part in relative.split("/"))

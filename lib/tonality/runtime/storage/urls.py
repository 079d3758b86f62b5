"""Locations: local paths and URLs, in the notations of fsspec and of Hadoop."""

from pathlib import Path

import fsspec
from fsspec import AbstractFileSystem

from tonality.runtime.diagnostics.errors import SettingsError

__all__ = ["filesystem", "fsspec_url", "hadoop_url", "join", "unknown_scheme"]


def fsspec_url(location: str) -> str:
    """The location in fsspec's notation: `s3a://` becomes `s3://`, a path without a scheme is a local file."""
    return "s3://" + location.removeprefix("s3a://") if location.startswith("s3a://") else location


def hadoop_url(location: str) -> str:
    """The location in Hadoop's notation: `s3://` becomes `s3a://`, a path without a scheme is a local file.

    Hadoop resolves a bare path on the cluster's default file system, fsspec on the local disk. Here a bare path is
    always local; HDFS needs its scheme.
    """
    if location.startswith("s3://"):
        return "s3a://" + location.removeprefix("s3://")
    if "://" in location or location.startswith("file:"):
        return location
    # without escapes: Hadoop, like fsspec, takes a path literally and would create a folder named %20
    return f"file://{Path(location).expanduser().absolute()}"


def join(location: str, *names: str) -> str:
    """The location with names appended, separated by slashes."""
    return "/".join([location.rstrip("/"), *names])


def filesystem(location: str) -> tuple[AbstractFileSystem, str]:
    """The fsspec file system of a location and the path in it.

    Raises SettingsError if the scheme is unknown, or needs a package (s3fs, gcsfs) or library (hdfs) that is missing.
    """
    try:
        system, path = fsspec.core.url_to_fs(fsspec_url(location))
    except (ImportError, ValueError, OSError) as error:  # OSError: a system whose Java or network is unavailable
        raise SettingsError(f"{location} cannot be opened: {str(error).partition(chr(10))[0]}") from error
    return system, path


def unknown_scheme(location: str) -> str | None:
    """An error message if this machine cannot open the URL's scheme, else None."""
    scheme, separator, _ = fsspec_url(location).partition("://")
    try:
        fsspec.get_filesystem_class(scheme if separator else "file")
    except (ImportError, ValueError) as error:
        return f"{location} cannot be opened: {error}"
    return None

"""The files of an archive: found by path, folder or glob, and packed into tasks."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tonality.archive.records import table_columns
from tonality.archive.request import ReadRequest
from tonality.faults import InputFault
from tonality.locations import expand, filesystem

__all__ = ["ArchiveFile", "check_columns", "find_files", "pack"]

_TASK_BYTES: Final = 16 * 2**20
"""Compressed bytes that are worth a task: some seconds of work."""


class ArchiveFile(NamedTuple):
    """A file of an archive."""

    url: str
    bytes: int


def find_files(locations: Iterable[str]) -> list[ArchiveFile]:
    """Every file that the locations name, once, in the order of their URLs. Below folders,
    names that begin with . or _ are hidden.

    Raises InputFault where a location finds nothing, for all such locations together.
    """
    found: dict[str, int] = {}
    missing: list[str] = []
    for location in locations:
        try:
            found |= expand(location)
        except InputFault as fault:
            missing.append(str(fault))
    if missing:
        raise InputFault("\n".join(missing))
    return [ArchiveFile(url, size) for url, size in sorted(found.items())]


def check_columns(files: Sequence[ArchiveFile], request: ReadRequest) -> None:
    """Refuse a table whose first file lacks a column that the request names; later files say so in their accounts.

    Raises InputFault with the columns that the file has.
    """
    if request.columns is None or not files:
        return
    system, path = filesystem(files[0].url)
    with system.open(path, "rb") as stream:
        found = table_columns(stream, request.delimiter)
    wanted = {role: name for role, name in request.columns.named().items() if name not in found}
    if wanted:
        asked = ", ".join(f"archive.columns.{role} = {name!r}" for role, name in wanted.items())
        has = ", ".join(found) or "no header: is it empty or broken?"
        raise InputFault(f"{files[0].url} has no such column: {asked}; it has {has}")


def pack(files: Iterable[ArchiveFile], task_bytes: int = _TASK_BYTES) -> list[list[ArchiveFile]]:
    """The files as tasks of about as many bytes each; the largest tasks first, so that none starts last."""
    tasks: list[list[ArchiveFile]] = []
    filled = 0
    for file in sorted(files, key=lambda file: (-file.bytes, file.url)):
        if not tasks or filled + file.bytes > task_bytes:
            tasks.append([])
            filled = 0
        tasks[-1].append(file)
        filled += file.bytes
    return tasks

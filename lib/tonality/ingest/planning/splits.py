"""Files cut into the splits that tasks read, and splits packed into tasks.

A file that is worth several tasks is looked into on the driver: its first bytes, the headers of a tar, the footer of a
Parquet table. Whatever else is read, is read by the tasks.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import BinaryIO, Final, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.ingest.containers.compression import Expansion, compression_of, unpack
from tonality.ingest.containers.streams import FileStream, Stream, UnpackedStream
from tonality.ingest.containers.tar import is_tar, read_members
from tonality.ingest.formats.detect import form_of
from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.files import ArchiveFile
from tonality.runtime.storage.urls import filesystem

__all__ = ["Split", "plan_tasks"]

_PEEK_BYTES: Final = 2**16
_TASKS_A_CORE: Final = 4
"""Tasks that each core should have at least, so that none waits long for the last."""
_LEAST_BYTES: Final = 2**20
"""What is worth a task in any case."""
_OPENING_BYTES: Final = 2**18
"""What a split counts at least: to open a file takes as long as to read so much of one."""
_MOST_OPENED: Final = 64
"""Small files that a task opens at least before it is full, however small tasks are to be."""
_CUTTING_BLOCK: Final = 2**16
"""What is fetched at once of a file that is looked into: the headers of a tar are 512 bytes each, and far between."""


class Split(NamedTuple):
    """A file, or a part of it, that one task reads."""

    url: str
    bytes: int
    """What is read of the file."""
    part: Literal["all", "lines", "members", "row groups"] = "all"
    start: int = 0
    """Where the part begins: in bytes, for row groups as their number."""
    end: int | None = None
    """Where it ends; None for the end of the file."""
    number: int = 0
    """Which of the file's parts it is, from 0."""


def plan_tasks(files: Sequence[ArchiveFile], options: ReadOptions) -> list[list[Split]]:
    """The splits that each task reads: small ones packed, the largest tasks first, so that none of them starts last."""
    share = sum(file.bytes for file in files) // (options.cores * _TASKS_A_CORE)
    task_bytes = min(options.task_bytes, max(share, _LEAST_BYTES))
    return _pack((split for file in files for split in _cut(file, options, task_bytes)), task_bytes)


def _cut(file: ArchiveFile, options: ReadOptions, task_bytes: int) -> list[Split]:
    """The splits of a file: one, unless it is large and of a form that can be read from the middle.

    Lines of JSON can, plain or in bzip2; plain tars, by their members; Parquet, by its row groups. A table in CSV
    cannot, whose line breaks may stand inside of fields, nor what is compressed by gzip or Zstandard.
    """
    whole = [Split(file.url, file.bytes)]
    if file.bytes < 2 * task_bytes:
        return whole
    system, path = filesystem(file.url)
    with system.open(path, "rb", block_size=_CUTTING_BLOCK) as opened:
        stream = FileStream(opened)
        start = stream.peek(_PEEK_BYTES)
        if form_of(start, options) == "parquet":
            return _splits(file, "row groups", _row_groups(opened, task_bytes)) or whole
        if is_tar(start):
            return _splits(file, "members", _members(stream, file.bytes, task_bytes))
        if _holds_json_lines(stream, start, options):
            cuts = [*range(0, file.bytes - task_bytes // 2, task_bytes), file.bytes]
            return _splits(file, "lines", [(begin, end, end - begin) for begin, end in pairwise(cuts)])
    return whole


def _pack(splits: Iterable[Split], task_bytes: int) -> list[list[Split]]:
    """Neighbours share a task: their names tell of their days, so that a task's tweets are of few days."""
    tasks: list[list[Split]] = []
    filled = 0
    least = min(_OPENING_BYTES, task_bytes // _MOST_OPENED)
    for split in sorted(splits, key=lambda split: (split.url, split.number)):
        worth = max(split.bytes, least)
        if not tasks or filled + worth > task_bytes:
            tasks.append([])
            filled = 0
        tasks[-1].append(split)
        filled += worth
    return sorted(tasks, key=lambda task: -sum(split.bytes for split in task))


_Part = tuple[int, int | None, int]
"""Start, end and bytes."""


def _splits(file: ArchiveFile, part: Literal["lines", "members", "row groups"], parts: list[_Part]) -> list[Split]:
    parts[-1:] = [(start, None, size) for start, _, size in parts[-1:]]  # whatever stands behind belongs to the last
    return [Split(file.url, size, part, start, end, number) for number, (start, end, size) in enumerate(parts)]


def _holds_json_lines(stream: Stream, start: bytes, options: ReadOptions) -> bool:
    compression = compression_of(start)
    if compression == "bzip2":
        start = UnpackedStream(lambda: unpack(stream, compression, Expansion(options.max_expansion))).peek(_PEEK_BYTES)
    elif compression:
        return False
    return not is_tar(start) and compression_of(start) is None and form_of(start, options) == "json"


def _row_groups(file: BinaryIO, task_bytes: int) -> list[_Part]:
    try:
        metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        return []
    sizes = [
        sum(group.column(index).total_compressed_size for index in range(group.num_columns))
        for group in (metadata.row_group(number) for number in range(metadata.num_row_groups))
    ]
    return _grouped([(number, number + 1, size) for number, size in enumerate(sizes)], task_bytes)


def _members(stream: Stream, size: int, task_bytes: int) -> list[_Part]:
    cuts = sorted({0, size, *(member.begin for member in read_members(stream) if not member.damage)})
    return _grouped([(begin, end, end - begin) for begin, end in pairwise(cuts)], task_bytes)


def _grouped(parts: Iterable[tuple[int, int, int]], task_bytes: int) -> list[_Part]:
    """Neighbours together, up to a task's bytes."""
    grouped: list[_Part] = []
    for start, end, size in parts:
        if grouped and grouped[-1][2] + size <= task_bytes:
            grouped[-1] = (grouped[-1][0], end, grouped[-1][2] + size)
        else:
            grouped.append((start, end, size))
    return grouped

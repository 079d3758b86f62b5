"""Planning of tasks: large files are split, small splits packed into tasks.

Only files large enough for several tasks are inspected on the driver: their first bytes, the headers of a tar, the
footer of a Parquet table. Everything else is read by the tasks.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import BinaryIO, Final, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.ingest.containers.compression import ExpansionLimit, decompress, detect_compression
from tonality.ingest.containers.streams import DecompressedStream, FileStream, Stream
from tonality.ingest.containers.tar import is_tar, read_tar
from tonality.ingest.formats.detect import detect_format
from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.files import ArchiveFile
from tonality.runtime.storage.urls import filesystem

__all__ = ["Split", "plan_tasks"]

_PEEK_BYTES: Final = 2**16
_TASKS_PER_CORE: Final = 4
"""The least number of tasks per core, so that no core idles long while the last task runs."""
_MIN_TASK_BYTES: Final = 2**20
"""The size below which tasks are not made smaller to occupy all cores."""
_OPENING_BYTES: Final = 2**18
"""The least weight of a split: opening a file takes as long as reading this many bytes."""
_MIN_FILES_PER_TASK: Final = 64
"""The number of small files that fit into a task of any size."""
_INSPECTION_BLOCK: Final = 2**16
"""The read size when a file is inspected: the headers of a tar are 512 bytes each, and far apart."""


class Split(NamedTuple):
    """A file, or a part of it, that one task reads."""

    url: str
    bytes: int
    """The size of the split."""
    part: Literal["all", "lines", "members", "row groups"] = "all"
    start: int = 0
    """The start of the part: a byte offset, or the number of a row group."""
    end: int | None = None
    """The exclusive end; None for the end of the file."""
    number: int = 0
    """The index of the split in the file."""


def plan_tasks(files: Sequence[ArchiveFile], options: ReadOptions) -> list[list[Split]]:
    """The splits of each task. Small splits are packed; the largest tasks come first, so that none of them starts
    last.
    """
    share = sum(file.bytes for file in files) // (options.cores * _TASKS_PER_CORE)
    task_bytes = min(options.task_bytes, max(share, _MIN_TASK_BYTES))
    return _pack((split for file in files for split in _split(file, options, task_bytes)), task_bytes)


def _split(file: ArchiveFile, options: ReadOptions, task_bytes: int) -> list[Split]:
    """The splits of a file: one, unless it is large and can be read from the middle.

    Splittable are JSON lines (plain or bzip2), plain tars (by member) and Parquet (by row group). CSV is not, since
    fields may contain line breaks, nor are gzip and Zstandard streams.
    """
    whole = [Split(file.url, file.bytes)]
    if file.bytes < 2 * task_bytes:
        return whole
    system, path = filesystem(file.url)
    with system.open(path, "rb", block_size=_INSPECTION_BLOCK) as opened:
        stream = FileStream(opened)
        start = stream.peek(_PEEK_BYTES)
        if detect_format(start, options) == "parquet":
            return _splits(file, "row groups", _row_groups(opened, task_bytes)) or whole
        if is_tar(start):
            return _splits(file, "members", _members(stream, file.bytes, task_bytes))
        if _holds_json_lines(stream, start, options):
            cuts = [*range(0, file.bytes - task_bytes // 2, task_bytes), file.bytes]
            return _splits(file, "lines", [(begin, end, end - begin) for begin, end in pairwise(cuts)])
    return whole


def _pack(splits: Iterable[Split], task_bytes: int) -> list[list[Split]]:
    """Tasks of splits with neighbouring URLs: file names usually contain dates, so a task's tweets span few days."""
    tasks: list[list[Split]] = []
    filled = 0
    opening_bytes = min(_OPENING_BYTES, task_bytes // _MIN_FILES_PER_TASK)
    for split in sorted(splits, key=lambda split: (split.url, split.number)):
        weight = max(split.bytes, opening_bytes)
        if not tasks or filled + weight > task_bytes:
            tasks.append([])
            filled = 0
        tasks[-1].append(split)
        filled += weight
    return sorted(tasks, key=lambda task: -sum(split.bytes for split in task))


_Part = tuple[int, int | None, int]
"""Start, end and bytes."""


def _splits(file: ArchiveFile, part: Literal["lines", "members", "row groups"], parts: list[_Part]) -> list[Split]:
    parts[-1:] = [(start, None, size) for start, _, size in parts[-1:]]  # the last part extends to the end of the file
    return [Split(file.url, size, part, start, end, number) for number, (start, end, size) in enumerate(parts)]


def _holds_json_lines(stream: Stream, start: bytes, options: ReadOptions) -> bool:
    compression = detect_compression(start)
    if compression == "bzip2":
        start = DecompressedStream(lambda: decompress(stream, compression, ExpansionLimit(options.max_expansion))).peek(
            _PEEK_BYTES
        )
    elif compression:
        return False
    return not is_tar(start) and detect_compression(start) is None and detect_format(start, options) == "json"


def _row_groups(file: BinaryIO, task_bytes: int) -> list[_Part]:
    """Ranges of row groups; none if the file's metadata cannot be read."""
    try:
        metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        return []
    sizes = [
        sum(group.column(index).total_compressed_size for index in range(group.num_columns))
        for group in (metadata.row_group(number) for number in range(metadata.num_row_groups))
    ]
    return _merged([(number, number + 1, size) for number, size in enumerate(sizes)], task_bytes)


def _members(stream: Stream, size: int, task_bytes: int) -> list[_Part]:
    """Byte ranges of a tar, split between members."""
    cuts = sorted({0, size, *(member.begin for member in read_tar(stream) if not member.damage)})
    return _merged([(begin, end, end - begin) for begin, end in pairwise(cuts)], task_bytes)


def _merged(parts: Iterable[tuple[int, int, int]], task_bytes: int) -> list[_Part]:
    """Adjacent parts merged, up to a task's bytes."""
    merged: list[_Part] = []
    for start, end, size in parts:
        if merged and merged[-1][2] + size <= task_bytes:
            merged[-1] = (merged[-1][0], end, merged[-1][2] + size)
        else:
            merged.append((start, end, size))
    return merged

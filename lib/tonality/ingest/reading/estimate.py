"""An estimate of a pass over an archive, its tweets and its duration, from the beginnings of some files."""

import io
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from posixpath import basename
from typing import BinaryIO, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.ingest.containers.compression import ExpansionLimit, detect_compression
from tonality.ingest.containers.streams import FileStream, Stream
from tonality.ingest.containers.walk import walk_stream
from tonality.ingest.formats.detect import detect_format
from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.files import ArchiveFile
from tonality.ingest.planning.splits import Split
from tonality.ingest.reading.task import read_split
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.storage.urls import filesystem

__all__ = ["GroupEstimate", "estimate", "format_estimate"]

_SAMPLED_FILES: Final = 4
_SAMPLED_BYTES: Final = 2**22
_PEEK_BYTES: Final = 2**16
_ENDING: Final = re.compile(r"(\.[A-Za-z][A-Za-z0-9]*)*$")
_NAMES: Final = {
    "json": "JSON lines",
    "csv": "CSV",
    "known table": "table",
    "parquet": "Parquet",
    "unsupported": "unsupported format",
}
_WHOLE_JOB: Final = 1.4
"""The duration of the job relative to reading: it also deduplicates, writes the days and verifies the counts."""


class GroupEstimate(NamedTuple):
    """The estimate of a group of files with the same name ending."""

    format: str
    """Compression and content, in words."""
    files: int
    bytes: int
    tweets: float
    """The estimated number of kept tweets."""
    core_seconds: float
    """The estimated time on one core."""
    others: Counter[str]
    """Other outcomes in the sampled data: filtered, notices, reasons of rejects, damage."""


def estimate(files: Sequence[ArchiveFile], options: ReadOptions) -> list[GroupEstimate]:
    """Group files by the ending of their names and estimate each group from the beginnings of a few of its files."""
    by_ending: defaultdict[str, list[ArchiveFile]] = defaultdict(list)
    for file in files:
        by_ending[_ending(file.url)].append(file)
    return [_estimate_group(ending, group, options) for ending, group in sorted(by_ending.items())]


def format_estimate(groups: Sequence[GroupEstimate], tasks: int, cores: int | None) -> str:
    """The groups as a table, with the total time on one core and, for local runs, on this machine's cores."""
    lines = [f"  {'tweets, about':>16}  {'files':>9}  {'bytes':>18}  format"]
    lines += [f"  {group.tweets:>16,.0f}  {group.files:>9,}  {group.bytes:>18,}  {group.format}" for group in groups]
    lines += [f"  no tweet was found in the sampled part of {_contents(group)}" for group in groups if not group.tweets]
    seconds = sum(group.core_seconds for group in groups)
    local = f", {_duration(seconds / cores)} on {cores} cores" if cores else ""
    total = f"{counted(tasks, 'task')}, about {_duration(seconds)} on one core{local}"
    return "\n".join([*lines, f"  {total}, without Spark's start-up", "Nothing was written."])


def _contents(group: GroupEstimate) -> str:
    """The format of a group without tweets, and its other contents."""
    found = ", ".join(f"{count:,} {outcome}" for outcome, count in group.others.most_common())
    return f"{group.format}: {found}" if found else group.format


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 5400 else f"{max(seconds / 60, 1):,.0f} min"


def _ending(url: str) -> str:
    found = _ENDING.search(basename(url))
    return found[0] if found else ""


def _estimate_group(ending: str, files: Sequence[ArchiveFile], options: ReadOptions) -> GroupEstimate:
    samples = [_sample(file, options) for file in _spread([file for file in files if file.bytes])]
    size = sum(file.bytes for file in files)
    sampled = sum(sample.bytes for sample in samples)
    scale = size / sampled if sampled else 0
    formats = ", ".join(dict.fromkeys(sample.format for sample in samples)) or "empty"
    return GroupEstimate(
        format=f"{ending} ({formats})" if ending else formats,
        files=len(files),
        bytes=size,
        tweets=scale * sum(sample.tweets for sample in samples),
        core_seconds=scale * sum(sample.core_seconds for sample in samples) * _WHOLE_JOB,
        others=sum((sample.others for sample in samples), Counter()),
    )


def _spread(files: Sequence[ArchiveFile]) -> Iterable[ArchiveFile]:
    """Some files, evenly spread over the archive since months differ."""
    step = max(1, len(files) // _SAMPLED_FILES)
    return files[step // 2 :: step][:_SAMPLED_FILES]


def _sample(file: ArchiveFile, options: ReadOptions) -> GroupEstimate:
    """The counts of a file's beginning, as a group of its own."""
    system, path = filesystem(file.url)
    with system.open(path, "rb") as opened:
        name = _format(FileStream(opened), options)
        opened.seek(0)
        if name == _NAMES["parquet"]:
            return _sample_parquet(file, opened, options)
        start = opened.read(_SAMPLED_BYTES)
    return _timed(name, Split(file.url, len(start)), io.BytesIO(start), options)


def _sample_parquet(file: ArchiveFile, opened: BinaryIO, options: ReadOptions) -> GroupEstimate:
    """The counts of one row group, scaled by rows: Parquet is read from its end, and files may be of any size."""
    name = _NAMES["parquet"]
    nothing = GroupEstimate(name, 1, file.bytes, 0, 0, Counter())
    if options.format != "table":
        return nothing
    try:
        metadata = pq.read_metadata(opened)
    except (pa.ArrowException, OSError):
        return nothing
    middle = metadata.num_row_groups // 2
    rows = metadata.row_group(middle).num_rows if metadata.num_row_groups else 0
    if not rows:
        return nothing
    share = max(1, file.bytes * rows // metadata.num_rows)
    return _timed(name, Split(file.url, share, "row groups", middle, middle + 1), opened, options)


def _timed(name: str, split: Split, file: BinaryIO, options: ReadOptions) -> GroupEstimate:
    """Read a split, count its outcomes and measure the CPU time."""
    started = time.process_time()
    tweets, others = 0, Counter[str]()
    for batch in read_split(split, file, options):
        if batch["kind"][0].as_py() == "tweet":
            tweets += batch.num_rows
        else:
            others.update(_others(batch))
    return GroupEstimate(name, 1, split.bytes, tweets, time.process_time() - started, others)


def _others(batch: pa.RecordBatch) -> Iterator[str]:
    """The outcomes of records that are not kept tweets, one for each record, and damage."""
    for row in batch.select(["kind", "reason", "notices", "filtered", "damage"]).to_pylist():
        if row["kind"] == "reject":
            yield row["reason"]
        elif row["kind"] == "account":
            yield from ["notices"] * row["notices"] + ["filtered"] * row["filtered"]
            yield from [row["damage"]] if row["damage"] else []


def _format(stream: Stream, options: ReadOptions) -> str:
    """Compression and content of a file, as in `gzip JSON lines`; a tar's content is that of its first member."""
    start = stream.peek(_PEEK_BYTES)
    if detect_format(start, options) == "parquet":
        return _NAMES["parquet"]
    words = [detect_compression(start) or ""]
    for member in walk_stream("", stream, ExpansionLimit(options.max_expansion)):
        words += ["tar of"] if member.name else []
        if member.stream:
            words.append(_NAMES[detect_format(member.stream.peek(_PEEK_BYTES), options)])
            break
    return " ".join(filter(None, words))

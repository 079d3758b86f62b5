"""What a pass over an archive would meet and how long it would take, told by reading the beginning of some files."""

import io
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from posixpath import basename
from typing import BinaryIO, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.ingest.containers.compression import Expansion, compression_of
from tonality.ingest.containers.streams import FileStream, Stream
from tonality.ingest.containers.walk import find_members_in
from tonality.ingest.formats.detect import form_of
from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.files import ArchiveFile
from tonality.ingest.planning.splits import Split
from tonality.ingest.reading.task import read_opened
from tonality.runtime.storage.urls import filesystem

__all__ = ["SampledFiles", "estimate", "in_words"]

_SAMPLED_FILES: Final = 4
_SAMPLED_BYTES: Final = 2**22
_PEEK_BYTES: Final = 2**16
_ENDING: Final = re.compile(r"(\.[A-Za-z][A-Za-z0-9]*)*$")
_NAMES: Final = {
    "json": "JSON lines",
    "csv": "CSV",
    "known table": "table",
    "parquet": "Parquet",
    "foreign": "no form that is read",
}
_WHOLE_JOB: Final = 1.4
"""How much longer the job takes than its reading: duplicates are told apart, days written, counts verified."""


class SampledFiles(NamedTuple):
    """Files of one form."""

    form: str
    """In words: how they are packed and what they hold."""
    files: int
    bytes: int
    tweets: float
    """About how many would be kept."""
    core_seconds: float
    """About how long one core would work on them."""
    others: Counter[str]
    """What else was found in what was read: filtered, notices, reasons of rejects, damage."""


def estimate(files: Sequence[ArchiveFile], options: ReadOptions) -> list[SampledFiles]:
    """The files by the endings of their names, each group by the beginning of a few of its files."""
    by_ending: defaultdict[str, list[ArchiveFile]] = defaultdict(list)
    for file in files:
        by_ending[_ending(file.url)].append(file)
    return [_group(ending, group, options) for ending, group in sorted(by_ending.items())]


def in_words(groups: Sequence[SampledFiles], tasks: int, cores: int | None) -> str:
    """The groups as a table, and about how long so many tasks take, on the cores of this machine too where it is one's
    own."""
    lines = [f"  {'tweets, about':>16}  {'files':>9}  {'bytes':>18}  form"]
    lines += [f"  {group.tweets:>16,.0f}  {group.files:>9,}  {group.bytes:>18,}  {group.form}" for group in groups]
    lines += [f"  no tweet was found in what was read of {_instead(group)}" for group in groups if not group.tweets]
    seconds = sum(group.core_seconds for group in groups)
    here = f", {_time(seconds / cores)} on {cores} cores" if cores else ""
    said = f"{tasks:,} {'task' if tasks == 1 else 'tasks'}, about {_time(seconds)} of one core{here}"
    return "\n".join([*lines, f"  {said}; Spark's start aside", "Nothing was written."])


def _instead(group: SampledFiles) -> str:
    """The form of a group without a tweet, and what it has instead."""
    found = ", ".join(f"{count:,} {what}" for what, count in group.others.most_common())
    return f"{group.form}: {found}" if found else group.form


def _time(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 5400 else f"{max(seconds / 60, 1):,.0f} min"


def _ending(url: str) -> str:
    found = _ENDING.search(basename(url))
    return found[0] if found else ""


def _group(ending: str, files: Sequence[ArchiveFile], options: ReadOptions) -> SampledFiles:
    samples = [_sample(file, options) for file in _spread([file for file in files if file.bytes])]
    size = sum(file.bytes for file in files)
    read = sum(sample.bytes for sample in samples)
    scale = size / read if read else 0
    forms = ", ".join(dict.fromkeys(sample.form for sample in samples)) or "empty"
    tweets = scale * sum(sample.tweets for sample in samples)
    seconds = scale * sum(sample.core_seconds for sample in samples)
    others = sum((sample.others for sample in samples), Counter())
    return SampledFiles(
        f"{ending} ({forms})" if ending else forms, len(files), size, tweets, seconds * _WHOLE_JOB, others
    )


def _spread(files: Sequence[ArchiveFile]) -> Iterable[ArchiveFile]:
    """Some files from all over the archive: months differ."""
    step = max(1, len(files) // _SAMPLED_FILES)
    return files[step // 2 :: step][:_SAMPLED_FILES]


def _sample(file: ArchiveFile, options: ReadOptions) -> SampledFiles:
    system, path = filesystem(file.url)
    with system.open(path, "rb") as opened:
        form = _form(FileStream(opened), options)
        opened.seek(0)
        if form == _NAMES["parquet"]:
            return _sample_parquet(file, opened, options)
        start = opened.read(_SAMPLED_BYTES)
    return _timed(form, Split(file.url, len(start)), io.BytesIO(start), options)


def _sample_parquet(file: ArchiveFile, opened: BinaryIO, options: ReadOptions) -> SampledFiles:
    """One row group, for its share of the rows: a Parquet table is read from its end, and may be of any size."""
    form = _NAMES["parquet"]
    nothing = SampledFiles(form, 1, file.bytes, 0, 0, Counter())
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
    return _timed(form, Split(file.url, share, "row groups", middle, middle + 1), opened, options)


def _timed(form: str, split: Split, file: BinaryIO, options: ReadOptions) -> SampledFiles:
    """A split read, as a group of its own."""
    began = time.process_time()
    tweets, others = 0, Counter[str]()
    for batch in read_opened(split, file, options):
        if batch["kind"][0].as_py() == "tweet":
            tweets += batch.num_rows
        else:
            others.update(_others(batch))
    return SampledFiles(form, 1, split.bytes, tweets, time.process_time() - began, others)


def _others(batch: pa.RecordBatch) -> Iterator[str]:
    """What records that are no tweets turned out to be, each once."""
    for row in batch.select(["kind", "reason", "notices", "filtered", "damage"]).to_pylist():
        if row["kind"] == "reject":
            yield row["reason"]
        elif row["kind"] == "account":
            yield from ["notices"] * row["notices"] + ["filtered"] * row["filtered"]
            yield from [row["damage"]] if row["damage"] else []


def _form(stream: Stream, options: ReadOptions) -> str:
    """How a file is packed and what it holds, as `gzip JSON lines`, of a tar its first member."""
    start = stream.peek(_PEEK_BYTES)
    if form_of(start, options) == "parquet":
        return _NAMES["parquet"]
    words = [compression_of(start) or ""]
    for source in find_members_in("", stream, Expansion(options.max_expansion)):
        words += ["tar of"] if source.name else []
        if source.stream:
            words.append(_NAMES[form_of(source.stream.peek(_PEEK_BYTES), options)])
            break
    return " ".join(filter(None, words))

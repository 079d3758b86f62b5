"""The sample on disk: the archive by day, the corpus, and beside the archive what was planted in it."""

import bz2
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from itertools import islice
from typing import IO, Final, cast

import orjson
from fsspec import AbstractFileSystem

from tonality.ingest.synthetic.archive_lines import Planted, Stream
from tonality.ingest.synthetic.labelled_corpus import corpus_lines, wrong_count
from tonality.ingest.synthetic.timeline import DAYS
from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, POSITIVE
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["SampleSummary", "write_sample"]

_DAY_FILE: Final = re.compile(r"\d{4}-\d\d-\d\d\.json\.(gz|bz2)")
_CORPUS_FILE: Final = re.compile(r"(positive|negative)\.csv")
_LINES_AT_ONCE: Final = 256
"""Lines that are compressed in one call."""


@dataclass(frozen=True)
class SampleSummary:
    """What was written: the archive's files and lines, what the lines are, and the corpus's rows."""

    files: int
    lines: int
    tweets: int
    """Distinct Russian tweets, retweets included."""
    positive: int
    neutral: int
    negative: int
    other_languages: int
    notices: int
    duplicates: int
    broken: int
    labelled: int
    wrong_labels: int


def write_sample(
    archive: str, corpus: str, seed: int, tweets: int, labelled: int, wrong_labels: float
) -> SampleSummary:
    """Write a synthetic archive and labelled corpus, the same bytes for the same arguments.

    `archive` and `corpus` are folders, local or as fsspec knows them; an older sample in them is replaced. `tweets` is
    the number of the archive's lines, notices and broken ones included, `labelled` the rows of the corpus, half of each
    label, and `wrong_labels` the share of them whose label is wrong. What was planted goes to truth.csv (by day) and
    truth.json (by file) in the folder that `archive` lies in. An odd `seed` plants a rising opinion, an even one a
    falling.

    Raises SettingsError, before anything is written, where a folder holds files that are not a sample's.
    """
    archive_system, archive_path = filesystem(archive)
    corpus_system, corpus_path = filesystem(corpus)
    if archive_path == corpus_path:
        raise SettingsError(f"{archive}: archive and corpus are the same folder; give each its own")
    older = [
        (archive_system, _older_files(archive_system, archive_path, _DAY_FILE)),
        (corpus_system, _older_files(corpus_system, corpus_path, _CORPUS_FILE)),
    ]
    beside = archive_path.rstrip("/").rpartition("/")[0]
    truths = [path for path in (join(beside, "truth.csv"), join(beside, "truth.json")) if archive_system.exists(path)]
    for system, files in [(archive_system, truths), *older]:
        for file in files:
            system.rm_file(file)

    archive_system.makedirs(archive_path, exist_ok=True)
    corpus_system.makedirs(corpus_path, exist_ok=True)
    planted, tones = _write_archive(archive_system, archive_path, seed, tweets)
    sides = {POSITIVE: (labelled + 1) // 2, NEGATIVE: labelled // 2}
    for label, count in sides.items():
        with corpus_system.open(join(corpus_path, f"{label}.csv"), "wb") as file:
            file.writelines(line.encode() for line in corpus_lines(seed, label, count, wrong_labels))
    archive_system.pipe_file(join(beside, "truth.csv"), _truth_by_day(tones))
    archive_system.pipe_file(join(beside, "truth.json"), _truth_by_file(seed, planted))
    return _summary(planted, tones, sides, wrong_labels)


def _older_files(system: AbstractFileSystem, folder: str, ours: re.Pattern[str]) -> list[str]:
    """An older sample's files in a folder, by name."""
    if not system.exists(folder):
        return []
    if not system.isdir(folder):
        raise SettingsError(f"{folder}: is a file, expected a folder for the sample")
    files = sorted(str(file).rstrip("/") for file in system.ls(folder, detail=False))
    files = [file for file in files if file != folder.rstrip("/")]  # object stores list the folder itself
    for file in files:
        name = file.rpartition("/")[2]
        if not ours.fullmatch(name):
            raise SettingsError(f"{folder}: holds {name}, which is no sample's; name an empty folder or a new one")
    return files


def _write_archive(
    system: AbstractFileSystem, folder: str, seed: int, tweets: int
) -> tuple[dict[str, Planted], dict[date, Counter[str]]]:
    stream = Stream(seed, tweets)
    planted = {}
    for number, day in enumerate(DAYS):
        name = f"{day}.json.{'bz2' if number % 2 else 'gz'}"
        planted[name] = Planted()
        with _compressed(system, join(folder, name)) as file:
            _write_lines(file, stream.lines(number, planted[name]))
    return planted, stream.tones


@contextmanager
def _compressed(system: AbstractFileSystem, path: str) -> Iterator[IO[bytes]]:
    with system.open(path, "wb") as raw:
        if path.endswith(".bz2"):
            # The smallest blocks: written fastest, and the most of them for a reader that splits files.
            with bz2.BZ2File(raw, "wb", compresslevel=1) as file:
                yield cast(IO[bytes], file)
        else:
            # Neither a name nor a time in the header, or no two files would be equal.
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as file:
                yield cast(IO[bytes], file)


def _write_lines(file: IO[bytes], lines: Iterator[bytes]) -> None:
    while batch := list(islice(lines, _LINES_AT_ONCE)):
        file.write(b"\n".join(batch) + b"\n")


def _truth_by_day(tones: dict[date, Counter[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("day", "tweets", POSITIVE, NEUTRAL, NEGATIVE, "positive_share"))
    for day, counts in sorted(tones.items()):
        positive, negative = counts[POSITIVE], counts[NEGATIVE]
        share = f"{positive / (positive + negative):.4f}" if positive + negative else ""
        writer.writerow((day, counts.total(), positive, counts[NEUTRAL], negative, share))
    return text.getvalue().encode()


def _truth_by_file(seed: int, planted: dict[str, Planted]) -> bytes:
    files = {name: asdict(counts) for name, counts in planted.items()}
    return orjson.dumps({"seed": seed, "files": files}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _summary(
    planted: dict[str, Planted], tones: dict[date, Counter[str]], sides: dict[str, int], wrong_labels: float
) -> SampleSummary:
    of_tone = sum(tones.values(), Counter[str]())
    files: Iterable[Planted] = planted.values()
    return SampleSummary(
        files=len(planted),
        lines=sum(file.lines for file in files),
        tweets=of_tone.total(),
        positive=of_tone[POSITIVE],
        neutral=of_tone[NEUTRAL],
        negative=of_tone[NEGATIVE],
        other_languages=sum(file.other_languages for file in files),
        notices=sum(file.notices for file in files),
        duplicates=sum(file.duplicates for file in files),
        broken=sum(file.broken for file in files),
        labelled=sum(sides.values()),
        wrong_labels=sum(wrong_count(count, wrong_labels) for count in sides.values()),
    )

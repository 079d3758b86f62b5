"""Writing of the sample: the archive by day, the corpus, and the ground truth beside the archive."""

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

from tonality.ingest.synthetic.archive_lines import ArchiveGenerator, PlantedCounts
from tonality.ingest.synthetic.labelled_corpus import corpus_lines, mislabelled_count
from tonality.ingest.synthetic.timeline import DAYS
from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, POSITIVE
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["SampleSummary", "write_sample"]

_DAY_FILE: Final = re.compile(r"\d{4}-\d\d-\d\d\.json\.(gz|bz2)")
_CORPUS_FILE: Final = re.compile(r"(positive|negative)\.csv")
_LINES_PER_CALL: Final = 256
"""Lines compressed by one call."""


@dataclass(frozen=True)
class SampleSummary:
    """The counts of the sample: the archive's files and lines, lines by kind, and the corpus's rows."""

    files: int
    lines: int
    tweets: int
    """Distinct Russian tweets, including retweets."""
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
    """Write a synthetic archive and labelled corpus; the same arguments give the same bytes.

    `archive` and `corpus` are folders, local or on a file system of fsspec; an existing sample is replaced. `tweets` is
    the number of lines in the archive, including notices and broken ones, `labelled` the number of rows in the corpus,
    half of each label, and `wrong_labels` the share of wrong labels. The ground truth is written to truth.csv (by day)
    and truth.json (by file) in the parent folder of `archive`. The planted opinion rises for odd seeds and falls for
    even ones.

    Raises SettingsError, before writing, if a folder contains files that do not belong to a sample.
    """
    archive_system, archive_path = filesystem(archive)
    corpus_system, corpus_path = filesystem(corpus)
    if archive_path == corpus_path:
        raise SettingsError(f"{archive}: archive and corpus are the same folder; expected two folders")
    existing = [
        (archive_system, _existing_files(archive_system, archive_path, _DAY_FILE)),
        (corpus_system, _existing_files(corpus_system, corpus_path, _CORPUS_FILE)),
    ]
    parent = archive_path.rstrip("/").rpartition("/")[0]
    truths = [path for path in (join(parent, "truth.csv"), join(parent, "truth.json")) if archive_system.exists(path)]
    for system, files in [(archive_system, truths), *existing]:
        for file in files:
            system.rm_file(file)

    archive_system.makedirs(archive_path, exist_ok=True)
    corpus_system.makedirs(corpus_path, exist_ok=True)
    planted, tones = _write_archive(archive_system, archive_path, seed, tweets)
    rows = {POSITIVE: (labelled + 1) // 2, NEGATIVE: labelled // 2}
    for label, count in rows.items():
        with corpus_system.open(join(corpus_path, f"{label}.csv"), "wb") as file:
            file.writelines(line.encode() for line in corpus_lines(seed, label, count, wrong_labels))
    archive_system.pipe_file(join(parent, "truth.csv"), _truth_by_day(tones))
    archive_system.pipe_file(join(parent, "truth.json"), _truth_by_file(seed, planted))
    return _summary(planted, tones, rows, wrong_labels)


def _existing_files(system: AbstractFileSystem, folder: str, pattern: re.Pattern[str]) -> list[str]:
    """The files of an existing sample in a folder, sorted. Raises SettingsError on any other file."""
    if not system.exists(folder):
        return []
    if not system.isdir(folder):
        raise SettingsError(f"{folder}: is a file, expected a folder for the sample")
    files = sorted(str(file).rstrip("/") for file in system.ls(folder, detail=False))
    files = [file for file in files if file != folder.rstrip("/")]  # object stores list the folder itself
    for file in files:
        name = file.rpartition("/")[2]
        if not pattern.fullmatch(name):
            raise SettingsError(
                f"{folder}: holds {name}, which belongs to no sample; expected an empty or a new folder"
            )
    return files


def _write_archive(
    system: AbstractFileSystem, folder: str, seed: int, tweets: int
) -> tuple[dict[str, PlantedCounts], dict[date, Counter[str]]]:
    generator = ArchiveGenerator(seed, tweets)
    planted = {}
    for number, day in enumerate(DAYS):
        name = f"{day}.json.{'bz2' if number % 2 else 'gz'}"
        planted[name] = PlantedCounts()
        with _compressed(system, join(folder, name)) as file:
            _write_lines(file, generator.lines(number, planted[name]))
    return planted, generator.tones


@contextmanager
def _compressed(system: AbstractFileSystem, path: str) -> Iterator[IO[bytes]]:
    with system.open(path, "wb") as raw:
        if path.endswith(".bz2"):
            # the smallest blocks: fast to write, and many for readers that split files
            with bz2.BZ2File(raw, "wb", compresslevel=1) as file:
                yield cast(IO[bytes], file)
        else:
            # no name and no time in the header, so that equal contents give equal files
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as file:
                yield cast(IO[bytes], file)


def _write_lines(file: IO[bytes], lines: Iterator[bytes]) -> None:
    while batch := list(islice(lines, _LINES_PER_CALL)):
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


def _truth_by_file(seed: int, planted: dict[str, PlantedCounts]) -> bytes:
    files = {name: asdict(counts) for name, counts in planted.items()}
    return orjson.dumps({"seed": seed, "files": files}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _summary(
    planted: dict[str, PlantedCounts], tones: dict[date, Counter[str]], rows: dict[str, int], wrong_labels: float
) -> SampleSummary:
    by_tone = sum(tones.values(), Counter[str]())
    files: Iterable[PlantedCounts] = planted.values()
    return SampleSummary(
        files=len(planted),
        lines=sum(file.lines for file in files),
        tweets=by_tone.total(),
        positive=by_tone[POSITIVE],
        neutral=by_tone[NEUTRAL],
        negative=by_tone[NEGATIVE],
        other_languages=sum(file.other_languages for file in files),
        notices=sum(file.notices for file in files),
        duplicates=sum(file.duplicates for file in files),
        broken=sum(file.broken for file in files),
        labelled=sum(rows.values()),
        wrong_labels=sum(mislabelled_count(count, wrong_labels) for count in rows.values()),
    )

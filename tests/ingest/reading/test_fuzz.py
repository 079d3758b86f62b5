"""Fuzzing with random damaged archives: records before the damage are kept, all lines counted, nothing crashes.

Every run tests some hundred archives from the same seeds, `make fuzz` thousands from a different first seed each time.
TONALITY_FUZZ is their number, TONALITY_FUZZ_START the first seed, and TONALITY_FUZZ_SEED the seed of a single archive.
"""

import contextlib
import os
import re
import secrets
import signal
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from damaged_archives import Archive, Expectations, draw_archive, expect_records
from planted_records import ANY, COLUMNS, FILTERED, KEPT, NOTICE, REJECT, Filters, Planter, Row

from tonality.ingest.containers import bzip2, compression, streams
from tonality.ingest.planning import splits
from tonality.ingest.planning.files import find_files
from tonality.ingest.planning.splits import plan_tasks
from tonality.ingest.reading import task
from tonality.ingest.reading.task import read_splits
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.storage.schema import STAGED
from tonality.stages import clean

CASES: Final = int(os.environ.get("TONALITY_FUZZ", "400"))
START: Final = int(
    os.environ.get("TONALITY_FUZZ_START") or (secrets.randbelow(10**9) if "TONALITY_FUZZ" in os.environ else 0)
)
ALONE: Final = os.environ.get("TONALITY_FUZZ_SEED")
SEEDS: Final = [int(ALONE)] if ALONE else range(START, START + CASES)
BATCH: Final = 50
"""Cases per test."""
MAX_SECONDS: Final = 60
"""The most seconds of a case, which usually takes some tenths of one."""
OUTCOMES: Final = (KEPT, NOTICE, FILTERED, REJECT)


class Case:
    """An archive of one file, the options for reading it, and the records that must be found."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        self.expected = Filters.drawn(random)
        self.table = random.random() < 0.15
        large = random.random() < 0.1
        self.archive = draw_archive(Planter(random, self.expected), random.random() < 0.6, self.table, large)
        self.expectations = expect_records(self.archive)
        self.read_bytes = random.choice([7, 600, 5000, streams.READ_BYTES])
        if len(self.archive.content) > 10_000:
            self.read_bytes = max(self.read_bytes, 600)
        self.task_bytes = random.choice([300, 4096, 20_000, 2**25])
        self.cores = random.choice([1, 1, 4])
        self.least_bytes = random.choice([200, 2**20])
        self.batch_rows = random.choice([3, 4096])

    def __str__(self) -> str:
        return (
            f"{self.archive.form}, {len(self.archive.content)} bytes, {'; '.join(self.archive.corruptions) or 'undamaged'}, "
            f"read {self.read_bytes} bytes at once, tasks of {self.task_bytes} bytes, {self.cores} cores"
        )

    def fields(self) -> dict[str, Any]:
        """The fields of ReadOptions."""
        fields = {"task_bytes": self.task_bytes, "cores": self.cores, "honour_deletes": True, **self.expected.fields()}
        return fields | ({"columns": COLUMNS, "delimiter": self.archive.delimiter} if self.table else {})

    @contextlib.contextmanager
    def patched(self) -> Iterator[None]:
        """Read in small blocks and batches, so that even small files have boundaries between them."""
        with (
            mock.patch.object(streams, "READ_BYTES", self.read_bytes),
            mock.patch.object(compression, "READ_BYTES", self.read_bytes),
            mock.patch.object(bzip2, "READ_BYTES", self.read_bytes),
            mock.patch.object(splits, "_MIN_TASK_BYTES", self.least_bytes),
            mock.patch.object(task, "_BATCH_ROWS", self.batch_rows),
        ):
            yield


class Found:
    """The rows that a pass found in a file, by source; the file itself is ''."""

    def __init__(self, rows: Iterable[dict[str, Any]], url: str) -> None:
        self.rows: defaultdict[str, defaultdict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            self.rows[row["source"].removeprefix(url)][row["kind"]].append(row)
        for kinds in self.rows.values():
            self._place(kinds)

    @staticmethod
    def _place(kinds: dict[str, list[dict[str, Any]]]) -> None:
        """Convert offsets and lines to those of the file, and sort rows."""
        spans, breaks, bytes_before, breaks_before = {}, {}, 0, 0
        for account in sorted(kinds["account"], key=lambda row: row["split"]):
            spans[account["split"]], breaks[account["split"]] = bytes_before, breaks_before
            bytes_before += account["span"] or 0
            breaks_before += account["breaks"] or 0
        for kind in ("tweet", "reject"):
            for row in kinds[kind]:
                row["offset"] += spans[row["split"]]
                row["line"] += breaks[row["split"]]
            kinds[kind].sort(key=lambda row: (row["split"], row["entry"], row["offset"]))

    def of(self, name: str, kind: str) -> list[dict[str, Any]]:
        """The rows of a source, in order."""
        return self.rows[name][kind] if name in self.rows else []

    def count(self, name: str, outcome: str) -> int:
        """The count of an outcome in a source's accounts."""
        return sum(account[outcome] for account in self.of(name, "account"))

    @property
    def damage(self) -> dict[str, str]:
        """The reported damage, by source."""
        return {
            name: "; ".join(row["damage"] for row in kinds["account"] if row["damage"])
            for name, kinds in self.rows.items()
            if any(row["damage"] for row in kinds["account"])
        }


@pytest.fixture(scope="module")
def check_case(read_options, tmp_path_factory):
    file = tmp_path_factory.mktemp("fuzz") / "file"
    print(f"{len(SEEDS):,} archives, TONALITY_FUZZ_START={SEEDS[0]}")

    def check(seed: int) -> None:
        case = Case(seed)
        file.write_bytes(case.archive.content)
        options = read_options(file, **case.fields())
        with case.patched(), time_limit(MAX_SECONDS):
            tasks = plan_tasks(find_files(options.paths), options)
            batches = [batch for task in tasks for batch in read_splits(task, options)]
        found = Found(pa.Table.from_batches(batches, STAGED).to_pylist(), file.as_uri())
        check_counts(found)
        check_expectations(found, case.expectations, damaged=bool(case.archive.corruptions))
        if case.expectations.doubted and not found.damage:
            planted = Counter(row.what for row in case.archive.planted() if row.where == KEPT)
            got = Counter(row["tweet_id"] for kinds in found.rows.values() for row in kinds["tweet"])
            assert planted <= got, f"no account reports damage, but: {case.expectations.doubted}"
        if (
            not case.table
            and case.archive.corruptions
            and all("cut at" in corruption and ";" not in corruption for corruption in case.archive.corruptions)
        ):
            refuse_inventions(found, case.archive)

    return check


@contextlib.contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Fail on endless loops."""

    def stop(*_) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check_counts(found: Found) -> None:
    """Every record is counted once, and found where it is counted."""
    for name, kinds in found.rows.items():
        for account in kinds["account"]:
            assert account["lines"] == sum(account[outcome] for outcome in OUTCOMES), name
        assert found.count(name, KEPT) == len(kinds["tweet"]), name
        assert found.count(name, REJECT) == len(kinds["reject"]), name
        assert found.count(name, NOTICE) >= len(kinds["delete"]), name


def check_expectations(found: Found, expectations: Expectations, damaged: bool) -> None:
    for name, rows in expectations.exactly.items():
        check_exactly(found, name, rows)
        assert damaged or name not in found.damage, f"{name} is not damaged: {found.damage[name]}"
    for name, rows in expectations.at_least.items():
        check_at_least(found, name, rows)
    for name, (rows, offset, tail) in expectations.cut.items():
        check_cut(found, name, rows, offset, tail)
    for name in expectations.skipped:
        (account,) = found.of(name, "account")
        assert (account["lines"], account["skipped"] != "") == (0, True), name
    if not damaged:
        named = {*expectations.exactly, *expectations.skipped}
        strange = {name for name in found.rows if name not in named and not name.startswith((*expectations.junk, "\0"))}
        assert all(
            not kinds["tweet"] and not found.count(name, "lines") for name in strange for kinds in [found.rows[name]]
        )
    assert found.damage or not expectations.refused, f"no account reports damage, but: {expectations.refused}"


def check_exactly(found: Found, name: str, rows: list[Row]) -> None:
    """A source has exactly these records, each where it was planted."""
    assert found.of(name, "account"), f"{name} has no account"
    unsure = {row.line for row in rows if row.where == ANY}
    sure = {outcome: [row for row in rows if row.where == outcome] for outcome in OUTCOMES}
    tweets = [row for row in found.of(name, "tweet") if row["line"] not in unsure]
    rejects = [row for row in found.of(name, "reject") if row["line"] not in unsure]
    assert [(row["tweet_id"], row["offset"], row["line"]) for row in tweets] == [
        (row.what, row.offset, row.line) for row in sure[KEPT]
    ], name
    assert [(row["reason"], row["offset"], row["line"], row["raw"]) for row in rejects] == [
        (row.what, row.offset, row.line, row.raw[:4096]) for row in sure[REJECT]
    ], name
    deletes = Counter(row["tweet_id"] for row in found.of(name, "delete"))
    assert deletes == Counter(row.what for row in sure[NOTICE] if row.what), name
    for outcome in OUTCOMES:
        assert len(sure[outcome]) <= found.count(name, outcome) <= len(sure[outcome]) + len(unsure), (
            f"{name}: {outcome}"
        )
    assert found.count(name, "lines") == len(rows), name


def check_cut(found: Found, name: str, rows: list[Row], offset: int, tail: bytes) -> None:
    """A truncated source has these records, and a reject with the start of the truncated line."""
    assert found.count(name, "lines") == len(rows) + bool(tail), name
    rejects = [(row["offset"], row["raw"]) for row in found.of(name, "reject") if row["reason"] == "cut-off"]
    assert rejects == ([(offset, tail[:4096])] if tail else []), name


def check_at_least(found: Found, name: str, rows: list[Row]) -> None:
    """A source has at least these records, tweets in order."""
    kept = [row.what for row in rows if row.where == KEPT]
    existing = iter(row["tweet_id"] for row in found.of(name, "tweet"))
    lost = [number for number in kept if number not in existing]
    assert not lost, f"{name}: lost from {lost[0]} on, of {len(kept)} tweets {len(lost)} or fewer"
    rejects = Counter((row["reason"], row["raw"]) for row in found.of(name, "reject"))
    expected = Counter((row.what, row.raw[:4096]) for row in rows if row.where == REJECT)
    assert expected <= rejects, f"{name}: lost rejects: {expected - rejects}"
    for outcome in (NOTICE, FILTERED):
        assert sum(row.where == outcome for row in rows) <= found.count(name, outcome), f"{name}: {outcome}"


def refuse_inventions(found: Found, archive: Archive) -> None:
    """Truncation adds no records, except tweets in lines whose defect was cut off."""
    planted = {row.what for row in archive.planted()}
    rejects = [row.raw for row in archive.planted() if row.where == REJECT]
    strange = [
        number
        for number in (row["tweet_id"] for kinds in found.rows.values() for row in kinds["tweet"])
        if number not in planted and not any(re.search(rb"\b%d\b" % number, raw) for raw in rejects)
    ]
    assert not strange


@pytest.mark.slow
@pytest.mark.parametrize("begin", range(0, len(SEEDS), BATCH), ids=lambda begin: f"from {SEEDS[begin]}")
def test_nothing_is_lost_before_damage_and_every_line_is_counted(check_case, begin: int) -> None:
    for seed in SEEDS[begin : begin + BATCH]:
        try:
            check_case(seed)
        except Exception as error:
            raise AssertionError(f"TONALITY_FUZZ_SEED={seed}: {Case(seed)}") from error


def test_a_folder_of_damaged_archives_is_cleaned_and_fully_counted(spark, tmp_path: Path) -> None:
    cases = fuzzed_folder(tmp_path / "archive", 100)
    expected = cases[0].expected
    settings = load(
        overrides=[
            f"paths.archive={tmp_path}/archive",
            f"paths.root={tmp_path}/root",
            f"archive.languages={list(expected.languages)}",
            f"archive.since={expected.since}",
            f"archive.until={expected.until}",
            f"archive.retweets={expected.retweets}",
            f"archive.max_record={expected.max_record}",
        ]
    )
    with Run("clean", settings) as record:
        clean.run(settings, record, spark)

    rows = {
        table: ds.dataset(tmp_path / "root" / table, partitioning="hive", format="parquet").to_table().to_pylist()
        for table in ("tweets", "rejects", "accounts")
    }
    for account in rows["accounts"]:
        outcomes = ("tweets", "notices", "filtered", "duplicates", "rejects")
        assert account["lines"] == sum(account[outcome] for outcome in outcomes), account["source"]
    assert sum(account["tweets"] for account in rows["accounts"]) == len(rows["tweets"])
    assert sum(account["rejects"] for account in rows["accounts"]) == len(rows["rejects"])
    for number, case in enumerate(cases):
        if not case.archive.corruptions:
            check_tables(rows, (tmp_path / "archive" / f"{number}.json").as_uri(), case)


class Fixed(Case):
    """A case with the same filters as all others in its folder."""

    def __init__(self, seed: int) -> None:
        random = Random(f"folder {seed}")
        self.expected = Filters(("ru", "uk"), date(2015, 12, 5), date(2015, 12, 20), "drop")
        self.archive = draw_archive(Planter(random, self.expected), damaged=random.random() < 0.5)
        self.expectations = expect_records(self.archive)


def fuzzed_folder(folder: Path, size: int) -> list[Fixed]:
    folder.mkdir()
    cases = [Fixed(seed) for seed in range(START, START + size)]
    for number, case in enumerate(cases):
        (folder / f"{number}.json").write_bytes(case.archive.content)
    return cases


def check_tables(rows: dict[str, list[dict[str, Any]]], url: str, case: Case) -> None:
    """For an undamaged file, the tables hold the planted records, and one row for duplicate tweets."""
    for name, planted in case.expectations.exactly.items():
        source = url + name
        where = f"{source}: {case.archive.form}"
        sure = {outcome: [row for row in planted if row.where == outcome] for outcome in OUTCOMES}
        unsure = {row.line for row in planted if row.where == ANY}
        (account,) = (row for row in rows["accounts"] if row["source"] == source)
        assert (account["lines"], account["damage"], account["skipped"]) == (len(planted), "", ""), where
        assert {row.what for row in sure[KEPT]} <= {row["tweet_id"] for row in rows["tweets"]}, where
        tweets = {row["tweet_id"] for row in rows["tweets"] if row["source"] == source}
        assert tweets <= {row.what for row in planted if row.where in (KEPT, ANY)}, where
        kept = account["tweets"] + account["duplicates"]
        for outcome, count in ((KEPT, kept), *((outcome, account[outcome]) for outcome in OUTCOMES[1:])):
            assert len(sure[outcome]) <= count <= len(sure[outcome]) + len(unsure), f"{where}: {outcome}"
        rejects = [row for row in rows["rejects"] if row["source"] == source and row["line"] not in unsure]
        assert sorted((row["offset"], row["line"], row["reason"]) for row in rejects) == sorted(
            (row.offset, row.line, row.what) for row in sure[REJECT]
        ), where

"""clean, on the real Spark: archives of every kind, read once, day by day, with nothing lost in silence."""

import bz2
import ctypes
import gzip
import io
import json
import os
import struct
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.stages import clean

pytestmark = pytest.mark.slow

OUTCOMES = ["tweets", "notices", "filtered", "duplicates", "rejects"]
Clean = Callable[..., str]


def tweet(number: int, day: int = 10, text: str = "смотрели кино", hashtags: tuple[str, ...] = ()) -> bytes:
    return json.dumps(
        {
            "created_at": f"Thu Dec {day} 08:01:02 +0000 2015",
            "id": number,
            "text": text,
            "lang": "ru",
            "entities": {"hashtags": [{"text": tag} for tag in hashtags]},
        }
    ).encode()


def delete(number: int) -> bytes:
    return json.dumps({"delete": {"status": {"id": number, "user_id": 2}}}).encode()


def lines(*records: bytes) -> bytes:
    return b"".join(record + b"\n" for record in records)


def tar(*members: tuple[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
        for name in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            packed.addfile(entry)
    return file.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def clean_archive(spark: SparkSession, archive: Path, root: Path) -> Clean:
    """Cleans the archive into the root, with further settings as for --set."""

    def run(*overrides: str) -> str:
        settings = load(overrides=[f"paths.archive={archive}", f"paths.root={root}", *overrides])
        with Run("clean", settings) as record:
            return clean.run(settings, record, spark)

    return run


def rows(root: Path, table: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (
        ds.dataset(root / table, partitioning="hive", format="parquet").to_table().to_pylist()
    )
    return found


def ids(root: Path) -> list[object]:
    return sorted(row["tweet_id"] for row in rows(root, "tweets"))  # type: ignore[type-var]


def account(root: Path, ending: str) -> dict[str, object]:
    (found,) = [row for row in rows(root, "accounts") if str(row["source"]).endswith(ending)]
    return found


def test_a_tar_of_minutes_is_accounted_for_member_by_member(archive: Path, root: Path, clean_archive: Clean) -> None:
    minutes = [(f"12/{n:02}.json.bz2", bz2.compress(lines(tweet(n), b"", b"{"))) for n in range(1, 5)]
    (archive / "december.tar").write_bytes(tar(*minutes, ("13.json", lines(tweet(1)[:20])), links=("passwd",)))
    summary = clean_archive()
    assert ids(root) == [1, 2, 3, 4]
    counts = {
        str(row["source"]).partition("!")[2]: [row[name] for name in ("lines", *OUTCOMES)]
        for row in rows(root, "accounts")
    }
    assert counts == {f"12/{n:02}.json.bz2": [3, 1, 1, 0, 0, 1] for n in range(1, 5)} | {
        "13.json": [1, 0, 0, 0, 0, 1],
        "passwd": [0] * 6,
    }
    assert account(root, "!passwd")["skipped"] == "a symbolic link to /etc/passwd"
    assert "1 tar entries were not read" in summary


def test_members_with_the_same_name_are_distinguished(archive: Path, root: Path, clean_archive: Clean) -> None:
    same = ("x.json", lines(tweet(1), tweet(2)))
    (archive / "a.tar").write_bytes(tar(same, same, ("x.json", lines(tweet(3), tweet(2), tweet(4)))))
    clean_archive()
    assert ids(root) == [1, 2, 3, 4]
    assert [account(root, "!x.json")[name] for name in ("lines", *OUTCOMES)] == [7, 4, 0, 0, 3, 0]


def test_names_that_are_not_utf8_are_written_with_escapes(archive: Path, root: Path, clean_archive: Clean) -> None:
    Path(os.fsdecode(os.fsencode(archive) + b"/caf\xe9.json")).write_bytes(lines(tweet(1)))
    clean_archive()
    assert str(rows(root, "tweets")[0]["source"]).endswith(("caf\\udce9.json", "caf%E9.json"))


def test_rejects_of_a_file_read_in_splits_have_their_offsets_in_the_file(
    archive: Path, root: Path, clean_archive: Clean
) -> None:
    records = [b"{broken %d" % n if n % 97 == 0 else tweet(n) for n in range(1, 3001)]
    (archive / "a.json").write_bytes(lines(*records))
    (archive / "b.json.bz2").write_bytes(
        bz2.compress(lines(*(r.replace(b'"id": ', b'"id": 9000') for r in records)), 1)
    )
    clean_archive("archive.task_bytes=4096")
    content = lines(*records)
    for ending, whole in (("a.json", content), ("b.json.bz2", bz2.decompress((archive / "b.json.bz2").read_bytes()))):
        rejects = [row for row in rows(root, "rejects") if str(row["source"]).endswith(ending)]
        assert sorted(row["line"] for row in rejects) == list(range(97, 3001, 97))  # type: ignore[type-var]
        for row in rejects:
            place, raw = row["offset"], row["raw"]
            assert isinstance(place, int) and isinstance(raw, bytes)
            assert whole[place : place + len(raw)] == raw
    assert account(root, "a.json")["lines"] == 3000


def test_damage_is_reported_with_its_place_and_the_rest_is_published(
    archive: Path, root: Path, clean_archive: Clean
) -> None:
    sound = gzip.compress(lines(tweet(1), tweet(2)))
    (archive / "a.json.gz").write_bytes(sound + gzip.compress(lines(*map(tweet, range(3, 400))))[:30])
    (archive / "b.json.gz").write_bytes(sound.replace(b"", b"", 1))
    (archive / "c.json.gz").write_bytes(gzip.compress(lines(tweet(5)))[:-6] + b"\0\0" + b"\1\0\0\0")
    summary = clean_archive()
    assert ids(root)[:2] == [1, 2]
    assert 5 in ids(root)
    assert str(account(root, "a.json.gz")["damage"]).startswith(
        f"gzip stream cut off at compressed byte {len(sound) + 30}"
    )
    assert account(root, "b.json.gz")["damage"] == ""
    assert "incorrect" in str(account(root, "c.json.gz")["damage"])
    assert "2 damaged files" in summary
    assert "/a.json.gz: gzip stream cut off at compressed byte" in summary


def test_strict_fails_the_run_after_its_tables_are_published(archive: Path, root: Path, clean_archive: Clean) -> None:
    (archive / "a.json").write_bytes(lines(tweet(1), b"{"))
    with pytest.raises(InputError, match=r"archive\.strict: 1 rejects and 0 damaged files(.|\n)*1 malformed-json"):
        clean_archive("archive.strict=true")
    assert ids(root) == [1]
    (archive / "a.json").write_bytes(lines(tweet(1), b"", delete(7)))
    clean_archive("archive.strict=true")


def test_deletes_are_honoured_on_request(archive: Path, root: Path, clean_archive: Clean) -> None:
    (archive / "a.json").write_bytes(lines(tweet(1), tweet(2), tweet(3), delete(2), tweet(3)))
    (archive / "b.json").write_bytes(lines(delete(9), tweet(2), tweet(4), delete(2)))
    clean_archive()
    assert ids(root) == [1, 2, 3, 4]
    summary = clean_archive("archive.honour_deletes=true")
    assert ids(root) == [1, 3, 4]
    expected = {"a.json": [5, 2, 1, 1, 1, 0, 1], "b.json": [4, 1, 2, 1, 0, 0, 1]}
    for ending, counts in expected.items():
        assert [account(root, ending)[name] for name in ("lines", *OUTCOMES, "deleted")] == counts
    assert "2 deleted by a notice in the archive" in summary


def test_only_tweets_on_the_topic_are_kept(archive: Path, root: Path, clean_archive: Clean) -> None:
    found = [tweet(1, text="Звёздные войны!"), tweet(2, hashtags=("starwars7",)), tweet(3, text="о звездных войнах")]
    (archive / "a.json").write_bytes(lines(*found, tweet(4), tweet(5, text="перезвёздные войны")))
    clean_archive('archive.keywords=["звёздн* войн*"]', 'archive.hashtags=["#StarWars*"]')
    assert ids(root) == [1, 2, 3]
    assert account(root, "a.json")["filtered"] == 2


def test_each_night_reads_the_files_of_its_day(archive: Path, root: Path, clean_archive: Clean) -> None:
    for day in (10, 11, 12):
        (archive / f"2015-12-{day}.json").write_bytes(lines(tweet(day, day), tweet(100 + day, day - 1)))
    paths = f"paths.archive={archive}/{{day}}.json"
    for day in (10, 11):
        clean_archive(paths, f"archive.since=2015-12-{day}", f"archive.until=2015-12-{day}")
    assert ids(root) == [10, 11]
    eleventh = (f"archive.since=2015-12-{11}", f"archive.until=2015-12-{11}")
    clean_archive(paths, *eleventh, "archive.lookahead=1")
    assert ids(root) == [10, 11, 112]
    clean_archive(paths, "archive.since=2015-12-12", "archive.until=2015-12-12", "archive.lookahead=3")
    assert ids(root) == [10, 11, 12, 112]
    with pytest.raises(InputError, match=r"no file found at .*/2015-12-13\.json"):
        clean_archive(paths, "archive.since=2015-12-13", "archive.until=2015-12-13")


def test_a_day_cleaned_twice_is_the_same_and_no_other_is_changed(
    archive: Path, root: Path, clean_archive: Clean
) -> None:
    (archive / "a.json").write_bytes(lines(*(tweet(n, 10 + n % 3) for n in range(1, 60))))
    clean_archive()
    before = {
        day: {file.name: file.stat().st_mtime_ns for file in day.iterdir()} for day in (root / "tweets").iterdir()
    }
    first = [{k: v for k, v in row.items() if k != "run"} for row in rows(root, "tweets")]
    clean_archive("archive.since=2015-12-11", "archive.until=2015-12-11")
    assert [{k: v for k, v in row.items() if k != "run"} for row in rows(root, "tweets")] == first
    for day, files in before.items():
        same = {file.name: file.stat().st_mtime_ns for file in day.iterdir()} == files
        assert same == (day.name != "day=2015-12-11")


def test_many_small_files_become_few(archive: Path, root: Path, clean_archive: Clean) -> None:
    for n in range(1, 201):
        (archive / f"{n}.json").write_bytes(lines(tweet(n, 10 + n % 2)))
    clean_archive("archive.task_bytes=4096")
    assert Counter(file.parent.name for file in (root / "tweets").glob("day=*/*.parquet")) == {
        "day=2015-12-10": 1,
        "day=2015-12-11": 1,
    }


OPEN_EVENT = 0x20


@contextmanager
def opens(folder: Path) -> Iterator[Counter[str]]:
    """The number of times that each file of the folder is opened inside, by any process (Linux's inotify)."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(handle, os.fsencode(folder), OPEN_EVENT) >= 0
    counted: Counter[str] = Counter()
    try:
        yield counted
        with open(handle, "rb", buffering=0, closefd=False) as events:
            while data := events.read(2**16):
                at = 0
                while at < len(data):
                    _, mask, _, size = struct.unpack_from("iIII", data, at)
                    name = data[at + 16 : at + 16 + size].rstrip(b"\0").decode()
                    counted[name] += bool(name and not mask & 0x40000000)
                    at += 16 + size
    finally:
        os.close(handle)


def test_every_file_is_opened_once(archive: Path, root: Path, clean_archive: Clean) -> None:
    (archive / "a.json.gz").write_bytes(gzip.compress(lines(tweet(1), tweet(2), b"{")))
    (archive / "b.json.bz2").write_bytes(bz2.compress(lines(tweet(3))))
    (archive / "c.tar").write_bytes(tar(("x.json", lines(tweet(4)))))
    with opens(archive) as counted:
        clean_archive()
    assert {name: count for name, count in counted.items() if name} == {"a.json.gz": 1, "b.json.bz2": 1, "c.tar": 1}


def test_a_parquet_archive_without_columns_is_refused_with_the_setting_to_change(
    archive: Path, clean_archive: Clean
) -> None:
    pq.write_table(pa.table({"text": ["кот"]}), archive / "a.parquet")
    with pytest.raises(InputError, match=r"no tweet found(.|\n)*a\.parquet: a Parquet table: set archive\.format"):
        clean_archive()


def test_a_table_that_is_mistaken_for_json_is_refused_with_the_setting_to_change(
    archive: Path, clean_archive: Clean
) -> None:
    (archive / "a.csv").write_text("when,text\n2015-12-10,кот\n")
    with pytest.raises(InputError, match=r'malformed-json(.|\n)*archive\.format = "table"'):
        clean_archive()


@pytest.mark.parametrize(
    ("start", "damage"),
    [(b"PK\x03\x04", "a zip archive is not read: unpack it first"), (b"\xfd7zXZ\0", "xz is not read: unpack it first")],
)
def test_unsupported_compressions_are_named_and_not_read_as_lines(
    archive: Path, root: Path, clean_archive: Clean, start: bytes, damage: str
) -> None:
    (archive / "a.json").write_bytes(lines(tweet(1)))
    (archive / "b").write_bytes(start + b"\0{\n" * 1000)
    clean_archive()
    by_file = sorted(rows(root, "accounts"), key=lambda row: str(row["source"]))
    assert [row["damage"] for row in by_file] == ["", damage]
    assert [row["lines"] for row in by_file] == [1, 0]


def test_all_files_of_tweets_have_the_same_type_of_time(archive: Path, root: Path, clean_archive: Clean) -> None:
    (archive / "a.json").write_bytes(lines(tweet(1, day=10)))
    clean_archive("archive.since=2015-12-09", "archive.until=2015-12-10")
    files = sorted((root / "tweets").rglob("*.parquet"))
    assert [pq.read_metadata(file).num_rows for file in files] == [0, 1]
    assert [pq.read_schema(file).field("created_at").type for file in files] == [pa.timestamp("us", tz="UTC")] * 2


def test_a_day_in_the_path_needs_a_range_of_days(archive: Path, clean_archive: Clean) -> None:
    with pytest.raises(SettingsError, match=r"archive\.since"):
        clean_archive(f"paths.archive={archive}/{{day}}.json")


def test_a_plan_explains_why_it_expects_no_tweet(archive: Path) -> None:
    (archive / "a.csv").write_text("when,text\n2015-12-10,кот\n")
    (archive / "b.json").write_bytes(lines(tweet(1), delete(1)))
    (archive / "c.xz").write_bytes(b"\xfd7zXZ\0")
    description = clean.plan(load(overrides=[f"paths.archive={archive}", 'archive.languages=["en"]']))
    assert "no tweet was found in the sampled part of .csv (JSON lines): 1 malformed-json" in description
    assert "no tweet was found in the sampled part of .json (JSON lines): 1 notices, 1 filtered" in description
    assert ".xz (unsupported format): 1 xz is not read: unpack it first" in description
    assert 'archive.format = "table"' in description


def test_a_plan_describes_the_archive_and_writes_nothing(archive: Path, root: Path) -> None:
    for n in range(5):
        (archive / f"{n}.json.gz").write_bytes(gzip.compress(lines(*(tweet(n * 100 + k) for k in range(100)), b"{")))
    (archive / "x.tar").write_bytes(tar(("a.json.bz2", bz2.compress(lines(*map(tweet, range(1000, 1050)))))))
    description = clean.plan(load(overrides=[f"paths.archive={archive}", f"paths.root={root}"]))
    table = [line.split(maxsplit=3) for line in description.splitlines()[1:3]]
    size = sum(file.stat().st_size for file in archive.glob("*.gz"))
    assert table[0][1:] == ["5", f"{size:,}", ".json.gz (gzip JSON lines)"]
    assert table[1] == ["50", "1", f"{(archive / 'x.tar').stat().st_size:,}", ".tar (tar of JSON lines)"]
    assert 490 < int(table[0][0]) < 510
    assert "1 task," in description
    assert description.endswith("Nothing was written.")
    assert not root.exists()

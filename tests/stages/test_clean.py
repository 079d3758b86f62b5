"""clean, with real Spark and real files: the promises about tweets/, rejects/ and accounts/."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.stages import clean

pytestmark = pytest.mark.slow

OUTCOMES = ["tweets", "notices", "filtered", "duplicates", "rejects"]


def tweet(number: int, day: int = 10, lang: str = "ru", text: str = "смотрели кино") -> bytes:
    return (
        f'{{"created_at":"Thu Dec {day} 08:01:02 +0000 2015","id":{number},"text":"{text} {number}",'
        f'"lang":"{lang}","user":{{"screen_name":"anna"}},"entities":{{"hashtags":[]}}}}'
    ).encode()


DELETE = b'{"delete":{"status":{"id":1,"user_id":2}}}'


@pytest.fixture
def clean_archive(spark: SparkSession, tmp_path: Path) -> Callable[..., str]:
    """Cleans `archive/` below the test's folder into `root/`, with further settings as for --set."""

    def run(*overrides: str) -> str:
        settings = load(overrides=[f"paths.archive={tmp_path}/archive", f"paths.root={tmp_path}/root", *overrides])
        with Run("clean", settings) as record:
            return clean.run(settings, record, spark)

    return run


def write(folder: Path, name: str, lines: list[bytes]) -> None:
    (folder / "archive").mkdir(exist_ok=True)
    (folder / "archive" / name).write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))


def read(folder: Path, table: str) -> list[dict[str, object]]:
    rows: pa.Table = ds.dataset(folder / "root" / table, partitioning="hive", format="parquet").to_table()
    return rows.to_pylist()


def days(folder: Path) -> dict[str, int]:
    found = sorted((folder / "root" / "tweets").glob("day=*"))
    return {day.name.removeprefix("day="): ds.dataset(day, format="parquet").count_rows() for day in found}


def test_every_line_has_one_outcome_and_is_counted(tmp_path: Path, clean_archive: Callable[..., str]) -> None:
    write(tmp_path, "a.json.gz", [tweet(1), tweet(2), DELETE, b"", b"{broken", tweet(1), tweet(3, lang="en")])
    write(tmp_path, "b.json.gz", [tweet(2), tweet(4, day=11)])

    clean_archive('archive.languages=["ru"]')

    accounts = {str(row["source"])[-9:]: row for row in read(tmp_path, "accounts")}
    assert [accounts["a.json.gz"][name] for name in ["lines", *OUTCOMES]] == [7, 2, 2, 1, 1, 1]
    assert [accounts["b.json.gz"][name] for name in ["lines", *OUTCOMES]] == [2, 1, 0, 0, 1, 0]
    assert sorted(row["tweet_id"] for row in read(tmp_path, "tweets")) == [1, 2, 4]
    assert [(row["line"], row["reason"]) for row in read(tmp_path, "rejects")] == [(5, "malformed-json")]


def test_of_two_records_of_a_tweet_the_first_file_wins(tmp_path: Path, clean_archive: Callable[..., str]) -> None:
    write(tmp_path, "b.json.gz", [tweet(1, text="второй")])
    write(tmp_path, "a.json.gz", [tweet(1, text="первый")])
    clean_archive()
    assert [row["text"] for row in read(tmp_path, "tweets")] == ["первый 1"]


def test_duplicates_can_be_kept(tmp_path: Path, clean_archive: Callable[..., str]) -> None:
    write(tmp_path, "a.json.gz", [tweet(1), tweet(1)])
    clean_archive("archive.deduplicate=false")
    assert len(read(tmp_path, "tweets")) == 2


def test_cleaning_a_day_again_replaces_only_that_day(tmp_path: Path, clean_archive: Callable[..., str]) -> None:
    write(tmp_path, "a.json.gz", [tweet(1), tweet(2, day=11), tweet(3, day=12)])
    clean_archive()
    write(tmp_path, "a.json.gz", [tweet(7, day=11), tweet(8, day=11), tweet(9, day=12)])

    clean_archive("archive.since=2015-12-11", "archive.until=2015-12-11")

    assert sorted((str(row["day"]), row["tweet_id"]) for row in read(tmp_path, "tweets")) == [
        ("2015-12-10", 1),
        ("2015-12-11", 7),
        ("2015-12-11", 8),
        ("2015-12-12", 3),
    ]


def test_a_day_without_tweets_is_published_empty(tmp_path: Path, clean_archive: Callable[..., str]) -> None:
    write(tmp_path, "a.json.gz", [tweet(1), tweet(2, day=12)])
    clean_archive("archive.since=2015-12-10", "archive.until=2015-12-12")
    assert days(tmp_path) == {"2015-12-10": 1, "2015-12-11": 0, "2015-12-12": 1}


def test_the_archive_of_another_month_does_not_remove_earlier_days(
    tmp_path: Path, clean_archive: Callable[..., str]
) -> None:
    write(tmp_path, "a.json.gz", [tweet(1), tweet(2, day=11)])
    clean_archive()
    write(tmp_path, "a.json.gz", [tweet(3, day=12)])
    with pytest.raises(SettingsError, match=r"2 day\(s\).* from 2015-12-10 to 2015-12-11.*archive.since"):
        clean_archive()
    assert days(tmp_path) == {"2015-12-10": 1, "2015-12-11": 1}
    clean_archive("archive.since=2015-12-12")
    assert days(tmp_path) == {"2015-12-10": 1, "2015-12-11": 1, "2015-12-12": 1}


def test_a_day_whose_files_were_removed_is_not_emptied_when_it_is_cleaned_again(
    tmp_path: Path, clean_archive: Callable[..., str]
) -> None:
    """One of its tweets is in the next day's file, as is common."""
    bounds = ("archive.since=2015-12-10", "archive.until=2015-12-12")
    write(tmp_path, "a.json.gz", [tweet(1), tweet(2)])
    write(tmp_path, "b.json.gz", [tweet(3), tweet(4, day=12)])
    clean_archive(*bounds)
    (tmp_path / "archive" / "a.json.gz").unlink()
    refused = r"^1 day would lose tweets: tweets/ has 3 of 2015-12-10, this run 1, without .*/a\.json\.gz\."
    with pytest.raises(InputError, match=refused):
        clean_archive(*bounds)
    assert days(tmp_path) == {"2015-12-10": 3, "2015-12-11": 0, "2015-12-12": 1}
    shutil.rmtree(tmp_path / "root" / "tweets" / "day=2015-12-10")
    clean_archive(*bounds)
    assert days(tmp_path) == {"2015-12-10": 1, "2015-12-11": 0, "2015-12-12": 1}


def test_moved_files_or_other_filters_prevent_no_run(tmp_path: Path, clean_archive: Callable[..., str]) -> None:
    bounds = ("archive.since=2015-12-10", "archive.until=2015-12-10")
    write(tmp_path, "a.json.gz", [tweet(1), tweet(2, lang="en")])
    clean_archive(*bounds)
    (tmp_path / "archive" / "a.json.gz").rename(tmp_path / "archive" / "moved.json.gz")
    clean_archive(*bounds)
    clean_archive(*bounds, 'archive.languages=["ru"]')
    assert days(tmp_path) == {"2015-12-10": 1}


def test_accounts_of_a_wider_window_replace_those_inside_it(tmp_path: Path, clean_archive: Callable[..., str]) -> None:
    write(tmp_path, "a.json.gz", [tweet(1), tweet(2, day=11)])
    clean_archive("archive.since=2015-12-10", "archive.until=2015-12-10")
    clean_archive("archive.since=2015-12-11", "archive.until=2015-12-11")
    assert len(read(tmp_path, "accounts")) == 2
    clean_archive()
    assert [row["window"] for row in read(tmp_path, "accounts")] == ["start..end"]


def test_cleaning_twice_gives_the_same_tweets(tmp_path: Path, clean_archive: Callable[..., str]) -> None:
    write(tmp_path, "a.json.gz", [tweet(n, day=10 + n % 3) for n in range(1, 40)])

    def content() -> list[dict[str, object]]:
        return [{key: value for key, value in row.items() if key != "run"} for row in read(tmp_path, "tweets")]

    clean_archive()
    first = content()
    clean_archive()
    assert content() == first


def test_an_archive_without_a_tweet_is_refused_and_changes_nothing(
    tmp_path: Path, clean_archive: Callable[..., str]
) -> None:
    write(tmp_path, "a.json.gz", [tweet(1)])
    clean_archive()
    write(tmp_path, "a.json.gz", [b"{broken", b"[]", DELETE])
    with pytest.raises(InputError, match=r"no tweet found among 3 records.*1 malformed-json.*Nothing was published"):
        clean_archive()
    assert days(tmp_path) == {"2015-12-10": 1}


def test_ten_damaged_lines_are_the_only_difference(tmp_path: Path, clean_archive: Callable[..., str]) -> None:
    whole = [tweet(n, day=10 + n % 5) for n in range(1, 101)]
    damaged = {
        3: (whole[2][:40], "malformed-json"),
        11: (whole[10].replace(b'"id":11', b'"id":null'), "no-id"),
        19: (whole[18].replace(b'"id":19', b'"id":"x"'), "wrong-type"),
        27: (whole[26].replace(b'"text"', b'"txt"'), "no-text"),
        35: (whole[34].replace(b"08:01:02", b"28:01:02"), "bad-date"),
        43: (whole[42].replace(b'"created_at"', b'"created"'), "no-date"),
        51: (whole[50].replace("к".encode(), b"\xd0", 1), "invalid-utf8"),
        59: (whole[58].replace(b"2015", b"\x002015", 1), "nul-byte"),
        67: (b"[" + whole[66] + b"]", "wrong-type"),
        75: (whole[74].replace(b'"text":"', b'"text":["').replace(b'","lang', b'"],"lang'), "wrong-type"),
    }
    write(tmp_path, "a.json.gz", whole)
    clean_archive()
    before = {row["tweet_id"]: row["stems"] for row in read(tmp_path, "tweets")}

    write(tmp_path, "a.json.gz", [damaged[n][0] if n in damaged else line for n, line in enumerate(whole, 1)])
    clean_archive()

    rejects = {row["line"]: (row["raw"], row["reason"]) for row in read(tmp_path, "rejects")}
    assert rejects == damaged
    after = {row["tweet_id"]: row["stems"] for row in read(tmp_path, "tweets")}
    assert after == {number: stems for number, stems in before.items() if number not in damaged}


def test_a_day_whose_tweets_are_all_withdrawn_becomes_empty_and_is_not_lost(
    tmp_path: Path, clean_archive: Callable[..., str]
) -> None:
    write(tmp_path, "a.json.gz", [tweet(1), tweet(2, day=11)])
    clean_archive("archive.honour_deletes=true")
    write(tmp_path, "b.json.gz", [DELETE])
    clean_archive("archive.honour_deletes=true")
    assert days(tmp_path) == {"2015-12-10": 0, "2015-12-11": 1}

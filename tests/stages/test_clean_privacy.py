"""clean with [privacy], with real Spark and real files: nothing that it writes names anybody."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession
from traces import traces

from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.storage.transaction import Transaction
from tonality.stages import clean

pytestmark = pytest.mark.slow

FIRST = 677_000_000_000_000_001
AUTHORS = ["Anna_Petrova", "boris_1984", "clara_klein"]
Clean = Callable[..., str]
Rows = list[dict[str, Any]]


def tweet(n: int, day: int = 10, **others: Any) -> bytes:
    whole = {
        "created_at": f"Thu Dec {day} 08:01:{n % 60:02} +0000 2015",
        "id": FIRST + n,
        "text": f"смотрели кино {n} с @{AUTHORS[(n + 1) % 3]} https://twitter.com/{AUTHORS[n % 3]}/status/{FIRST + n}",
        "lang": "ru",
        "user": {"screen_name": AUTHORS[n % 3]},
    }
    return json.dumps({**whole, **others}, ensure_ascii=False).encode()


def delete(n: int) -> bytes:
    return json.dumps({"delete": {"status": {"id": FIRST + n, "user_id": 2}}}).encode()


BROKEN = [tweet(90)[:-9], tweet(91, text=None), tweet(92, id=AUTHORS[0]), tweet(93, created_at="вчера")]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two files: twelve tweets on two days, three of them twice, two of them deleted, and four broken records."""
    folder = tmp_path / "archive"
    folder.mkdir()
    copies = [tweet(n, day=10 + n % 2) for n in (0, 1, 2)]
    (folder / "a.json").write_bytes(b"\n".join([*(tweet(n, day=10 + n % 2) for n in range(12)), *BROKEN[:2]]))
    (folder / "b.json").write_bytes(b"\n".join([*copies, delete(3), delete(4), *BROKEN[2:]]))
    (tmp_path / "key").write_bytes(b"correct horse battery staple")
    (tmp_path / "other").write_bytes(b"another key, as long as the one")
    return folder


@pytest.fixture
def run(spark: SparkSession, archive: Path, tmp_path: Path) -> Clean:
    def clean_archive(*privacy: str, root: str = "root") -> str:
        paths = [f"paths.archive={archive}", f"paths.root={tmp_path / root}", "archive.honour_deletes=true"]
        settings = load(overrides=[*paths, f"archive.task_bytes={4096}", *privacy])
        clean.check(settings)
        with Run("clean", settings) as record:
            return clean.run(settings, record, spark)

    return clean_archive


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The ids and names found below the root, staged files included, just before a run published."""
    found: list[str] = []
    commit = Transaction.commit

    def look(self: Transaction) -> None:
        stored = Path(self.temporary_folder("tweets").removeprefix("file://"))
        assert list(stored.glob("*.parquet")), "there is something to look through"
        found.extend(names_in(tmp_path / "root"))
        commit(self)

    monkeypatch.setattr(Transaction, "commit", look)
    return found


def names_in(root: Path) -> list[str]:
    return traces(root, range(FIRST, FIRST + 100), AUTHORS)


def rows(root: Path, table: str) -> Rows:
    found: Rows = ds.dataset(root / table, partitioning="hive", format="parquet").to_table().to_pylist()
    return found


def hashed(tmp_path: Path, key: str = "key") -> list[str]:
    return ["privacy.authors=hash", "privacy.ids=hash", "privacy.mentions=drop", f"privacy.key={tmp_path / key}"]


def test_the_search_finds_names_and_ids_where_nothing_is_hidden(run: Clean, tmp_path: Path) -> None:
    run()
    files = {where.partition("/")[0] for where in names_in(tmp_path / "root")}
    assert files == {"tweets", "rejects"}


def test_hashed_tables_name_nobody_and_count_alike(run: Clean, tmp_path: Path, staged: list[str]) -> None:
    run(*hashed(tmp_path))
    assert staged + names_in(tmp_path / "root") == []
    run(root="plain")
    found, plain = rows(tmp_path / "root", "tweets"), rows(tmp_path / "plain", "tweets")
    assert len(found) == len({row["tweet_id"] for row in found}) == 10
    assert all(0 < row["tweet_id"] < 2**63 for row in found)
    assert sorted(Counter(row["author"] for row in found).values()) == sorted(
        Counter(row["author"] for row in plain).values()
    )
    assert sorted(row["stems"] for row in found) == sorted(row["stems"] for row in plain)
    assert all(" с @ https://twitter.com/" in row["text"] for row in found)
    counts = [
        {
            row["source"]: {k: row[k] for k in row if k not in ("run", "source")}
            for row in rows(tmp_path / root, "accounts")
        }
        for root in ("root", "plain")
    ]
    assert counts[0] == counts[1]
    assert sum(row["duplicates"] for row in counts[0].values()) == 3
    assert sum(row["deleted"] for row in counts[0].values()) == 2


def test_a_pseudonym_stays_the_same_from_run_to_run(run: Clean, tmp_path: Path) -> None:
    run(*hashed(tmp_path))
    first = {(row["tweet_id"], row["author"]) for row in rows(tmp_path / "root", "tweets")}
    run(*hashed(tmp_path), root="again")
    assert {(row["tweet_id"], row["author"]) for row in rows(tmp_path / "again", "tweets")} == first


def test_dropped_authors_and_ids_are_null_though_copies_and_deletes_were_found_by_them(
    run: Clean, tmp_path: Path, staged: list[str]
) -> None:
    run("privacy.authors=drop", "privacy.ids=drop", "privacy.mentions=drop")
    assert staged + names_in(tmp_path / "root") == []
    found = rows(tmp_path / "root", "tweets")
    assert [(row["tweet_id"], row["author"]) for row in found] == [(None, None)] * 10
    accounts = rows(tmp_path / "root", "accounts")
    assert sum(row["duplicates"] for row in accounts) == 3
    assert sum(row["deleted"] for row in accounts) == 2


def test_rejects_keep_only_their_reason_and_their_place(run: Clean, tmp_path: Path) -> None:
    run("privacy.mentions=drop")
    found = {(row["reason"], row["line"], row["raw"], row["detail"]) for row in rows(tmp_path / "root", "rejects")}
    assert {reason for reason, *_ in found} == {"malformed-json", "no-text", "wrong-type", "bad-date"}
    assert all((raw, detail) == (b"", "") for *_, raw, detail in found)


def test_the_record_has_the_policy_and_only_the_path_of_the_key(run: Clean, tmp_path: Path) -> None:
    run(*hashed(tmp_path))
    [record] = (tmp_path / "root" / "runs").glob("*.json")
    content = json.loads(record.read_text())
    assert {name: content["privacy"][name] for name in ("authors", "ids", "mentions")} == {
        "authors": "hash",
        "ids": "hash",
        "mentions": "drop",
    }
    assert content["settings"]["privacy"]["key"] == str(tmp_path / "key")
    assert traces(tmp_path / "root", words=["correct horse"]) == []


OTHERS = {
    "nothing hidden": (["archive.since=2015-12-12", "archive.until=2015-12-12"], "key"),
    "another key": (["archive.since=2015-12-12", "archive.until=2015-12-12", "hash"], "other"),
    "a lesser policy": (["archive.since=2015-12-11", "archive.until=2015-12-11", "privacy.authors=drop"], "key"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_days_of_another_policy_or_key_are_not_mixed_into_a_table(run: Clean, tmp_path: Path, case: str) -> None:
    run(*hashed(tmp_path))
    before = rows(tmp_path / "root", "tweets")
    options, key = OTHERS[case]
    overrides = [*options[:2], *(hashed(tmp_path, key) if options[2:] == ["hash"] else options[2:])]
    with pytest.raises(
        SettingsError, match=r"day\(s\) that were cleaned with other settings of \[privacy\], from 2015-12-1"
    ):
        run(*overrides)
    assert rows(tmp_path / "root", "tweets") == before


def test_days_without_a_policy_are_not_mixed_with_others(run: Clean, tmp_path: Path) -> None:
    run()
    with pytest.raises(SettingsError, match=r'found authors "keep".*expected authors "hash"'):
        run("archive.since=2015-12-11", "archive.until=2015-12-11", *hashed(tmp_path))


def test_the_same_policy_adds_days_and_a_whole_table_may_change_to_another(run: Clean, tmp_path: Path) -> None:
    run("archive.since=2015-12-10", "archive.until=2015-12-10", *hashed(tmp_path))
    run("archive.since=2015-12-11", "archive.until=2015-12-12", *hashed(tmp_path))
    assert len(rows(tmp_path / "root", "tweets")) == 10
    run("archive.since=2015-12-10", "archive.until=2015-12-12", "privacy.authors=drop")
    assert {row["author"] for row in rows(tmp_path / "root", "tweets")} == {None}
    assert {row["tweet_id"] for row in rows(tmp_path / "root", "tweets")} < set(range(FIRST, FIRST + 100))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["privacy.authors=hash"], "privacy.authors = hash needs a key: name its file with privacy.key"),
        (["privacy.authors=hash", "privacy.ids=hash"], "privacy.authors and privacy.ids = hash needs a key"),
        (["privacy.ids=hash", "privacy.key={folder}/missing"], "privacy.key: no file at .*/missing"),
        (
            ["privacy.ids=hash", "privacy.key={folder}/short"],
            "short has 5 bytes: expected a key of 16 to 65,536 bytes",
        ),
        (["privacy.mentions=hash"], "privacy.mentions: found 'hash', expected 'keep' or 'drop'"),
        (
            ["privacy.authors=drop", "archive.format=table"],
            "archive.columns.id is empty, so that ids are derived from author.*Set privacy.ids to hash or drop",
        ),
    ],
)
def test_settings_that_would_hide_nothing_are_refused(
    archive: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "short").write_bytes(b"short")
    overrides = [option.format(folder=tmp_path) for option in options]
    with pytest.raises(SettingsError, match=message):
        clean.check(load(overrides=[f"paths.archive={archive}", *overrides]))


def test_a_derived_id_does_not_confirm_a_guessed_author(run: Clean, archive: Path, tmp_path: Path) -> None:
    for file in archive.iterdir():
        file.unlink()
    (archive / "a.csv").write_text(f"author,created_at,text\n{AUTHORS[0]},2015-12-10T08:00:00Z,кино\n")
    table = ["archive.format=table", "archive.columns.author=author"]
    run(*table, root="plain")
    [plain] = rows(tmp_path / "plain", "tweets")
    run(*table, *hashed(tmp_path))
    run(*table, *hashed(tmp_path, "other"), root="another")
    [one], [other] = rows(tmp_path / "root", "tweets"), rows(tmp_path / "another", "tweets")
    assert len({plain["tweet_id"], one["tweet_id"], other["tweet_id"]}) == 3

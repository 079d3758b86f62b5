"""forget, with real Spark and tables written by the real stages: listed tweets are in none of them any more."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

import pyarrow.dataset as ds
import pytest
import torch
from pyspark.sql import SparkSession
from traces import traces

from tonality.cli.main import main
from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.privacy.erasure import apply
from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load, text_rules
from tonality.runtime.settings.sections import TextSettings
from tonality.runtime.storage import schema
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.stages import clean, forget, label, prepare, report, score

pytestmark = pytest.mark.slow

FIRST: Final = 677_000_000_000_000_001
AUTHORS: Final = ["Anna_Petrova", "boris_1984", "clara_klein", "dora_dub"]
DAYS: Final = range(10, 14)
OTHERS: Final = "accounts checkpoint evaluation models runs vocabulary"
Rows = list[dict[str, Any]]
Stage = Callable[..., str]


def status(n: int, text: str, author: str, day: int, **others: Any) -> bytes:
    moment = f"Thu Dec {day} {n // 60:02}:{n % 60:02}:00 +0000 2015"
    whole = {"created_at": moment, "id": FIRST + n, "text": text, "lang": "ru", "user": {"screen_name": author}}
    return json.dumps({**whole, **others}, ensure_ascii=False).encode()


def retweet(n: int, of: str, author: str, day: int) -> bytes:
    return status(n, f"RT @x: {of}", author, day, retweeted_status={"text": of})


def text_of(n: int) -> str:
    """The text of tweet n, with an emoticon; every fourth has the same words as the one before."""
    words = ["кино", "день", "дом", "чай", "лес", "снег", "море"]
    number = n - 1 if n % 4 == 3 else n
    return f"{words[number % 7]} {words[number // 7 % 7]} тайна{number} {':)' if number % 2 else ':('}"


def author(n: int) -> str:
    return AUTHORS[n % 4]


def write_archive(folder: Path) -> None:
    """Forty tweets by four authors on four days, ten a day; retweets of 0 and 1, two of 30; rejects that show tweet 0,
    an author, and only the id of a tweet by that author.
    """
    folder.mkdir()
    lines = [status(n, text_of(n), author(n), DAYS[n // 10]) for n in range(40)]
    lines += [
        retweet(50, text_of(0), AUTHORS[3], 11),
        retweet(51, text_of(1), AUTHORS[2], 12),
        retweet(52, text_of(30), "eva", 13),
        retweet(53, text_of(30), AUTHORS[0], 13),
    ]
    lines += [
        status(0, text_of(0), author(0), 10)[:-9],
        status(60, text_of(60), AUTHORS[1], 10)[:-2],
        b'{"broken":"by nobody"',
        b'{"in_reply_to_status_id":%d,"broken' % (FIRST + 5),
    ]
    (folder / "a.json").write_bytes(b"\n".join(lines[:20]))
    (folder / "b.json").write_bytes(b"\n".join(lines[20:]))


def make_model(root: Path) -> None:
    """A model of the vocabulary that `prepare` wrote, untrained."""
    vocabulary = ds.dataset(root / "vocabulary", format="parquet").to_table().sort_by("id").cast(schema.VOCABULARY)
    torch.manual_seed(1)
    shape = LSTMConfig(vocabulary=len(vocabulary) + 2, embedding=8, hidden=8, learned_start=True)
    rules = text_rules(TextSettings())
    artifact = Artifact(
        network_config=shape,
        weights=build(shape).state_dict(),
        vocabulary=vocabulary,
        rules=rules.model_dump(mode="json"),
        rules_fingerprint=rules.fingerprint,
        language="ru",
        max_length=20,
        unknown="train",
        metrics={},
    )
    ModelRegistry(str(root)).add(artifact)


def run_stage(spark: SparkSession, folder: Path, stage: ModuleType, *overrides: str, root: str = "root") -> str:
    paths = [f"paths.archive={folder / 'archive'}", f"paths.root={folder / root}", f"paths.deletions={folder / 'list'}"]
    rows = ["corpus.labelled=true", "dataset.valid_fraction=0.5", "dataset.shard_rows=8", "vocabulary.min_count=1"]
    thresholds = ["survey.positive=0.5", "survey.negative=0.4999"]
    settings = load(overrides=[*paths, *rows, *thresholds, "dataset.max_length=20", *overrides])
    name = stage.__name__.rpartition(".")[2]
    with Run(name, settings) as record:
        return str(stage.run(settings, record, spark))


@pytest.fixture(scope="module")
def survey(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an archive and a root that every stage has written to."""
    folder = tmp_path_factory.mktemp("survey")
    write_archive(folder / "archive")
    for stage in (clean, label, prepare):
        run_stage(spark, folder, stage)
    make_model(folder / "root")
    for stage in (score, report):
        run_stage(spark, folder, stage)
    return folder


@pytest.fixture
def folder(survey: Path, tmp_path: Path) -> Path:
    shutil.copytree(survey / "root", tmp_path / "root")
    shutil.copytree(survey / "archive", tmp_path / "archive")
    return tmp_path


@pytest.fixture
def run(spark: SparkSession, folder: Path) -> Stage:
    def stage(which: ModuleType, *overrides: str, root: str = "root") -> str:
        return run_stage(spark, folder, which, *overrides, root=root)

    return stage


class Erased(NamedTuple):
    """The folder after a run of forget, and the summary of the run."""

    folder: Path
    summary: str


def erase_once(spark: SparkSession, survey: Path, folder: Path, *lines: object) -> Erased:
    shutil.copytree(survey, folder)
    listed(folder, *lines)
    return Erased(folder, run_stage(spark, folder, forget))


@pytest.fixture(scope="module")
def author_erased_once(spark: SparkSession, survey: Path, tmp_path_factory: pytest.TempPathFactory) -> Erased:
    lines = (FIRST, "@BORIS_1984", FIRST + 70, FIRST + 99)
    return erase_once(spark, survey, tmp_path_factory.mktemp("erased") / "author", *lines)


@pytest.fixture
def author_erased(author_erased_once: Erased, tmp_path: Path) -> Erased:
    """Tweet 0, all tweets of boris and their retweets are erased; two more ids on the list are in no table.

    A copy, which the test may change.
    """
    shutil.copytree(author_erased_once.folder, tmp_path, dirs_exist_ok=True)
    return Erased(tmp_path, author_erased_once.summary)


@pytest.fixture(scope="module")
def tweet_erased(spark: SparkSession, survey: Path, tmp_path_factory: pytest.TempPathFactory) -> Erased:
    """Tweet 2 is erased, which has the words of tweet 3. Not to be changed."""
    return erase_once(spark, survey, tmp_path_factory.mktemp("erased") / "tweet", FIRST + 2)


def listed(folder: Path, *lines: object) -> None:
    (folder / "list").write_text("".join(f"{line}\n" for line in lines))


def rows(root: Path, table: str) -> Rows:
    parquet = sorted(map(str, (root / table).rglob("*.parquet")))
    found: Rows = ds.dataset(parquet, partitioning="hive", format="parquet").to_table().to_pylist()
    return found


def ids(root: Path, table: str = "tweets") -> set[int]:
    return {row["tweet_id"] - FIRST for row in rows(root, table)}


def files(root: Path) -> dict[str, str]:
    """Digests of all files by name, except records and locks of runs."""
    of_runs = ("runs", "_lock", "_claims")
    kept = [path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in of_runs]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


def check_accounts(root: Path) -> None:
    """Assert that every account adds up and matches tweets/."""
    tweets = Counter(row["source"] for row in rows(root, "tweets"))
    for row in rows(root, "accounts"):
        outcomes = sum(row[name] for name in ("tweets", "notices", "filtered", "duplicates", "rejects"))
        assert row["lines"] == outcomes
        assert row["tweets"] == tweets[row["source"]]
    rejects = Counter(row["source"] for row in rows(root, "rejects"))
    assert all(row["rejects"] == rejects[row["source"]] for row in rows(root, "accounts"))


def test_the_tables_hold_traces_of_the_listed_tweets(folder: Path) -> None:
    numbers, words = [FIRST], ["boris_1984", text_of(0)]
    tables = {where.partition("/")[0] for where in traces(folder / "root", numbers, words)}
    assert tables == {"tweets", "scored", "labelled", "rejects", "report"}
    assert traces(folder / "root" / "dataset", words=["тайна"])


def test_nothing_listed_remains_in_any_file_or_returns_with_a_new_run_of_clean(
    spark: SparkSession, survey: Path, author_erased: Erased
) -> None:
    folder, summary = author_erased
    root, before = folder / "root", files(survey / "root")
    erased = {0, *range(1, 40, 4)}
    words = [
        "boris_1984",
        *(text_of(n) for n in erased if text_of(n) not in {text_of(m) for m in set(range(40)) - erased}),
    ]
    dataset = Counter((row["stems"], row["label"]) for row in rows(survey / "root", "dataset"))
    labelled = {row["tweet_id"] - FIRST: (row["stems"], row["label"]) for row in rows(survey / "root", "labelled")}
    assert f"{len(erased) + 2} rows of tweets/, on 4 days, 2 of them retweets of erased tweets" in summary
    assert f"{len(erased) + 2} rows of scored/, on 4 days, 2 of them" in summary
    assert f"{len(erased)} rows of labelled/" in summary
    assert f"{len(erased)} rows of dataset/" in summary
    assert "3 rows of rejects/" in summary
    assert traces(root, [FIRST + n for n in erased], words) == []
    assert ids(root) == ids(root, "scored") == {*range(40), 52, 53} - erased
    assert ids(root, "labelled") == set(range(40)) - erased
    went = Counter(labelled[n] for n in erased)
    assert Counter((row["stems"], row["label"]) for row in rows(root, "dataset")) == dataset - went
    check_accounts(root)
    assert sum(row["deleted"] for row in rows(root, "accounts")) == len(erased) + 2
    assert not list((root / "report").glob("*"))
    unchanged = {name: digest for name, digest in before.items() if name.partition("/")[0] in OTHERS.split()[1:]}
    assert {name: files(root)[name] for name in unchanged} == unchanged

    run_stage(spark, folder, clean)
    assert ids(root) == {*range(40), 52, 53} - erased
    assert traces(root / "tweets", [FIRST + n for n in erased], words) == []
    check_accounts(root)


def test_only_the_days_that_lose_tweets_are_rewritten_and_their_rows_stay_in_order(
    survey: Path, tweet_erased: Erased
) -> None:
    root, before = tweet_erased.folder / "root", files(survey / "root")
    whole = {table: rows(survey / "root", table) for table in ("tweets", "scored", "labelled")}
    after = files(root)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {"/".join(name.split("/")[:2]) for name in changed} <= {
        "tweets/day=2015-12-10",
        "scored/day=2015-12-10",
        "labelled/day=2015-12-10",
        "accounts/window=start..end",
        "forgotten/" + next((root / "forgotten").glob("run=*")).name,
        *(f"dataset/{name}" for name in ("_dataset.json", "split=train", "split=valid", "._dataset.json.crc")),
        *(f"report/{name}" for name in ("index.html", "examples.csv", "dynamics.csv", "dynamics.png")),
    }
    for table, content in whole.items():  # in their order, but for the names of files
        found, kept = rows(root, table), [row for row in content if row["tweet_id"] != FIRST + 2]
        for day in {row["day"] for row in content}:
            assert [row for row in found if row["day"] == day] == [row for row in kept if row["day"] == day]


def test_an_outdated_day_of_scores_is_still_scored_again(folder: Path, run: Stage) -> None:
    metadata = folder / "root" / "scored" / "day=2015-12-10" / "_origin.json"
    metadata.write_text(metadata.read_text().replace('"tweets": "', '"tweets": "0'))
    (metadata.parent / "._origin.json.crc").unlink(missing_ok=True)
    listed(folder, FIRST + 5, FIRST + 15)
    run(forget)
    assert run(score).startswith("9 tweets of 1 day scored")


def test_after_a_run_score_has_nothing_to_do_and_a_second_run_nothing_to_remove_or_write(
    spark: SparkSession, author_erased: Erased
) -> None:
    folder = author_erased.folder
    before = files(folder / "root")
    assert run_stage(spark, folder, score).startswith("0 tweets of 0 days scored")
    summary = run_stage(spark, folder, forget)
    assert "0 rows of tweets/, on 0 days" in summary
    assert "0 rows of rejects/" in summary
    assert "0 new digests" in summary
    assert files(folder / "root") == before
    assert ids(folder / "root") == ids(folder / "root", "scored")


class Killed(BaseException):
    """Simulates the end of the process."""


def test_a_run_that_is_killed_while_publishing_is_completed_by_the_next(
    folder: Path, run: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder / "root"
    listed(folder, FIRST, "@boris_1984")
    exchange, done = HadoopRoot.exchange, []

    def die(self: HadoopRoot, one: str, other: str) -> bool:
        if len(done) == 3:
            raise Killed
        done.append(one)
        return exchange(self, one, other)

    monkeypatch.setattr(HadoopRoot, "exchange", die)
    with pytest.raises(Killed):
        run(forget)
    assert traces(root, [FIRST]), "it was killed in the middle"
    monkeypatch.setattr(HadoopRoot, "exchange", exchange)
    assert "0 rows of tweets/" in run(forget)
    assert traces(root, [FIRST], ["boris_1984"]) == []
    check_accounts(root)
    assert run(score).startswith("0 tweets of 0 days scored")


def test_a_run_that_fails_changes_nothing(folder: Path, run: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(folder / "root")
    listed(folder, FIRST)

    def fail(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(apply, "_stage_dataset", fail)
    with pytest.raises(Killed):
        run(forget)
    assert files(folder / "root") == before


def test_other_tweets_of_the_same_words_stay_in_the_dataset(survey: Path, tweet_erased: Erased) -> None:
    root = tweet_erased.folder / "root"
    [stems] = {row["stems"] for row in rows(root, "labelled") if row["tweet_id"] == FIRST + 3}
    assert [row["stems"] for row in rows(survey / "root", "dataset")].count(stems) == 2
    assert [row["stems"] for row in rows(root, "dataset")].count(stems) == 1
    metadata = json.loads((root / "dataset" / "_dataset.json").read_text())
    assert sum(side["rows"] for side in metadata["rows"].values()) == 39
    for side, counts in metadata["rows"].items():
        assert counts["rows"] == len(rows(root, f"dataset/split={side}"))
        assert counts["positive"] == sum(row["label"] for row in rows(root, f"dataset/split={side}"))


def test_a_dataset_of_a_corpus_only_loses_nothing_but_one_of_unknown_origin_does_with_a_remark(
    folder: Path, run: Stage
) -> None:
    metadata = folder / "root" / "dataset" / "_dataset.json"
    whole = json.loads(metadata.read_text())
    metadata.write_text(json.dumps({**whole, "labelled": False}))
    listed(folder, FIRST + 2)
    assert "dataset/" not in run(forget)
    assert len(rows(folder / "root", "dataset")) == 40
    metadata.write_text(json.dumps({name: value for name, value in whole.items() if name != "labelled"}))
    listed(folder, FIRST + 3)
    assert "dataset/ does not record whether it was made with corpus.labelled" in run(forget)
    assert len(rows(folder / "root", "dataset")) == 39


def test_a_report_that_shows_no_erased_tweet_stays(folder: Path, run: Stage) -> None:
    shown = (folder / "root" / "report" / "examples.csv").read_text()
    n = next(n for n in range(40) if text_of(n) not in shown)
    listed(folder, FIRST + n)
    assert "report" not in run(forget)
    assert (folder / "root" / "report" / "examples.csv").read_text() == shown


def test_erasing_a_retweet_keeps_its_original_and_other_retweets(folder: Path, run: Stage) -> None:
    listed(folder, FIRST + 52)
    summary = run(forget)
    assert "1 rows of tweets/" in summary
    assert ids(folder / "root") == {*range(40), 50, 51, 53}


def test_tweets_that_arrive_after_the_list_are_dropped_too(spark: SparkSession, author_erased: Erased) -> None:
    """Digests also match tweets that were never in a table: the author's other tweets, other retweets of the text."""
    folder = author_erased.folder
    new = [status(70, "пусто", "eva", 10), status(71, "пусто", "Boris_1984", 10), retweet(72, text_of(0), "eva", 10)]
    (folder / "archive" / "c.json").write_bytes(b"\n".join([*new, status(73, "пусто", "eva", 10)]))
    assert "erased earlier by `forget`" in run_stage(spark, folder, clean)
    assert {n for n in ids(folder / "root") if n >= 50} == {52, 53, 73}


def test_lists_may_come_before_the_first_table(spark: SparkSession, folder: Path, run: Stage) -> None:
    listed(folder, FIRST, "@boris_1984")
    assert "11 new digests" not in run(forget, root="empty")
    run(clean, root="empty")
    assert traces(folder / "empty" / "tweets", [FIRST], ["boris_1984"]) == []


def test_nothing_erased_is_remembered_in_plain_form(author_erased: Erased) -> None:
    folder = author_erased.folder
    table = rows(folder / "root", "forgotten")
    assert Counter(row["kind"] for row in table) == {"tweet": 3, "author": 1, "text": 11}
    assert traces(folder / "root" / "forgotten", [FIRST, FIRST + 99], ["boris", text_of(0)]) == []
    [record] = (folder / "root" / "runs").glob("forget-*.json")
    assert traces(record.parent, [FIRST, FIRST + 99], ["boris", "тайна"]) == []
    assert json.loads(record.read_text())["removed"]["tweets"] == 13


def test_users_listed_by_number_only_are_reported(folder: Path, run: Stage) -> None:
    (folder / "list").write_text('{"user_protect":{"id":771136850}}\n{"user_undelete":{"id":5}}\nx\n')
    summary = run(forget)
    assert "1 users are listed by a number that matches no author here" in summary
    assert "1 user_undelete: requests no erasure" in summary
    assert "1 lines of an unknown form were skipped" in summary


@pytest.fixture
def hashed(folder: Path, run: Stage) -> list[str]:
    """The privacy settings of a root `hidden`, whose tables hold pseudonyms."""
    (folder / "key").write_bytes(b"k" * 32)
    privacy = ["privacy.authors=hash", "privacy.ids=hash", "privacy.mentions=drop", f"privacy.key={folder / 'key'}"]
    for stage in (clean, label):
        run(stage, *privacy, root="hidden")
    return privacy


def test_listed_tweets_are_found_among_pseudonyms_by_their_key(folder: Path, run: Stage, hashed: list[str]) -> None:
    listed(folder, FIRST, "@Boris_1984")
    texts = {text_of(0), *(text_of(n) for n in range(1, 40, 4))}
    assert "13 rows of tweets/, on 4 days, 2 of them retweets" in run(forget, hashed[-1], root="hidden")
    assert not texts & {row["text"] for row in rows(folder / "hidden", "tweets")}
    assert len(rows(folder / "hidden", "labelled")) == 29
    assert "13 erased earlier" in run(clean, *hashed, root="hidden")
    assert not texts & {row["text"] for row in rows(folder / "hidden", "tweets")}
    check_accounts(folder / "hidden")


def test_pseudonyms_need_their_own_key(folder: Path, run: Stage, hashed: list[str]) -> None:
    listed(folder, FIRST)
    (folder / "other").write_bytes(b"o" * 32)
    with pytest.raises(SettingsError, match=r"privacy\.key is empty, but tweets/ holds pseudonyms"):
        run(forget, root="hidden")
    with pytest.raises(SettingsError, match=r"privacy\.key is another key, but tweets/ holds pseudonyms"):
        run(forget, f"privacy.key={folder / 'other'}", root="hidden")


def test_days_without_ids_are_reported_and_a_new_run_of_clean_drops_the_tweets(folder: Path, run: Stage) -> None:
    run(clean, "privacy.ids=drop", root="hidden")
    listed(folder, FIRST)
    summary = run(forget, root="hidden")
    assert "0 rows of tweets/" in summary
    assert "on 4 days tweets/ has no ids (privacy.ids = drop)" in summary
    assert "1 erased earlier" in run(clean, "privacy.ids=drop", root="hidden")
    assert text_of(0) not in {row["text"] for row in rows(folder / "hidden", "tweets") if not row["is_retweet"]}


def test_a_report_that_may_show_hidden_requests_is_removed_once_and_the_next_stages_are_named(
    folder: Path, run: Stage
) -> None:
    for stage in (clean, score, report):
        run(stage, "privacy.ids=drop")
    listed(folder, FIRST + 99)
    summary = run(forget)
    assert "on 4 days tweets/ has no ids" in summary
    assert "which drops erased tweets; then run `score`, `label`, `prepare`, `report`, whose tables hold" in summary
    assert not list((folder / "root" / "report").glob("*"))
    run(report, "privacy.ids=drop")
    assert "files of report/" not in run(forget)
    assert (folder / "root" / "report" / "examples.csv").exists()


def test_tweets_dropped_by_clean_are_reported_while_scored_has_them_and_the_report_is_removed_when_only_it_shows_them(
    folder: Path, run: Stage
) -> None:
    shown = folder / "root" / "report" / "examples.csv"
    n = next(n for n in range(0, 40, 4) if text_of(n) in shown.read_text())
    (folder / "archive" / "c.json").write_text(json.dumps({"delete": {"status": {"id": FIRST + n}}}))
    run(clean, "archive.honour_deletes=true")
    listed(folder, FIRST + 99)
    summary = run(forget)
    assert "4 days of scored/ not scored from the current tweets/" in summary
    assert "may remain there; then run `score`, `label`, `prepare`, `report`" in summary
    assert shown.exists()
    run(score)
    summary = run(forget)
    assert "report/ shows a tweet that is no longer in tweets/ or scored/" in summary
    assert "4 files of report/" in summary
    assert "days of scored/" not in summary
    assert not list(shown.parent.glob("*"))


def test_a_plan_describes_a_run_and_changes_nothing(
    spark: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def lend(*_: object) -> Iterator[SparkSession]:
        yield spark

    monkeypatch.setattr(forget, "spark_session", lend)
    listed(folder, FIRST, "@boris_1984")
    before = files(folder / "root")
    description = forget.plan(load(overrides=[f"paths.root={folder / 'root'}", f"paths.deletions={folder / 'list'}"]))
    assert "To be removed:\n            13 rows of tweets/, on 4 days" in description
    assert description.endswith("Nothing was written.")
    assert files(folder / "root") == before


def test_lists_that_name_nothing_and_lists_that_are_broken_change_nothing(folder: Path, run: Stage) -> None:
    before = files(folder / "root")
    listed(folder, "привет", '{"user_undelete":{"id":5}}')
    with pytest.raises(InputError, match=r"no tweet or author to erase in the lists: 2 lines in no known format"):
        run(forget)
    (folder / "list").write_bytes(b"\x1f\x8b\x08\0broken")
    with pytest.raises(InputError, match="nothing was removed"):
        run(forget)
    assert files(folder / "root") == before


def test_a_forgotten_table_without_its_salt_stops_clean_and_forget(spark: SparkSession, author_erased: Erased) -> None:
    folder = author_erased.folder
    for metadata in (folder / "root" / "forgotten").glob("run=*/*_salt.json*"):
        metadata.unlink()
    before = files(folder / "root")
    for stage in (clean, forget):
        with pytest.raises(Exception, match=r"forgotten/ under .* has lost its salt"):
            run_stage(spark, folder, stage)
    assert files(folder / "root") == before


def test_missing_or_unnamed_lists_are_settings_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", f"paths.root={tmp_path}/root"]
    assert main(["forget", *options]) == 2
    assert "paths.deletions is empty" in capsys.readouterr().err
    assert main(["forget", *options, "--set", f"paths.deletions={tmp_path}/missing"]) == 2
    assert f"paths.deletions: nothing at {tmp_path}/missing" in capsys.readouterr().err

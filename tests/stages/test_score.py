"""score, on the real Spark and real tables: which days it scores, and scores that depend only on a tweet's stems."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import torch
from pyspark.sql import DataFrame, SparkSession

from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.storage import schema
from tonality.stages import score

pytestmark = pytest.mark.slow

WORDS = [f"w{n}" for n in range(300)]
SPILLS = "spark.shuffle.spill.numElementsForceSpillThreshold"
FIRST, SECOND, EMPTY = "2015-12-10", "2015-12-11", "2015-12-12"
RULES = {"name": "ru", "links": "drop", "mentions": "drop"}

Rows = dict[int, tuple[Any, ...]]
Score = Callable[..., str]


def make_model(root: Path, seed: int = 1) -> str:
    """A model whose probabilities differ widely."""
    torch.manual_seed(seed)
    shape = LSTMConfig(vocabulary=len(WORDS) + 2, embedding=16, hidden=12, learned_start=True)
    ids = range(2, len(WORDS) + 2)
    artifact = Artifact(
        network_config=shape,
        weights={name: 3 * weight for name, weight in build(shape).state_dict().items()},
        vocabulary=pa.table({"id": ids, "stem": WORDS, "count": [1] * len(WORDS)}).cast(schema.VOCABULARY),
        rules=RULES,
        rules_fingerprint="c0ffee",
        language="ru",
        max_length=20,
        unknown="train",
        metrics={},
    )
    registry = ModelRegistry(str(root))
    registry.add(artifact)
    registry.set_production(artifact.fingerprint)
    return artifact.fingerprint


def tweets(day: str, count: int, seed: int = 0) -> list[dict[str, Any]]:
    draws = np.random.default_rng([seed, int(day[-2:])])
    start = int(day[-2:]) * 1_000_000
    return [
        {
            "tweet_id": start + n,
            "created_at": datetime(2015, 12, int(day[-2:]), n // 3600 % 24, n // 60 % 60, n % 60, tzinfo=UTC),
            "author": f"user{n % 7}",
            "text": f"tweet {n}",
            "hashtags": ["кино"] if n % 2 else [],
            "is_retweet": n % 3 == 0,
            "stems": " ".join(draws.choice(WORDS, draws.integers(1, 25))) if n % 50 else "",
            "rules": "c0ffee",
            "run": f"clean-{seed}",
        }
        for n in range(count)
    ]


def write_day(root: Path, day: str, rows: list[dict[str, Any]], files: int = 1, group: int = 1000) -> None:
    """Write a day of the table, replacing it, under new file names."""
    folder = root / "tweets" / f"day={day}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    columns = schema.TWEETS.remove(schema.TWEETS.get_field_index("day"))
    parts = [rows[number::files] for number in range(files)] if rows else [[]]
    for number, part in enumerate(parts):
        table = pa.Table.from_pylist([{**dict.fromkeys(columns.names), **row} for row in part], columns)
        pq.write_table(table, folder / f"part-{number}-{datetime.now(UTC).timestamp()}.parquet", group)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_model(tmp_path)
    write_day(tmp_path, FIRST, tweets(FIRST, 400))
    write_day(tmp_path, SECOND, tweets(SECOND, 300))
    write_day(tmp_path, EMPTY, [])
    return tmp_path


@pytest.fixture
def run(spark: SparkSession, root: Path) -> Score:
    def score_days(*overrides: str) -> str:
        settings = load(overrides=[f"paths.root={root}", *overrides])
        with Run("score", settings) as record:
            return score.run(settings, record, spark)

    return score_days


def scored(root: Path) -> Rows:
    """Every scored tweet by id, with the day of its folder, without the run that scored it."""
    if not (root / "scored").exists():
        return {}
    columns = [name for name in schema.SCORED.names if name not in ("run", "day")]
    parts = ds.dataset(root / "scored", partitioning="hive").to_table(columns=[*columns, "day"]).to_pylist()
    rows = {row["tweet_id"]: tuple(map(str, row.values())) for row in parts}
    assert len(rows) == len(parts), "no tweet twice"
    return rows


def runs(root: Path) -> dict[str, set[str]]:
    """The runs that scored the tweets of each day."""
    table = ds.dataset(root / "scored", partitioning="hive").to_table(columns=["run", "day"]).to_pylist()
    found: dict[str, set[str]] = {}
    for row in table:
        found.setdefault(str(row["day"]), set()).add(row["run"])
    return found


def days(root: Path) -> list[str]:
    return sorted(folder.name.removeprefix("day=") for folder in (root / "scored").glob("day=*"))


def test_every_tweet_of_every_day_is_scored_and_a_day_without_tweets_is_an_empty_day(root: Path, run: Score) -> None:
    summary = run()
    assert len(scored(root)) == 700
    assert days(root) == [FIRST, SECOND, EMPTY]
    assert summary.startswith("700 tweets of 3 days scored by model ")
    assert [row for row in scored(root).values() if row[6] == "None"] == [
        row for row in scored(root).values() if row[7] == "none"
    ]
    assert sum(row[7] == "none" for row in scored(root).values()) == 14


def test_a_range_of_days_is_scored_and_the_others_stay_as_they_are(root: Path, run: Score) -> None:
    run("score.since=2015-12-11", "score.until=2015-12-11")
    assert days(root) == [SECOND]
    before = runs(root)
    run("score.until=2015-12-10")
    assert days(root) == [FIRST, SECOND]
    assert runs(root)[SECOND] == before[SECOND]


def test_days_scored_by_this_model_are_not_scored_again(root: Path, run: Score) -> None:
    run("score.since=2015-12-11")
    before = runs(root)
    assert "400 tweets of 1 day scored" in run()
    assert runs(root)[SECOND] == before[SECOND]
    after = runs(root)
    summary = run()
    assert summary.startswith("0 tweets of 0 days scored")
    assert "3 days scored by it already" in summary
    assert runs(root) == after


def test_a_day_that_was_cleaned_again_is_scored_again_even_if_it_is_as_long_as_before(root: Path, run: Score) -> None:
    run()
    before = runs(root)
    write_day(root, SECOND, tweets(SECOND, 300, seed=5))
    assert "300 tweets of 1 day scored" in run()
    assert runs(root)[FIRST] == before[FIRST]
    assert runs(root)[SECOND] != before[SECOND]
    assert {row[9] for row in scored(root).values() if row[0].startswith("11")} == {"clean-5"}


def test_a_day_that_was_empty_and_one_that_became_empty_are_scored_again(root: Path, run: Score) -> None:
    run()
    write_day(root, EMPTY, tweets(EMPTY, 10))
    write_day(root, FIRST, [])
    assert "10 tweets of 2 days scored" in run()
    assert len(scored(root)) == 310


def test_another_model_and_other_thresholds_score_all_days_again(root: Path, run: Score) -> None:
    run()
    first = scored(root)
    fingerprint = make_model(root, seed=2)
    assert "700 tweets of 3 days scored" in run()
    assert {row[8] for row in scored(root).values()} == {fingerprint}
    assert {row[6] for row in scored(root).values()} != {row[6] for row in first.values()}
    assert "700 tweets of 3 days scored" in run("survey.positive=0.9", "survey.negative=0.1")


def test_all_days_are_scored_again_on_request(root: Path, run: Score) -> None:
    run()
    before, rows = runs(root), scored(root)
    assert "700 tweets of 3 days scored" in run("score.days=all")
    assert all(runs(root)[day] != before[day] for day in before)
    assert scored(root) == rows


def test_a_day_that_tweets_no_longer_has_is_removed(root: Path, run: Score) -> None:
    run()
    shutil.rmtree(root / "tweets" / f"day={FIRST}")
    run("score.since=2015-12-11")
    assert days(root) == [FIRST, SECOND, EMPTY]
    run()
    assert days(root) == [SECOND, EMPTY]


def test_missing_days_are_refused(root: Path, run: Score) -> None:
    with pytest.raises(InputError, match=r"has no day between 2016-01-01 and end; it has 2015-12-10 to 2015-12-12"):
        run("score.since=2016-01-01")


def test_the_origins_of_scored_days_are_hidden_from_readers(root: Path, run: Score, spark: SparkSession) -> None:
    run()
    origin = json.loads((root / "scored" / f"day={EMPTY}" / "_origin.json").read_text())
    assert (origin["positive"], origin["negative"]) == (0.65, 0.45)
    assert spark.read.parquet(str(root / "scored")).count() == 700


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_files_batches_and_the_order_of_rows_change_no_bit(
    spark: SparkSession, root: Path, run: Score, precision: str
) -> None:
    rows = tweets(FIRST, 3000)
    write_day(root, FIRST, rows)
    run(f"score.precision={precision}")
    expected = scored(root)
    assert len({row[6] for row in expected.values()}) > 2500
    for files, group, batch_rows in ((1, 100, 7), (7, 50, 1000), (40, 1000, 100_000)):
        shuffled = [rows[place] for place in np.random.default_rng(files).permutation(len(rows))]
        write_day(root, FIRST, shuffled, files, group)
        with many_tasks(spark):
            run(f"score.precision={precision}", f"score.batch_rows={batch_rows}")
        assert scored(root) == expected


class many_tasks:  # noqa: N801
    """Inside, a task reads at most 64 KiB of a table."""

    def __init__(self, spark: SparkSession) -> None:
        self._conf = spark.conf

    def __enter__(self) -> None:
        self._conf.set("spark.sql.files.maxPartitionBytes", 65_536)
        self._conf.set("spark.sql.files.openCostInBytes", 0)

    def __exit__(self, *_: object) -> None:
        self._conf.unset("spark.sql.files.maxPartitionBytes")
        self._conf.unset("spark.sql.files.openCostInBytes")


def test_a_day_of_many_tweets_is_shared_by_many_tasks_and_small_days_are_a_file_each(
    spark: SparkSession, root: Path, run: Score
) -> None:
    write_day(root, FIRST, tweets(FIRST, 12_000), group=500)
    small = [f"2015-12-{day}" for day in range(13, 20)]
    for day in small:
        write_day(root, day, tweets(day, 20))
    with many_tasks(spark):
        run()
    files = {day: list((root / "scored" / f"day={day}").glob("*.parquet")) for day in days(root)}
    rows = [pq.ParquetFile(file).metadata.num_rows for file in files[FIRST]]
    assert len(rows) > 5
    assert max(rows) < 12_000 / 4, "no task was left alone with most of the day"
    assert all(len(files[day]) == 1 for day in [*small, EMPTY])


def test_a_file_is_ordered_by_time_however_large_the_task(spark: SparkSession, root: Path, run: Score) -> None:
    java = spark.sparkContext._jvm.org.apache.spark.SparkEnv.get().conf()  # type: ignore[union-attr]
    java.set(SPILLS, "50")
    try:
        run()
    finally:
        java.remove(SPILLS)
    [file] = (root / "scored" / f"day={FIRST}").glob("*.parquet")
    assert pq.read_table(file, partitioning=None)["tweet_id"].to_pylist() == in_time(tweets(FIRST, 400))


def in_time(rows: list[dict[str, Any]]) -> list[int]:
    return [row["tweet_id"] for row in sorted(rows, key=lambda row: (row["created_at"], row["tweet_id"]))]


def test_a_precision_requested_by_name_scores_the_days_again(root: Path, run: Score) -> None:
    run("score.precision=float32")
    assert run("score.precision=float32").startswith("0 tweets of 0 days")
    exact = scored(root)
    assert run("score.precision=bfloat16").startswith("700 tweets of 3 days")
    assert scored(root) != exact
    assert run("score.precision=auto").startswith("0 tweets of 0 days")  # tonight's driver may be another machine
    assert scored(root) != exact


def test_a_day_with_a_damaged_origin_is_scored_again(root: Path, run: Score) -> None:
    run()
    origin = root / "scored" / f"day={FIRST}" / "_origin.json"
    origin.write_text(origin.read_text()[:20])
    assert run().startswith("400 tweets of 1 day")


def test_runs_of_other_days_may_publish_in_the_meantime(
    root: Path, run: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = score._count

    def meanwhile(written: DataFrame) -> dict[str, int]:
        monkeypatch.setattr(score, "_count", count)
        write_day(root, "2015-12-20", tweets("2015-12-20", 50))
        assert run("score.since=2015-12-20").startswith("50 tweets of 1 day ")
        return count(written)

    monkeypatch.setattr(score, "_count", meanwhile)
    assert run(f"score.until={EMPTY}").startswith("700 tweets of 3 days")
    assert "2015-12-20" in days(root)
    assert len(scored(root)) == 750


def test_the_record_has_precision_and_device(root: Path, run: Score) -> None:
    run("score.precision=bfloat16")
    [record] = (root / "runs").glob("score-*.json")
    content = json.loads(record.read_text())
    assert (content["precision"], content["device"], content["days"]) == ("bfloat16", "cpu", 3)
    assert content["counts"]["none"] == 14


def test_a_gpu_is_refused_if_spark_gives_tasks_none(run: Score) -> None:
    with pytest.raises(SettingsError, match=r"score\.device is cuda, but Spark assigns no GPU to tasks"):
        run("score.device=cuda")

"""report, on the real Spark and real tables: what an analyst is promised of the survey's page and its files."""

import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.storage import schema
from tonality.stages import report

TENTH, ELEVENTH = date(2015, 12, 10), date(2015, 12, 11)
PNG = b"\x89PNG\r\n\x1a\n"


def scored(number: int, probability: float | None, text: str = "кино", **others: Any) -> dict[str, Any]:
    day = others.get("day", TENTH)
    row = {
        "tweet_id": number,
        "created_at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
        "author": "anna",
        "text": f"{text} {number}",
        "hashtags": [],
        "is_retweet": False,
        "probability": probability,
        "tonality": "neutral",  # by thresholds that no longer hold
        "model": "c0ffee",
        "tweets_run": "clean-1",
        "run": "score-1",
        "day": day,
    }
    return {**row, **others}


def account(source: str, lines: int, tweets: int, window: str = "start..end", **others: Any) -> dict[str, Any]:
    counts = {"notices": 0, "duplicates": 0, "rejects": 0, "damage": "", **others}
    filtered = lines - tweets - counts["notices"] - counts["duplicates"] - counts["rejects"]
    return {"source": source, "lines": lines, "tweets": tweets, "filtered": filtered, **counts, "window": window}


def write(root: Path, table: str, rows: list[dict[str, Any]], columns: pa.Schema, partition: str) -> None:
    whole = [{**dict.fromkeys(columns.names), **row} for row in rows]
    pq.write_to_dataset(pa.Table.from_pylist(whole, columns), root / table, partition_cols=[partition])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    reject = {"source": "a.json", "offset": 7, "reason": "malformed-json", "window": "start..end"}
    write(tmp_path, "accounts", [account("a.json", 9, 6, rejects=1, notices=1)], schema.ACCOUNTS, "window")
    write(tmp_path, "rejects", [reject], schema.REJECTS, "window")
    clean(tmp_path, "a.json", 6)
    return tmp_path


def clean(root: Path, source: str, tweets: int) -> None:
    write(
        root, "tweets", [{"source": source, "tweet_id": n, "day": TENTH} for n in range(tweets)], schema.TWEETS, "day"
    )


@pytest.fixture
def survey(spark: SparkSession, root: Path) -> Callable[..., str]:
    """Reports on these scored tweets; settings as --set has them."""

    def run(rows: list[dict[str, Any]], *overrides: str) -> str:
        write(root, "scored", rows, schema.SCORED, "day")
        settings = load(overrides=[f"paths.root={root}", *overrides])
        with Run("report", settings) as record:
            return report.run(settings, record, spark)

    return run


def daily_shares(root: Path) -> list[dict[str, str]]:
    with (root / "report" / "dynamics.csv").open() as file:
        return list(csv.DictReader(file))


def page(root: Path) -> str:
    text = (root / "report" / "index.html").read_text()
    return " ".join(text[text.index("<body>") :].split())


def test_todays_thresholds_decide_instead_of_those_at_scoring_time(survey: Callable[..., str], root: Path) -> None:
    survey([scored(1, 0.7), scored(2, 0.55), scored(3, 0.2)], "survey.positive=0.5", "survey.negative=0.3")
    (day,) = daily_shares(root)
    assert (day["positive"], day["neutral"], day["negative"]) == ("2", "0", "1")


def test_a_keyword_finds_its_spellings_and_a_hashtag_its_tag(survey: Callable[..., str], root: Path) -> None:
    rows = [
        scored(1, 0.9, "Звездные ВОЙНЫ"),
        scored(2, 0.9, "смотрел звёздных войн"),
        scored(3, 0.1, "не читал", hashtags=["starwars7"]),
        scored(4, 0.1, "war, http://star.wars/звёздные/войны"),
        scored(5, 0.1, "большие звёзды"),
    ]
    survey(rows, 'survey.keywords=["звёздн* войн*"]', "survey.hashtags=#StarWars*")
    (day,) = daily_shares(root)
    assert (day["tweets"], day["positive"], day["negative"]) == ("3", "2", "1")
    assert "<bdi>#StarWars*</bdi>" in page(root) and "“<bdi>звёздн* войн*</bdi>”" in page(root)


def test_retweets_can_be_dropped(survey: Callable[..., str], root: Path) -> None:
    summary = survey([scored(1, 0.9), scored(2, 0.1, is_retweet=True)], "survey.retweets=drop")
    assert daily_shares(root)[0]["tweets"] == "1"
    assert "1 tweet of 1 day," in summary


def test_an_author_can_have_one_vote_a_day(survey: Callable[..., str], root: Path) -> None:
    rows = [
        *(scored(number, 0.9) for number in range(1, 9)),
        scored(9, 0.1, author="boris"),
        scored(10, 0.1, author=""),
    ]
    summary = survey(rows, "survey.voting=author")
    (day,) = daily_shares(root)
    assert (day["tweets"], day["voters"], day["positive"], day["negative"], day["anonymous"]) == (
        "10",
        "2",
        "1",
        "1",
        "1",
    )
    assert "10 tweets of 1 day, 2 votes of authors, 50.0% positive" in summary
    assert "1, without a vote" in page(root)


def test_only_the_requested_days_are_counted(survey: Callable[..., str], root: Path) -> None:
    survey([scored(1, 0.9), scored(2, 0.9, day=ELEVENTH)], "survey.since=2015-12-11")
    assert [day["day"] for day in daily_shares(root)] == ["2015-12-11"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["survey.keywords=джедай", "survey.hashtags=StarWars"], r"none of the 1 scored tweets .* is one with #StarWars or «джедай»\. Words are matched whole"),
        (["survey.retweets=drop"], r"none of the 1 scored tweets between start and end is one, retweets dropped"),
        (["survey.voting=author"], r"survey\.voting is author, but none of the 1 tweets on the topic, .* names its author"),
        (["survey.since=2016-01-01"], r"no scored tweet between 2016-01-01 and end: widen survey\.since"),
    ],
)  # fmt: skip
def test_a_question_that_no_tweet_answers_is_refused_with_the_setting_to_change(
    survey: Callable[..., str], root: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        survey([scored(1, 0.9, author=None, is_retweet=True)], *overrides)
    assert not (root / "report").exists()


def test_the_examples_are_in_the_page_and_in_a_table_of_their_own(survey: Callable[..., str], root: Path) -> None:
    rows = [scored(number, (number + 0.5) / 100, f"слово{number} кино") for number in range(100)]
    survey(rows, "survey.examples=5")
    with (root / "report" / "examples.csv").open(encoding="utf-8-sig") as file:
        shown = list(csv.DictReader(file))
    assert [row["tonality"] for row in shown] == ["positive"] * 5 + ["neutral"] * 5 + ["negative"] * 5
    negative = [float(row["probability"]) for row in shown[10:]]
    assert [int(probability / 0.09) for probability in negative] == [4, 3, 2, 1, 0]
    assert all(row["text"] in page(root) for row in shown)


def test_the_page_shows_the_outcomes_of_the_records(survey: Callable[..., str], root: Path) -> None:
    survey([scored(1, 0.9)])
    text = page(root)
    assert "1 file held 9 records. 6 of them are tweets" in text
    assert "malformed-json" in text


def test_a_file_that_was_read_for_several_months_is_counted_once(survey: Callable[..., str], root: Path) -> None:
    windows = [
        account("b.json", 100, tweets, window, notices=4, damage="cut off")
        for tweets, window in ((30, "2015-11-01..2015-11-30"), (50, "2015-12-01..2015-12-31"))
    ]
    write(root, "accounts", windows, schema.ACCOUNTS, "window")
    clean(root, "b.json", 80)
    survey([scored(1, 0.9)])
    text = page(root)
    assert "2 files held 109 records. 86 of them are tweets" in text
    assert "1 file was damaged" in text and "cut off" in text


def test_a_day_that_was_cleaned_again_leaves_no_record_counted_twice(survey: Callable[..., str], root: Path) -> None:
    windows = [
        account("b.json", 100, 90, "start..end", duplicates=10),
        account("b.json", 100, 40, "2015-12-10..2015-12-10", duplicates=5),
    ]
    write(root, "accounts", windows, schema.ACCOUNTS, "window")
    clean(root, "b.json", 90)
    survey([scored(1, 0.9)])
    text = page(root)
    assert "2 files held 109 records. 96 of them are tweets" in text
    assert "-" not in "".join(
        re.findall(r"<td>([^<]*)</td>", text[text.index('id="coverage"') : text.index('id="guide"')])
    )


def evaluate(root: Path, model: str) -> None:
    measures = {
        "accuracy": 0.777,
        "accuracy_low": 0.7,
        "accuracy_high": 0.8,
        "macro_f1": 0.7,
        "auc": None,
        "log_loss": 0.5,
    }
    content = {"model": model, "rows": 26_177, "models": {"LSTM network": measures, "naive Bayes": measures}}
    (root / "evaluation").mkdir()
    (root / "evaluation" / "evaluation.json").write_text(json.dumps(content))
    (root / "evaluation" / "evaluation.png").write_bytes(PNG)


def test_the_evaluation_of_the_model_that_scored_is_shown(survey: Callable[..., str], root: Path) -> None:
    evaluate(root, "c0ffee")
    survey([scored(1, 0.9)])
    assert "Of 26,177 labelled tweets" in page(root) and "77.7%" in page(root)


def test_the_evaluation_of_another_model_is_not(survey: Callable[..., str], root: Path) -> None:
    evaluate(root, "another")
    survey([scored(1, 0.9)])
    assert "77.7%" not in page(root) and "was not evaluated" in page(root)


def test_the_evaluation_of_a_model_as_the_production_model_is_shown_with_it_first(
    survey: Callable[..., str], root: Path
) -> None:
    evaluate(root, "another")
    file = root / "evaluation" / "evaluation.json"
    content = json.loads(file.read_text())
    content["networks"] = {"another": "LSTM network", "c0ffee": "current LSTM network"}
    content["models"]["current LSTM network"] = content["models"]["naive Bayes"] | {"accuracy": 0.765}
    file.write_text(json.dumps(content))
    survey([scored(1, 0.9)])
    assert "classified 76.5% according to their labels" in re.sub(r"\s+", " ", page(root))


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"model": "c0ffee"}', '{"model": "c0ffee", "rows": 1, "models": {"n": {}}}']
)
def test_an_evaluation_that_cannot_be_read_is_named(survey: Callable[..., str], root: Path, content: str) -> None:
    evaluate(root, "c0ffee")
    (root / "evaluation" / "evaluation.json").write_text(content)
    with pytest.raises(InputError, match=r"/evaluation/evaluation\.json cannot be read \(.*\)\. Run `evaluate` again"):
        survey([scored(1, 0.9)])

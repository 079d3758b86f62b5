from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from pyspark.sql import functions as F  # noqa: N812

from tonality.survey.examples import COLUMNS, choose, to_csv
from tonality.text.tweet_markup import LINK, MENTION, in_java

NOON = datetime(2015, 12, 10, 12, tzinfo=UTC)
SCORED = "tweet_id long, created_at timestamp, author string, text string, probability float, tonality string"


def tonality(probability):
    if probability is None:
        return "none"
    return "positive" if probability >= 0.65 else "negative" if probability <= 0.45 else "neutral"


def tweet(tweet_id, text, probability=0.9, author="anna"):
    return (tweet_id, NOON + timedelta(minutes=tweet_id), author, text, probability, tonality(probability))


def scored(spark, *tweets):
    return spark.createDataFrame(list(tweets), SCORED)


def chosen(spark, *tweets, count=5):
    return choose(scored(spark, *tweets), 0.65, 0.45, count)


def texts(spark, *tweets, count=5):
    return chosen(spark, *tweets, count=count)["text"].tolist()


def test_positive_comes_before_neutral_before_negative_and_the_surest_first(spark):
    examples = chosen(spark, *(tweet(n, f"text {n}", n / 10) for n in (1, 5, 8, 3, 6, 9)))
    assert examples["tonality"].tolist() == ["positive"] * 2 + ["neutral"] * 2 + ["negative"] * 2
    assert examples["probability"].tolist() == pytest.approx([0.9, 0.8, 0.6, 0.5, 0.3, 0.1])


def test_an_example_has_tone_probability_time_author_and_text(spark):
    examples = chosen(spark, tweet(1, "Да пребудет сила", 0.75, author=None))
    assert tuple(examples.columns) == COLUMNS
    assert examples.iloc[0].tolist() == [
        "positive",
        0.75,
        pd.Timestamp(NOON + timedelta(minutes=1)),
        None,
        "Да пребудет сила",
    ]


def test_tweets_without_a_tone_or_a_text_are_no_examples(spark):
    nothing = [tweet(1, "слово", None), tweet(2, None), tweet(3, "@anna https://t.co/x"), tweet(4, "RT @anna: \u200b")]
    assert texts(spark, *nothing) == []


def test_of_more_than_a_million_tweets_of_a_tone_about_a_million_are_considered(spark, monkeypatch):
    monkeypatch.setattr("tonality.survey.examples._MAX_TWEETS", 100)
    rows = scored(
        spark, *(tweet(n, f"text {n}") for n in range(400)), *(tweet(500 + n, f"rare {n}", 0.1) for n in range(9))
    )
    found = choose(rows, 0.65, 0.45, 200)
    tones = found["tonality"].value_counts()
    assert 60 < tones["positive"] < 140
    assert tones["negative"] == 9
    assert choose(rows.repartition(3), 0.65, 0.45, 200).equals(found)


def test_a_tone_loses_no_example_to_texts_that_are_older_in_another(spark):
    older = [tweet(n, f"чужое {n}", 0.1) for n in range(100)]
    copies = [tweet(1000 + n, f"RT @anna: чужое {n}", 0.9) for n in range(100)]
    own = [tweet(500 + n, f"своё {n}", 0.9) for n in range(5)]
    found = chosen(spark, *older, *copies, *own)
    assert (found["tonality"] == "positive").sum() == 5


def test_examples_are_spread_over_the_range_and_not_the_surest(spark):
    sure = [tweet(n, f"sure {n}", 0.99) for n in range(50)]
    others = [tweet(100 + n, f"other {n}", 0.66 + 0.07 * n) for n in range(4)]
    assert [round(p, 2) for p in chosen(spark, *sure, *others)["probability"]] == [0.99, 0.87, 0.8, 0.73, 0.66]


def test_the_places_of_empty_bins_go_to_the_others_evenly(spark):
    low, high = ([tweet(base + n, f"text {base + n}", p) for n in range(20)] for base, p in ((0, 0.66), (100, 0.99)))
    assert [round(p, 2) for p in chosen(spark, *low, *high, count=6)["probability"]] == [0.99] * 3 + [0.66] * 3


def test_the_last_places_go_to_bins_far_apart(spark):
    tweets = [tweet(10 * b + n, f"text {b} {n}", 0.675 + 0.05 * b) for b in range(7) if b != 3 for n in range(5)]
    # Six of seven bins have tweets: after one from each, the seventh place goes to one in the middle.
    bins = [round((p - 0.675) / 0.05) for p in chosen(spark, *tweets, count=7)["probability"]]
    assert bins == [6, 5, 4, 4, 2, 1, 0]


def test_a_tone_has_fewer_examples_only_where_it_has_fewer_texts(spark):
    examples = chosen(
        spark, tweet(1, "one", 0.7), tweet(2, "two", 0.7), *(tweet(n, f"no {n}", 0.2) for n in range(10, 20))
    )
    assert examples["tonality"].value_counts().to_dict() == {"positive": 2, "negative": 5}


def test_texts_that_differ_by_links_mentions_case_signs_or_space_are_one_example(spark):
    copies = [
        "RT @wookiee: Сила с нами",
        "rt @wookiee сила с нами",
        "RT @one: RT @two: Сила с нами",
        "сила   С\u00a0НАМИ\n",
        "«Сила» с нами!",
        "Сила с нами https://t.co/abc",
        "@anna ＠борис Сила с нами www.example.org/x",
        "Сила \u202eс\u200b нами\0",
    ]
    tweets = [tweet(n, copy, 0.7) for n, copy in enumerate(copies, start=2)]
    assert texts(spark, tweet(1, "Сила с нами", 0.9), *tweets, count=20) == ["Сила с нами"]


def test_texts_that_differ_by_a_word_are_two_examples(spark):
    assert sorted(texts(spark, tweet(1, "сила с нами"), tweet(2, "сила не с нами"))) == [
        "сила не с нами",
        "сила с нами",
    ]


def test_of_equal_texts_the_earliest_is_shown_whatever_its_tone(spark):
    examples = chosen(spark, tweet(7, "RT @a: сила", 0.9), tweet(3, "сила", 0.2, "first"), tweet(5, "Сила есть", 0.9))
    assert examples[["tonality", "author", "text"]].to_numpy().tolist() == [
        ["positive", "anna", "Сила есть"],
        ["negative", "first", "сила"],
    ]


def test_the_original_is_found_among_many_that_were_no_candidates(spark):
    crowd = [tweet(1000 + n, f"толпа {n}", 0.7) for n in range(200)]
    originals = [tweet(n, f"сила {n}", 0.7, "original") for n in range(10)]
    copies = [tweet(500 + n, f"RT @original: сила {n}", 0.99) for n in range(10)]
    assert "anna" not in [
        a for a, t in chosen(spark, *crowd, *originals, *copies)[["author", "text"]].to_numpy() if "сила" in t
    ]


def test_a_viral_tweet_pushes_no_other_out(spark):
    viral = scored(spark, tweet(1, "вирус", 0.99)).withColumn("n", F.explode(F.sequence(F.lit(1), F.lit(100_000))))
    copies = viral.withColumn("tweet_id", F.col("n").cast("long")).drop("n")
    others = scored(spark, *(tweet(200_000 + n, f"text {n}", 0.99) for n in range(4)))
    assert sorted(choose(copies.union(others), 0.65, 0.45, 5)["text"]) == [
        "text 0",
        "text 1",
        "text 2",
        "text 3",
        "вирус",
    ]


def test_the_same_rows_give_the_same_examples_in_any_order(spark):
    tweets = [tweet(n, f"text {n % 300}", (n % 100) / 100) for n in range(600)]
    forwards = choose(scored(spark, *tweets).repartition(7), 0.65, 0.45, 5)
    backwards = choose(scored(spark, *tweets[::-1]).coalesce(1), 0.65, 0.45, 5)
    pd.testing.assert_frame_equal(forwards, backwards)


def test_a_range_without_a_width_is_one_bin(spark):
    edges = [(1, NOON, "a", "top", 1.0, "positive"), (2, NOON, "a", "bottom", 0.0, "negative")]
    assert choose(spark.createDataFrame(edges, SCORED), 1.0, 0.0, 5)["text"].tolist() == ["top", "bottom"]


def test_no_scored_tweets_give_no_examples_but_their_columns(spark):
    examples = chosen(spark, tweet(1, "слово", None))
    assert examples.empty and tuple(examples.columns) == COLUMNS
    assert to_csv(examples).decode("utf-8-sig") == ",".join(f'"{name}"' for name in COLUMNS) + "\n"


@pytest.mark.parametrize("pattern", [LINK, MENTION])
def test_spark_finds_the_links_and_mentions_that_python_finds(spark, pattern):
    cases = [
        "see HTTPS://t.co/Ab_1 now", "xhttp://a.b c", "www.сайт.рф/п end", "awww.x y", "http:// x", "http://a\u00a0b",
        "@anna: hi", "mail@host.org", "＠борис и @\u0451лка", "@े x", "@a\u0301b c", "@x² y", "@@a", "@", "é@a", "_@a", "@a-b",
    ]  # fmt: skip
    found = spark.createDataFrame(list(enumerate(cases)), "n int, text string").select(
        "n", F.regexp_replace("text", in_java(pattern), "|").alias("found")
    )
    assert [row.found for row in found.sort("n").collect()] == [pattern.sub("|", text) for text in cases]


def test_the_csv_is_written_to_the_letter():
    rows = [("positive", 0.98765, pd.Timestamp("2015-12-10 12:30", tz="UTC"), "анна", 'Сила, "да"')]
    assert to_csv(pd.DataFrame(rows, columns=list(COLUMNS))) == (
        b"\xef\xbb\xbf"
        + '"tonality","probability","created_at","author","text"\n'
          '"positive","0.9877","2015-12-10T12:30:00Z","анна","Сила, ""да"""\n'.encode()
    )  # fmt: skip


def test_tweets_without_ids_are_examples_as_others_are(spark):
    tweets = [tweet(n, f"text {n}", 0.7 + n / 100) for n in range(9)]
    with_ids = chosen(spark, *tweets)
    without = chosen(spark, *((None, *rest) for _, *rest in tweets))
    assert len(without) == 5
    pd.testing.assert_frame_equal(without, with_ids)

"""Labelled tweets on their way to training rows: emoticon labels, stems, split, vocabulary, dataset."""

from datetime import UTC, date, datetime

import pytest

from tonality.model.dataset.distant_labels import label_by_emoticon
from tonality.model.dataset.encode import encode, with_stems
from tonality.model.dataset.split import TRAIN, VALID, shuffled, with_split
from tonality.model.dataset.vocabulary import count_stems
from tonality.runtime.settings.load import text_rules
from tonality.runtime.settings.sections import TextSettings
from tonality.runtime.storage.schema import DATASET, LABELLED, VOCABULARY

RULES = text_rules(TextSettings(language="ru"))


def stems_frame(spark, *texts):
    return spark.createDataFrame([(text,) for text in texts], "stems string")


# Emoticons


def tweets(spark, *rows):
    moment = datetime(2015, 12, 10, tzinfo=UTC)
    content = [
        (n, moment, text, stems, retweet, "c0ffee", date(2015, 12, 10)) for n, (text, stems, retweet) in enumerate(rows)
    ]
    schema = (
        "tweet_id long, created_at timestamp, text string, stems string, is_retweet boolean, rules string, day date"
    )
    return spark.createDataFrame(content, schema)


def test_a_tweet_is_labelled_by_signs_of_one_tone_alone(spark):
    frame = tweets(
        spark,
        ("отлично :)", "отличн", False),
        ("ужас :(", "ужас", False),
        ("и так :) и так :(", "и так и так", False),
        ("просто так", "прост так", False),
        ("RT отлично :)", "отличн", True),
        (":)", "", False),
        (None, None, False),
    )
    labelled = label_by_emoticon(frame, RULES.language.emoticons)
    assert [(row.tweet_id, row.label) for row in labelled.orderBy("tweet_id").collect()] == [(0, 1.0), (1, 0.0)]
    assert set(labelled.columns) == set(LABELLED.names) - {"run"}


# Stems


def test_the_sign_that_gave_the_label_is_not_among_the_stems(spark):
    frame = spark.createDataFrame([("Отличные дни xD http://a.b :)", 1.0), ("", 0.0)], "text string, label float")
    assert [tuple(row) for row in with_stems(frame, RULES).collect()] == [("отличн дни", 1.0), ("", 0.0)]


# Split


def sides(frame):
    return {row.stems: row.split for row in frame.collect()}


@pytest.fixture(scope="module")
def thousand(spark):
    return stems_frame(spark, *(f"стем {n}" for n in range(1000))).cache()


def test_the_same_text_never_stands_on_both_sides(spark, thousand):
    twice = with_split(thousand.union(thousand), 0.5, 1)
    assert twice.distinct().count() == 1000


def test_about_the_asked_fraction_of_the_texts_is_held_out(thousand):
    for fraction in (0.2, 0.5):
        held_out = with_split(thousand, fraction, 1).where(f"split = '{VALID}'").count()
        assert abs(held_out / 1000 - fraction) < 0.05


def test_the_split_is_the_same_every_time_and_another_by_another_seed(thousand):
    first = sides(with_split(thousand, 0.5, 1))
    assert set(first.values()) == {TRAIN, VALID}
    assert sides(with_split(thousand.repartition(3), 0.5, 1)) == first
    changed = sum(side != first[text] for text, side in sides(with_split(thousand, 0.5, 2)).items())
    assert 400 < changed < 600


def test_who_is_held_out_stays_held_out_when_more_is(thousand):
    less, more = (sides(with_split(thousand, fraction, 1)) for fraction in (0.2, 0.3))
    assert {text for text in less if less[text] == VALID} < {text for text in more if more[text] == VALID}


def test_the_order_of_rows_is_the_same_every_time_another_by_another_seed_and_none_of_the_text(thousand):
    labelled = thousand.selectExpr("stems", "cast(1 as float) label")

    def order(seed, frame=labelled):
        return [row.stems for row in shuffled(frame, seed, 4).collect()]

    assert order(1) == order(1, labelled.repartition(3))
    assert order(1) != order(2)
    assert order(1) != sorted(order(1))


# Vocabulary


def vocabulary(frame, size=100, min_count=1):
    counted = count_stems(frame, size, min_count)
    assert counted.columns == VOCABULARY.names
    return [tuple(row) for row in counted.orderBy("id").collect()]


def test_stems_are_numbered_from_2_by_falling_frequency_ties_by_stem(spark):
    frame = stems_frame(spark, "б а в", "в а", "в я", "", None)
    assert vocabulary(frame) == [(2, "в", 3), (3, "а", 2), (4, "б", 1), (5, "я", 1)]


def test_stems_that_are_too_rare_get_no_number(spark):
    assert vocabulary(stems_frame(spark, "б а в", "в а", "в я"), min_count=2) == [(2, "в", 3), (3, "а", 2)]


def test_padding_and_the_unknown_stem_count_towards_the_size(spark):
    assert vocabulary(stems_frame(spark, "б а в", "в а", "в я"), size=3) == [(2, "в", 3)]


# Dataset


def dataset(spark, unknown, *rows, max_length=3):
    frame = spark.createDataFrame(rows, "stems string, label float").coalesce(1)
    made = encode(frame, ["кот", "дом"], unknown, max_length)
    assert made.columns == DATASET.names
    return [tuple(row) for row in made.collect()]


def test_a_training_row_is_padded_behind_or_cut_at_its_end(spark):
    assert dataset(spark, "train", ("дом кот", 1.0), ("кот дом дом кот", 0.0)) == [
        ([3, 2, 0], 2, 1.0, "дом кот"),
        ([2, 3, 3], 3, 0.0, "кот дом дом кот"),
    ]


def test_an_unknown_stem_is_1_where_it_is_trained_and_left_out_where_it_is_dropped(spark):
    rows = [("кот лес дом кот", 1.0)]
    assert dataset(spark, "train", *rows)[0][:2] == ([2, 1, 3], 3)
    assert dataset(spark, "drop", *rows)[0][:2] == ([2, 3, 2], 3)


def test_a_tweet_without_any_number_is_no_training_row(spark):
    rows = [("лес", 1.0), ("", 0.0), (None, 0.0), ("кот", 1.0)]
    assert [row[3] for row in dataset(spark, "drop", *rows)] == ["кот"]
    assert [row[3] for row in dataset(spark, "train", *rows)] == ["лес", "кот"]

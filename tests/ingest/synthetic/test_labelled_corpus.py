import csv
from itertools import combinations

import pytest

from tonality.ingest.synthetic.decoration import EMOTICONS
from tonality.ingest.synthetic.labelled_corpus import labelled_tweets


def rows(sample, label: str) -> list[list[str]]:
    with (sample.corpus / f"{label}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=";"))


@pytest.mark.parametrize(("label", "written"), [("positive", "1"), ("negative", "-1")])
def test_a_file_has_half_the_rows_of_twelve_columns_and_one_label(sample, label, written):
    table = rows(sample, label)
    assert len(table) == 300
    assert {len(row) for row in table} == {12}
    assert {row[4] for row in table} == {written}
    for row in table:
        assert all(number.isdigit() for number in (*row[:2], *row[5:]))


def test_an_odd_row_goes_to_the_positive_side(write, tmp_path):
    odd = write(tmp_path, seed=1, lines=1_000, rows=101)
    assert [len(rows(odd, label)) for label in ("positive", "negative")] == [51, 50]


def test_ids_are_distinct_over_both_files(sample):
    ids = [row[0] for label in ("positive", "negative") for row in rows(sample, label)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("label", ["positive", "negative"])
def test_texts_are_the_labelled_tweets_with_quotes_and_line_breaks_intact(sample, label):
    assert [row[3] for row in rows(sample, label)] == [t.text for t in labelled_tweets(1, label, 300, 0.18)]


def test_some_texts_hold_line_breaks_and_stray_quotes(sample):
    texts = [row[3] for row in rows(sample, "positive")]
    assert any("\n" in text for text in texts)
    assert any(text.count('"') % 2 for text in texts)


@pytest.mark.parametrize(("wrong_labels", "wrong"), [(0.0, 0), (0.18, 72), (0.49, 196)])
def test_the_requested_share_of_labels_is_wrong(wrong_labels, wrong):
    tweets = list(labelled_tweets(5, "negative", 400, wrong_labels))
    assert {tweet.label for tweet in tweets} == {"negative"}
    assert sum(tweet.tone != tweet.label for tweet in tweets) == wrong


def test_every_text_has_an_emoticon_of_its_label():
    for label in ("positive", "negative"):
        for tweet in labelled_tweets(2, label, 300, 0.3):
            assert any(sign in tweet.text for sign in EMOTICONS[label].items)


def test_no_emoticon_stands_on_both_sides():
    for one, other in combinations(EMOTICONS.values(), 2):
        assert not any(sign in opposite or opposite in sign for sign in one.items for opposite in other.items)

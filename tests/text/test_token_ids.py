import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tonality.text.token_ids import StemEncoder, TokenIds, vocabulary_fingerprint

VOCABULARY = ["кот", "дом", "сон"]


def encode(texts, unknown="train", max_length=100):
    flat, lengths = StemEncoder(VOCABULARY, unknown, max_length).encode(pa.array(texts, pa.string()))
    assert (flat.dtype, lengths.dtype) == (np.int32, np.int64)
    return [part.tolist() for part in np.split(flat, np.cumsum(lengths)[:-1])] if len(lengths) else []


def test_stems_are_encoded_from_two_in_the_order_of_the_vocabulary():
    assert encode(["кот дом", "сон", "дом дом"]) == [[2, 3], [4], [3, 3]]


def test_an_unknown_stem_is_one_where_it_is_trained():
    assert encode(["кот лес дом"], "train") == [[2, 1, 3]]


def test_an_unknown_stem_has_no_id_where_it_is_dropped():
    assert encode(["кот лес дом", "лес"], "drop") == [[2, 3], []]


def test_a_null_and_an_empty_tweet_have_no_ids():
    assert encode([None, "", "кот", None]) == [[], [], [2], []]
    assert encode([None, None]) == [[], []]


def test_an_empty_batch_has_no_ids():
    assert encode([]) == []


def test_a_tweet_is_cut_at_the_maximum_length():
    assert encode(["кот дом сон", "сон"], max_length=2) == [[2, 3], [4]]


def test_a_tweet_is_cut_only_after_its_unknown_stems_are_dropped():
    assert encode(["лес лес кот лес дом сон"], "drop", 2) == [[2, 3]]


def test_a_batch_without_a_tweet_that_is_too_long_is_not_cut(monkeypatch):
    """The positions of all ids are computed only if a tweet has to be cut."""
    monkeypatch.delattr(TokenIds, "positions")
    assert encode(["кот дом", "сон"], max_length=2) == [[2, 3], [4]]
    assert encode(["кот дом", "сон"], max_length=3) == [[2, 3], [4]]


def test_without_a_vocabulary_every_stem_is_unknown():
    assert StemEncoder([], "train", 9).encode(pa.array(["кот дом", ""])).flat.tolist() == [1, 1]


def test_a_vocabulary_may_come_as_an_arrow_array():
    encoded = StemEncoder(pa.array(VOCABULARY), "train", 9).encode(pa.array(["сон кот"]))
    assert encoded.flat.tolist() == [4, 2]


def test_a_slice_has_only_the_ids_of_its_tweets():
    stems = pa.array(["кот", None, "дом сон", "сон"]).slice(1, 2)
    flat, lengths = StemEncoder(VOCABULARY, "train", 9).encode(stems)
    assert (flat.tolist(), lengths.tolist()) == ([3, 4], [0, 2])


@given(
    st.lists(st.none() | st.lists(st.sampled_from([*VOCABULARY, "лес"]), max_size=6)),
    st.sampled_from(["train", "drop"]),
    st.integers(1, 4),
)
def test_every_tweet_has_the_ids_that_it_has_alone(tweets, unknown, max_length):
    def alone(words):
        ids = [VOCABULARY.index(word) + 2 if word in VOCABULARY else 1 for word in words or []]
        return [token for token in ids if unknown == "train" or token != 1][:max_length]

    texts = [words if words is None else " ".join(words) for words in tweets]
    assert encode(texts, unknown, max_length) == [alone(words) for words in tweets]


def test_the_fingerprint_of_a_vocabulary_never_changes():
    """Models that were trained years ago hold it."""
    assert vocabulary_fingerprint(VOCABULARY) == "3810d82cebf7"


@pytest.mark.parametrize("other", [["дом", "кот", "сон"], ["кот", "дом"], ["котдом", "сон"], []])
def test_another_vocabulary_or_order_is_another_fingerprint(other):
    assert vocabulary_fingerprint(other) != vocabulary_fingerprint(VOCABULARY)
    assert len(vocabulary_fingerprint(other)) == 12

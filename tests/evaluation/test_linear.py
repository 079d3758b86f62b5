import pytest

from tonality.evaluation.linear import linear_probabilities

SCHEMA = "stems string, label float"
TRAIN = [(f"день {word} {other}", label) for word, label in (("хорош", 1.0), ("плох", 0.0)) for other in "абвгд"] * 4
VALID = [("день хорош", 1.0), ("плох день", 0.0), ("хорош хорош", 1.0), ("плох", 0.0), ("совсем другое", 1.0)]


@pytest.fixture(scope="module")
def measured(spark):
    train, valid = (spark.createDataFrame(rows, SCHEMA).coalesce(1) for rows in (TRAIN, VALID))
    found = linear_probabilities(train, valid, vocabulary=10)
    assert found.columns == ["label", "probability"]
    return [tuple(row) for row in found.collect()]


def test_every_held_out_row_is_measured_once_with_its_own_label(measured):
    """Those without a known stem too: the network is measured on all of them."""
    assert [label for label, _ in measured] == [label for _, label in VALID]


def test_two_words_that_tell_the_classes_apart_are_learned(measured):
    assert all((probability > 0.9) == (label == 1.0) for label, probability in measured[:-1])
    assert all((probability < 0.1) == (label == 0.0) for label, probability in measured[:-1])


def test_a_text_of_unknown_stems_gets_what_the_training_side_was_like(measured):
    assert measured[-1][1] == pytest.approx(0.5, abs=0.01)

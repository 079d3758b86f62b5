import pytest

from tonality.privacy.digests import SaltedDigests

DIGESTS = SaltedDigests(b"s" * 32)


def test_digests_depend_on_the_salt_and_the_kind():
    other = SaltedDigests(b"t" * 32)
    assert DIGESTS.tweet(7) == DIGESTS.tweet(7) != other.tweet(7)
    assert len({DIGESTS.tweet(7), DIGESTS.author("7"), DIGESTS.text("7")}) == 3


def test_an_author_has_one_digest_in_any_case():
    assert DIGESTS.author("Anna") == DIGESTS.author("anna")


@pytest.mark.parametrize(
    "text",
    [
        "RT @boris: кино с @anna!",
        "RT @: кино с @!",
        "RT @c: RT @b: кино с @anna!",
        "rt @boris: кино с @anna!",
        "Rt @c: rt @b : кино с @anna!",
        "RT @boris : кино с @anna!",
    ],
)
def test_a_retweet_has_the_digest_of_the_original_regardless_of_names_and_case(text):
    assert DIGESTS.text(text) == DIGESTS.text("кино с @anna!")


def test_a_text_without_the_prefix_of_a_retweet_has_its_own_digest():
    assert DIGESTS.text("rt кино с @anna!") != DIGESTS.text("кино с @anna!")


@pytest.mark.parametrize(
    "text", ["кино", "RT @boris: кино", "RT @c: RT @: кино", "RT @boris кино", "rt кино", "RT", ""]
)
def test_a_text_that_earlier_versions_read_in_the_same_way_has_one_digest(text):
    assert DIGESTS.texts(text) == [DIGESTS.text(text)]


@pytest.mark.parametrize(
    ("text", "former"),
    [
        # as stored in forgotten/ by earlier versions, with this salt
        ("rt @boris: кино", "58344f69dd9fca992fc9afd38514702f"),
        ("RT @c: rt @boris: кино", "58344f69dd9fca992fc9afd38514702f"),
        ("RT @boris : кино", "cc6085e2802d47ef7c0f961745edfafb"),
    ],
)
def test_a_text_that_earlier_versions_read_in_another_way_has_their_digest_too(text, former):
    current, earlier = DIGESTS.texts(text)
    assert current == DIGESTS.text(text) == DIGESTS.text("кино")
    assert earlier.hex() == former

import re

import pytest

from tonality.text.topic import JAVA, PYTHON, hashtag_pattern, phrase_pattern

WARS = "звёздн* войн*"


@pytest.fixture(scope="module")
def java(spark):
    """Finds as Spark does: with java.util.regex."""

    def finds(pattern, text):
        return spark.createDataFrame([(text,)], "text string").selectExpr(f"rlike(text, r'{JAVA}{pattern}')").first()[0]

    return finds


def python(pattern, text):
    return re.search(PYTHON + pattern, text) is not None


FOUND = [
    ("войны", "Звёздные ВОЙНЫ!"),
    ("звездные", "звёздные"),
    ("звёздные", "ЗВЕЗДНЫЕ"),
    ("Ёлка", "елка"),
    ("ёлка", "е\u0308лка"),  # decomposed
    ("мой", "мои\u0306"),
    ("café", "CAFE\u0301"),
    (WARS, "смотрел звёздные войны"),
    (WARS, "«Звёздных войн» не будет"),
    (WARS, "#звёздные_войны"),
    (WARS, "звёздные — войны"),
    ("star wars", "@star_wars"),
    ("star wars", "Star\nWars"),
    ("войн*", "война"),
    ("войн*", "войн"),
    ("7 эпизод", "смотрим 7 эпизод"),
    ("c++", "C"),
]
NOT_FOUND = [
    ("война", "войнах"),
    ("войн", "война"),
    ("войн*", "двойник"),
    ("ар", "старт"),
    (WARS, "звёздные большие войны"),
    (WARS, "войны звёздные"),
    ("star wars", "starwars"),
    ("7 эпизод", "17 эпизод"),
    ("эпизод 7", "эпизод 77"),
    ("ёлка", ""),
]


@pytest.mark.parametrize(("phrase", "text"), FOUND)
def test_a_topic_is_found_whatever_its_case_its_yo_and_the_signs_between(java, phrase, text):
    pattern = phrase_pattern([phrase])
    assert python(pattern, text)
    assert java(pattern, text)


@pytest.mark.parametrize(("phrase", "text"), NOT_FOUND)
def test_a_topic_is_found_by_whole_words_in_their_order(java, phrase, text):
    pattern = phrase_pattern([phrase])
    assert not python(pattern, text)
    assert not java(pattern, text)


def test_any_of_several_phrases_is_enough(java):
    pattern = phrase_pattern(["джедай", "star wars"])
    assert java(pattern, "last jedi, star wars") and python(pattern, "джедай")
    assert not java(pattern, "джедаи")


@pytest.mark.parametrize("phrase", ["", " ", "*", "#", "!!!", "_"])
def test_a_phrase_without_a_word_is_refused(phrase):
    with pytest.raises(ValueError, match=r"has no word: wanted letters or digits$"):
        phrase_pattern([phrase])


@pytest.mark.parametrize("phrase", ["*войны", "зв*ды", "звёздные * войны", "войн**"])
def test_a_star_that_is_not_at_a_words_end_is_refused(phrase):
    with pytest.raises(ValueError, match=r"a \* stands at the end of a word"):
        phrase_pattern([phrase])


@pytest.mark.parametrize("sign", [".", "(", "[", "\\", "|", "$"])
def test_a_sign_means_itself_never_a_regular_expression(sign):
    assert not python(phrase_pattern([f"a{sign}b"]), "axb")
    assert python(phrase_pattern([f"a{sign}b"]), f"A{sign}B")


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("#StarWars", "starwars"),
        ("starwars", "starwars"),
        ("＃ЗвёздныеВойны", "звездныевойны"),
        ("звездные_войны", "звёздные_войны"),
        ("звёздн*", "звездные_войны"),
        ("star*", "star"),
        ("café", "cafe\u0301"),
    ],
)
def test_a_hashtag_is_found_with_or_without_its_sign_and_by_its_beginning(java, tag, found):
    assert python(hashtag_pattern(["other", tag]), found)
    assert java(hashtag_pattern(["other", tag]), found)


@pytest.mark.parametrize(("tag", "other"), [("star", "starwars"), ("wars", "starwars"), ("star_wars", "starwars")])
def test_a_hashtag_is_matched_as_a_whole(java, tag, other):
    assert not python(hashtag_pattern([tag, "else"]), other)
    assert not java(hashtag_pattern([tag, "else"]), other)


@pytest.mark.parametrize("tag", ["", "#", "star wars", "#*", "*wars", "st*r", "a-b", "_", "##star"])
def test_what_is_no_hashtag_is_refused(tag):
    with pytest.raises(ValueError, match=r"is no hashtag: wanted letters, digits and _ without spaces"):
        hashtag_pattern([tag])

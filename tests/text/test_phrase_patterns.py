import pytest
from pyspark.sql import functions as F  # noqa: N812

from tonality.text.phrase_patterns import hashtag_pattern, longest_plain_run, phrase_pattern

WARS = "звёздн* войн*"


@pytest.fixture(scope="module")
def found(spark):
    """A function that returns true if Spark finds a pattern in a text."""

    def finds(pattern, text):
        return spark.createDataFrame([(text,)], "text string").select(F.col("text").rlike(pattern)).first()[0]

    return finds


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
    ("Straße", "die STRAßE"),
    ("हिन्दी", "मेरी हिन्दी"),
    ("во\u0301йны", "ВО\u0301ЙНЫ"),
    ("istanbul", "İSTANBUL"),
    ("ISTANBUL", "I\u0307stanbul"),
    ("İstanbul", "ıstanbul"),
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
    ("हिन्द", "हिन्दी"),
    ("star", "𝐚star"),
]


@pytest.mark.parametrize(("phrase", "text"), FOUND)
def test_a_topic_is_found_whatever_its_case_its_yo_and_the_signs_between(found, phrase, text):
    assert found(phrase_pattern([phrase]), text)


@pytest.mark.parametrize(("phrase", "text"), NOT_FOUND)
def test_a_topic_is_found_by_whole_words_in_their_order(found, phrase, text):
    assert not found(phrase_pattern([phrase]), text)


def test_any_of_several_phrases_is_enough(found):
    pattern = phrase_pattern(["джедай", "star wars"])
    assert found(pattern, "last jedi, star wars") and found(pattern, "джедай")
    assert not found(pattern, "джедаи")


@pytest.mark.parametrize("phrase", ["", " ", "*", "#", "!!!", "_"])
def test_a_phrase_without_a_word_is_refused(phrase):
    with pytest.raises(ValueError, match=r"has no word: expected letters or digits$"):
        phrase_pattern([phrase])


@pytest.mark.parametrize("phrase", ["*войны", "зв*ды", "звёздные * войны", "войн**"])
def test_a_star_that_is_not_at_a_words_end_is_refused(phrase):
    with pytest.raises(ValueError, match=r"a \* is allowed only at the end of a word"):
        phrase_pattern([phrase])


@pytest.mark.parametrize("sign", [".", "(", "[", "\\", "|", "$"])
def test_a_sign_means_itself_never_a_regular_expression(found, sign):
    assert not found(phrase_pattern([f"a{sign}b"]), "axb")
    assert found(phrase_pattern([f"a{sign}b"]), f"A{sign}B")


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("#StarWars", "starwars"),
        ("starwars", "starwars"),
        ("＃ЗвёздныеВойны", "звездныевойны"),
        ("звездные_войны", "звёздные_войны"),
        ("звёздн*", "звездные_войны"),
        ("star*", "star"),
        ("café", "cafe\u0301"),
        ("#हिन्दी", "हिन्दी"),
        ("ไทยนี้", "ไทยนี้"),
    ],
)
def test_a_hashtag_is_found_with_or_without_its_sign_and_by_its_beginning(found, tag, written):
    assert found(hashtag_pattern(["other", tag]), written)


@pytest.mark.parametrize(("tag", "other"), [("star", "starwars"), ("wars", "starwars"), ("star_wars", "starwars")])
def test_a_hashtag_is_matched_as_a_whole(found, tag, other):
    assert not found(hashtag_pattern([tag, "else"]), other)


@pytest.mark.parametrize("tag", ["", "#", "star wars", "#*", "*wars", "st*r", "a-b", "_", "##star"])
def test_what_is_no_hashtag_is_refused(tag):
    with pytest.raises(ValueError, match=r"is not a hashtag: expected letters, digits and _ without spaces"):
        hashtag_pattern([tag])


@pytest.mark.parametrize(
    ("phrase", "part"),
    [
        ("звёздн* войн*", "здн"),
        ("Star Wars", "star"),
        ("disney", "sney"),
        ("Straße", "strasse"),
        ("café", "caf"),
        ("7 эпизод", "эпизод"),
        ("ёй", ""),
    ],
)
def test_a_phrase_has_its_longest_run_of_plain_letters_in_common_with_every_text(phrase, part):
    assert longest_plain_run(phrase) == part

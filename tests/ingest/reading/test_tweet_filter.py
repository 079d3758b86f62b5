from functools import reduce

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.ingest.reading.tweet_filter import TopicFilter
from tonality.survey.filter import on_topic
from tonality.text.phrase_patterns import phrase_pattern

TWEETS = [
    ("", []),
    ("Звёздные ВОЙНЫ!", []),
    ("звездных войн не будет", ["звёздныевойны"]),
    ("звёздные большие войны", ["StarWars"]),
    ("ЗВЁЗДНЫЕ — ВОЙНЫ", None),
    ("зве\u0308здные\nвои\u0306ны", ["зве\u0308здные_войны"]),
    ("#звёздные_войны", ["звездные_войны"]),
    ("во\u0301йны звёздные", ["звёздныевойны\n"]),
    ("прозвёздные войны", ["ЗВЁЗДНЫЕВОЙНЫ", "другое"]),
    ("@star_wars жив", []),
    ("Star\r\n\tWars", ["starwars7"]),
    ("star🚀🚀wars", ["star"]),
    ("🚀star wars🚀", ["star🚀wars"]),
    ("ſtar warſ", ["ſtarwars"]),
    ("STAR\u2028WARS", ["starwars\u2028"]),
    ("starwars", ["#starwars"]),
    ("𝐚star wars", ["𝐚starwars"]),
    ("star wars𝐚", ["starwars𝐚"]),
    ("𝐚 star wars 𝐚", ["starwars", "𝐚"]),
    ("star\u0301 wars", ["starwars\u0301"]),
    ("ѕtar wars", ["ѕtarwars"]),  # a Cyrillic ѕ
    ("см. http://t.co/star-wars", []),
    ("см. https://t.co/1 star wars", []),
    ("star http://t.co/1 wars", []),
    ("www.star.ru wars", ["wwwstar"]),
    ("awww.star wars", []),
    ("http://a.ru/\x1cstar wars", []),
    ("http://a.ru/\u00a0star wars", []),
    ("http://a.ru/\u200bstar wars", []),
    ("xhttp://star wars", []),
    ("İstanbul", ["İstanbul"]),
    ("I\u0307stanbul", ["I\u0307stanbul"]),
    ("ISTANBUL", ["istanbul"]),
    ("ıstanbul", ["ISTANBUL"]),
    ("die Straße", ["straße"]),
    ("DIE STRAẞE", ["STRAẞE"]),
    ("strasse", ["STRASSE"]),
    ("300 K", ["kelvin"]),
    ("300 k", ["Kelvin"]),
    ("ὈΔΥΣΣΕΎΣ", ["ὀδυσσεύς"]),
    ("ὀδυσσεύς", ["ὀδυσσεύσ"]),
    ("τα\u1fd3ζω", ["τα\u0390ζω"]),
    ("ta\u0390ζω", ["τα\u1fd3ζω"]),
    ("CAFE\u0301", ["café"]),
    ("café", ["cafe"]),
    ("मेरी हिन्दी", ["हिन्दी"]),
    ("हिन्द", ["हिन्द"]),
    ("ไทยนี้", ["ไทยนี้"]),
    ("дом ᲀойна", ["ᲀойна"]),
    ("7 эпизод, 17 эпизод", ["7эпизод"]),
    ("７ эпизод", ["７эпизод"]),
    ("c++ и .net", ["c"]),
    ("ДЖ. и ǅ", ["ǆ"]),
    ("ﬆar ﬅar", ["ﬆar"]),
]
TOPICS = [
    ([], []),
    ([], ["звёздн* войн*"]),
    ([], ["звездные войны", "войн*"]),
    ([], ["star wars"]),
    ([], ["star*", "ǆ", "ﬅar"]),
    ([], ["istanbul", "STRASSE", "300 k"]),
    ([], ["İstanbul", "straẞe", "K"]),
    ([], ["ὀδυσσεύς", "τα\u0390ζω", "café"]),
    ([], ["हिन्दी", "ไทยนี้", "7 эпизод", "c++"]),
    (["starwars", "звёздныевойны"], []),
    (["star*", "#ЗВЕЗДНЫЕ_*"], []),
    (["istanbul", "Straße", "kelvin", "ὀδυσσεύς", "τα\u0390ζω", "ﬅar"], []),
    (["cafe\u0301", "हिन्दी", "c", "𝐚"], []),
    (["starwars"], ["войн*", "star wars"]),
]


@pytest.fixture(scope="module")
def survey(spark):
    """The numbers of the tweets that a survey counts, by the number of its topic."""
    rows = [(number, text, tags, False) for number, (text, tags) in enumerate(TWEETS)]
    frame = spark.createDataFrame(rows, "n int, text string, hashtags array<string>, is_retweet boolean").coalesce(1)
    frame.cache()  # else each topic would ask Python for the rows again
    kept = [on_topic(frame, *topic).select(F.lit(number).alias("topic"), "n") for number, topic in enumerate(TOPICS)]
    found = {(row.topic, row.n) for row in reduce(DataFrame.union, kept).coalesce(1).collect()}
    return [[n for n in range(len(TWEETS)) if (topic, n) in found] for topic in range(len(TOPICS))]


@pytest.mark.parametrize("number", range(len(TOPICS)), ids=[" ".join([*tags, *words]) for tags, words in TOPICS])
def test_a_tweet_is_kept_if_a_survey_would_count_it(number, survey):
    topic = TopicFilter(*TOPICS[number])
    kept = [n for n, (text, tags) in enumerate(TWEETS) if topic.matches(text, tags or [])]
    assert kept == survey[number]
    assert kept
    assert (len(kept) == len(TWEETS)) == (TOPICS[number] == ([], []))


def test_either_a_hashtag_or_a_keyword_is_enough():
    topic = TopicFilter(["starwars"], ["война"])
    assert topic.matches("", ["x", "StarWars"]) and topic.matches("Война!", [])
    assert not topic.matches("starwars", ["война"])


def test_a_keyword_only_in_a_link_does_not_count():
    topic = TopicFilter(keywords=["star wars"])
    assert not topic.matches("http://t.co/star-wars", [])
    assert topic.matches("http://t.co/star-wars star wars", [])


@pytest.mark.parametrize(("hashtags", "keywords"), [(["a b"], []), ([], ["*"])])
def test_an_invalid_topic_is_refused(hashtags, keywords):
    with pytest.raises(ValueError, match=r"is not a hashtag|has no word"):
        TopicFilter(hashtags, keywords)


LETTERS = st.sampled_from("аеёйводEЕsſSiIİıkKßẞẞσςΣée\u0301\u0308\u0306\u0307 #_-ЙÅǅǆ7")


@given(st.text(LETTERS, max_size=4), st.booleans(), st.text(LETTERS, max_size=12))
def test_the_fast_test_rejects_nothing_that_the_pattern_finds(word, star, text):
    phrase = word + "*" * star
    try:
        found = regex.search(phrase_pattern([phrase]), f"{text} {word.swapcase()} {text}")
    except ValueError:
        return
    assert TopicFilter(keywords=[phrase]).matches(f"{text} {word.swapcase()} {text}", []) == bool(found)

import pytest

from tonality.text.tweet_markup import is_retweet_text, unescape_html, without_retweet_prefix


@pytest.mark.parametrize(
    ("text", "original"),
    [
        ("RT @anna: кино", "кино"),
        ("RT @anna кино", "кино"),
        ("RT @anna : кино", "кино"),
        ("RT @: кино", "кино"),
        ("rt @anna: кино", "кино"),
        ("Rt ＠Анна_7: кино", "кино"),
        (" \nRT  @anna:\tкино", "кино"),
        ("RT @anna: rt @boris : RT @: кино", "кино"),
        ("RT @anna :) кино", ":) кино"),
        ("RT @anna: ", ""),
    ],
)
def test_a_retweet_without_its_prefix_is_the_original(text, original):
    assert without_retweet_prefix(text) == original
    assert is_retweet_text(text)


@pytest.mark.parametrize(
    "text", ["", "кино", "RT кино", "START @anna: кино", "да RT @anna: кино", "RT@anna: кино", "RT"]
)
def test_any_other_text_has_no_prefix(text):
    assert without_retweet_prefix(text) == text
    assert not is_retweet_text(text)


@pytest.mark.parametrize("text", ["RT @anna:кино", "RT @anna, кино", "RT @anna"])
def test_a_retweet_whose_name_no_white_space_follows_keeps_its_whole_text(text):
    assert is_retweet_text(text)
    assert without_retweet_prefix(text) == text


@pytest.mark.parametrize(
    ("text", "unescaped"),
    [
        ("мы &lt;3 &amp; ты", "мы <3 & ты"),
        ("&#39;да&#x27; &hellip;", "'да' …"),
        ("&amp;lt;", "&lt;"),
        ("?a=1&copy=2 &нет; &nosuchname;", "?a=1&copy=2 &нет; &nosuchname;"),
        (f"&#{'9' * 5000};", f"&#{'9' * 5000};"),
        ("", ""),
    ],
)
def test_character_references_are_read_once_and_names_only_with_their_semicolon(text, unescaped):
    assert unescape_html(text) == unescaped

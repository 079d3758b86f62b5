import pytest

from tonality.runtime.settings.load import conf_directory
from tonality.text.emoticons import EmoticonReader, emoticon_pattern
from tonality.text.rules import load_language


@pytest.fixture(scope="module")
def reader():
    return EmoticonReader(load_language("ru", conf_directory() / "languages").emoticons)


@pytest.mark.parametrize("text", ["ура :)", "ура))))", "ХДДД", "люблю <3", "😀", "да:D", ":-)", "^_^"])
def test_only_happy_emoticons_label_a_tweet_positive(reader, text):
    assert reader.label(text) == 1.0


@pytest.mark.parametrize("text", ["увы :(", "увы(((", "Т_Т", "😭", ":'(", "D:"])
def test_only_sad_emoticons_label_a_tweet_negative(reader, text):
    assert reader.label(text) == 0.0


@pytest.mark.parametrize("text", [":) :(", "((так))", "ура :D увы Т_Т"])
def test_emoticons_of_both_tones_label_nothing(reader, text):
    assert reader.label(text) is None


@pytest.mark.parametrize("text", ["", "кот", "(кот)", "в 12:30", "счёт 2:3", "xDrive", "хДа", "note:Dog"])
def test_a_tweet_without_emoticons_is_not_labelled(reader, text):
    assert reader.label(text) is None


def test_the_longer_of_two_emoticons_is_found():
    assert emoticon_pattern([":)", ":)~"]).search("a :)~").group() == ":)~"


def test_an_emoticon_includes_its_repeated_last_character():
    assert emoticon_pattern([":)"]).sub("", "a:)))b") == "ab"
    assert emoticon_pattern(["❤"]).sub("", "a❤❤❤b") == "ab"


def test_no_emoticons_match_nothing():
    assert emoticon_pattern([]).search(":)") is None


@pytest.mark.parametrize("language", ["en", "es", "ru"])
@pytest.mark.parametrize("text", ["I love it https://t.co/abc", "@XD said so", "see www.example.com/:("])
def test_emoticons_inside_links_and_mentions_label_nothing(language: str, text: str) -> None:
    reader = EmoticonReader(load_language(language, conf_directory() / "languages").emoticons)
    assert reader.label(text) is None
    assert reader.label(f"{text} :)") == 1.0

"""Decoration of a tweet's words: emoticons, hashtags, mentions and links."""

from random import Random
from string import ascii_letters, digits
from typing import Final

from tonality.ingest.synthetic.random_streams import ZipfSampler, pick
from tonality.runtime.storage.schema import NEGATIVE, POSITIVE

__all__ = ["EMOTICONS", "decorate", "link"]

EMOTICONS: Final = {
    POSITIVE: ZipfSampler(
        (")))", ":)", "))", ":D", "=)", "))))", "😂", ";)", "xD", "😍", ":-)", "^_^", "👍", "<3", "❤", "😊", "хД")
    ),
    NEGATIVE: ZipfSampler(
        ("(((", ":(", "((", "😭", "=(", "((((", "😡", ":'(", "👎", ":-(", "T_T", "💔", "😢", ">_<", "😠")
    ),
}
_EMOTICON_INSIDE: Final = 0.2

_SAGA_HASHTAGS: Final = ZipfSampler(
    (
        *("#звездныевойны", "#StarWars", "#ЗвёздныеВойны", "#пробуждениесилы", "#starwars", "#ЗвездныеВойны", "#кино"),
        *(
            "#ПробуждениеСилы",
            "#StarWarsTheForceAwakens",
            "#премьера",
            "#TheForceAwakens",
            "#эпизод7",
            "#силапробуждается",
        ),
        *(
            "#ДартВейдер",
            "#фильм",
            "#джедаи",
            "#BB8",
            "#КайлоРен",
            "#вкино",
            "#ЗВЕЗДНЫЕВОЙНЫ",
            "#HanSolo",
            "#17декабря",
        ),
    )
)
_OTHER_HASHTAGS: Final = ZipfSampler(
    (
        "#утро",
        "#доброеутро",
        "#погода",
        "#работа",
        "#учеба",
        "#зима",
        "#жизнь",
        "#мысли",
        "#выходные",
        "#осень",
        "#футбол",
    )
)
_HASHTAG: Final = {"film": 0.45, "everyday": 0.1}
_SECOND_HASHTAG: Final = 0.3
_MENTION: Final = 0.15
_LINK: Final = 0.18
_LINK_LETTERS: Final = ascii_letters + digits


def decorate(random: Random, text: str, topic: str, emoticon_tone: str | None, names: ZipfSampler[str]) -> str:
    """Add an emoticon of a tone (positive, negative or None) and, at random, hashtags, a mention and a link.

    `names` are the screen names to mention.
    """
    parts = [text]
    if random.random() < _MENTION:
        parts.insert(0, "@" + names.draw(random))
    if emoticon_tone:
        parts = _add_emoticon(random, parts, EMOTICONS[emoticon_tone].draw(random))
    if random.random() < _HASHTAG[topic]:
        hashtags = _SAGA_HASHTAGS if topic == "film" else _OTHER_HASHTAGS
        parts.append(hashtags.draw(random))
        if random.random() < _SECOND_HASHTAG:
            parts.append(hashtags.draw(random))
    if random.random() < _LINK:
        parts.append(link(random))
    return " ".join(parts)


def link(random: Random) -> str:
    """A random shortened link."""
    return "https://t.co/" + "".join(pick(random, _LINK_LETTERS) for _ in range(10))


def _add_emoticon(random: Random, parts: list[str], emoticon: str) -> list[str]:
    """Add an emoticon at the end or, less often, between sentences."""
    head, stop, rest = parts[-1].partition(". ")
    if stop and random.random() < _EMOTICON_INSIDE:
        return [*parts[:-1], head, emoticon, rest]
    return [*parts, emoticon]

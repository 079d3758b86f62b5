"""What stands in a tweet beside its words: emoticons, hashtags, names and links."""

from random import Random
from string import ascii_letters, digits
from typing import Final

from tonality.ingest.synthetic.random_streams import Ranked, pick
from tonality.runtime.storage.schema import NEGATIVE, POSITIVE

__all__ = ["EMOTICONS", "decorate", "link"]

EMOTICONS: Final = {
    POSITIVE: Ranked(
        (")))", ":)", "))", ":D", "=)", "))))", "😂", ";)", "xD", "😍", ":-)", "^_^", "👍", "<3", "❤", "😊", "хД")
    ),
    NEGATIVE: Ranked(("(((", ":(", "((", "😭", "=(", "((((", "😡", ":'(", "👎", ":-(", "T_T", "💔", "😢", ">_<", "😠")),
}
_EMOTICON_INSIDE: Final = 0.2

_SAGA_HASHTAGS: Final = Ranked(
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
_OTHER_HASHTAGS: Final = Ranked(
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


def decorate(random: Random, text: str, topic: str, mood: str | None, names: Ranked[str]) -> str:
    """The text with an emoticon of the mood (positive, negative or none) and, by chance, hashtags, a name, a link.

    `names` are the screen names that may be addressed.
    """
    pieces = [text]
    if random.random() < _MENTION:
        pieces.insert(0, "@" + names.draw(random))
    if mood:
        pieces = _put_emoticon(random, pieces, EMOTICONS[mood].draw(random))
    if random.random() < _HASHTAG[topic]:
        hashtags = _SAGA_HASHTAGS if topic == "film" else _OTHER_HASHTAGS
        pieces.append(hashtags.draw(random))
        if random.random() < _SECOND_HASHTAG:
            pieces.append(hashtags.draw(random))
    if random.random() < _LINK:
        pieces.append(link(random))
    return " ".join(pieces)


def link(random: Random) -> str:
    """A shortened link."""
    return "https://t.co/" + "".join(pick(random, _LINK_LETTERS) for _ in range(10))


def _put_emoticon(random: Random, pieces: list[str], emoticon: str) -> list[str]:
    """The emoticon at the end or, less often, between sentences."""
    head, stop, rest = pieces[-1].partition(". ")
    if stop and random.random() < _EMOTICON_INSIDE:
        return [*pieces[:-1], head, emoticon, rest]
    return [*pieces, emoticon]

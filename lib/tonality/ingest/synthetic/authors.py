"""The people who tweet: names, numbers and the user object that every status of theirs carries."""

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final

import orjson

from tonality.ingest.synthetic.inflection import NOMINATIVE, Noun
from tonality.ingest.synthetic.lexicon import lexicon
from tonality.ingest.synthetic.random_streams import Ranked, pick, stream, whole_number
from tonality.ingest.synthetic.timeline import twitter_time

__all__ = ["Author", "population"]

_CYRILLIC: Final = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_LATIN: Final = "a,b,v,g,d,e,e,zh,z,i,y,k,l,m,n,o,p,r,s,t,u,f,h,c,ch,sh,sch,,y,,e,yu,ya"
_ROMANISED: Final = str.maketrans(dict(zip(_CYRILLIC, _LATIN.split(","), strict=True)))
_MOST_AUTHORS: Final = 999_983
"""A prime: the products of a number with all smaller numbers differ in their remainders."""
_FIRST_ACCOUNT_MS: Final = 1_230_768_000_000  # 2009
_ACCOUNTS_SPAN_MS: Final = 200_000_000_000
_SOMEBODY: Final = Noun.parse("кто:n0")


@dataclass(frozen=True)
class Author:
    """One account. `json` is its v1.1 user object, encoded once."""

    id: int
    screen_name: str
    statuses: int
    followers: int
    friends: int
    lists: int
    json: orjson.Fragment


@cache
def population(seed: int, name: str, size: int) -> Ranked[Author]:
    """That many authors, from the most to the least active; `name` tells populations of one seed apart."""
    random = stream(seed, name, "authors")
    return Ranked([_author(random, number) for number in range(min(size, _MOST_AUTHORS))])


def _author(random: Random, number: int) -> Author:
    first, surname = _spoken(random, "name"), _spoken(random, "surname")
    handle = (first if random.random() < 0.5 else first[:1] + pick(random, ("_", "")) + surname).lower()
    screen_name = f"{handle.translate(_ROMANISED)[:8]}{(number + 1) * 7_919 % _MOST_AUTHORS}"
    account = 10_000_000 + number * 37_003 + whole_number(random, 37_000)
    followers = int(30 / (random.random() + 0.002))
    friends, statuses = whole_number(random, 900), 50 + whole_number(random, 40_000)
    lists, favourites = followers // 60, whole_number(random, 9_000)
    user = {
        "id": account,
        "id_str": str(account),
        "name": f"{first} {surname}" if random.random() < 0.6 else first,
        "screen_name": screen_name,
        "location": _spoken(random, "city") if random.random() < 0.6 else None,
        "url": None,
        "description": None,
        "protected": False,
        "verified": followers > 12_000,
        "followers_count": followers,
        "friends_count": friends,
        "listed_count": lists,
        "favourites_count": favourites,
        "statuses_count": statuses,
        "created_at": twitter_time(_FIRST_ACCOUNT_MS + whole_number(random, _ACCOUNTS_SPAN_MS)),
        "utc_offset": 10_800,
        "time_zone": "Moscow",
        "geo_enabled": random.random() < 0.4,
        "lang": "ru",
        "profile_image_url_https": f"https://pbs.twimg.com/profile_images/{account * 31}/photo_normal.jpg",
        "default_profile": False,
        "following": None,
        "notifications": None,
    }
    return Author(account, screen_name, statuses, followers, friends, lists, orjson.Fragment(orjson.dumps(user)))


def _spoken(random: Random, words: str) -> str:
    return lexicon().words[words].draw(random).form(NOMINATIVE, _SOMEBODY, False)

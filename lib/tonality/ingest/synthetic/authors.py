"""Synthetic authors: names, counts and the user object in each of their statuses."""

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final

import orjson

from tonality.ingest.synthetic.inflection import NOMINATIVE, Noun
from tonality.ingest.synthetic.lexicon import lexicon
from tonality.ingest.synthetic.random_streams import ZipfSampler, pick, random_below, random_stream
from tonality.ingest.synthetic.timeline import twitter_time

__all__ = ["Author", "population"]

_CYRILLIC: Final = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_LATIN: Final = "a,b,v,g,d,e,e,zh,z,i,y,k,l,m,n,o,p,r,s,t,u,f,h,c,ch,sh,sch,,y,,e,yu,ya"
_ROMANISED: Final = str.maketrans(dict(zip(_CYRILLIC, _LATIN.split(","), strict=True)))
_MOST_AUTHORS: Final = 999_983
"""A prime, so that multiples of another prime leave distinct remainders, the suffixes of the screen names."""
_FIRST_ACCOUNT_MS: Final = 1_230_768_000_000  # 2009
_ACCOUNTS_SPAN_MS: Final = 200_000_000_000
_ANYBODY: Final = Noun.parse("кто:n0")


@dataclass(frozen=True)
class Author:
    """An account. `json` is its user object of API v1.1, encoded once."""

    id: int
    screen_name: str
    statuses: int
    followers: int
    friends: int
    lists: int
    json: orjson.Fragment


@cache
def population(seed: int, name: str, size: int) -> ZipfSampler[Author]:
    """`size` authors, the most active first; populations of the same seed are distinguished by `name`."""
    random = random_stream(seed, name, "authors")
    return ZipfSampler([_author(random, number) for number in range(min(size, _MOST_AUTHORS))])


def _author(random: Random, number: int) -> Author:
    first, surname = _draw_word(random, "name"), _draw_word(random, "surname")
    handle = (first if random.random() < 0.5 else first[:1] + pick(random, ("_", "")) + surname).lower()
    screen_name = f"{handle.translate(_ROMANISED)[:8]}{(number + 1) * 7_919 % _MOST_AUTHORS}"
    account = 10_000_000 + number * 37_003 + random_below(random, 37_000)
    followers = int(30 / (random.random() + 0.002))
    friends, statuses = random_below(random, 900), 50 + random_below(random, 40_000)
    lists, favourites = followers // 60, random_below(random, 9_000)
    user = {
        "id": account,
        "id_str": str(account),
        "name": f"{first} {surname}" if random.random() < 0.6 else first,
        "screen_name": screen_name,
        "location": _draw_word(random, "city") if random.random() < 0.6 else None,
        "url": None,
        "description": None,
        "protected": False,
        "verified": followers > 12_000,
        "followers_count": followers,
        "friends_count": friends,
        "listed_count": lists,
        "favourites_count": favourites,
        "statuses_count": statuses,
        "created_at": twitter_time(_FIRST_ACCOUNT_MS + random_below(random, _ACCOUNTS_SPAN_MS)),
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


def _draw_word(random: Random, word_list: str) -> str:
    return lexicon().words[word_list].draw(random).form(NOMINATIVE, _ANYBODY, False)

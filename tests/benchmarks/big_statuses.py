"""Archives of statuses as large as Twitter's own, 4.3 KB per line on average; those of the sample have 1.2 KB.

The texts are the sample's, with everything that version 1.1 of the streaming API sent: full user objects, entities,
media, places, retweets and quotes with the full other status inside. Lines are ASCII, escaped as Twitter escaped them.
The same arguments yield the same bytes.
"""

import bz2
import gzip
import json
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import orjson

from tonality.ingest.synthetic import statuses
from tonality.ingest.synthetic.authors import Author, population
from tonality.ingest.synthetic.decoration import link
from tonality.ingest.synthetic.grammar import sentences
from tonality.ingest.synthetic.other_languages import LANGUAGES, foreign_text
from tonality.ingest.synthetic.random_streams import ZipfSampler, pick, random_below, random_stream
from tonality.ingest.synthetic.statuses import Stamp, status_id
from tonality.ingest.synthetic.tweet_text import compose
from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, POSITIVE

FIRST_MS = 1_513_209_600_000  # 14 December 2017
SPAN_MS = 5 * 86_400_000

NOTICES = 0.12
"""The share of delete notices among all lines; the other lines are statuses."""
MALFORMED = 0.001
DUPLICATED = 0.01
DUPLICATE_LAG = 400
"""The largest distance of a duplicate from its status, in lines."""

RETWEETS, QUOTES = 1 / 3, 0.08
FOREIGN = 0.08
LONG = 0.1
"""The share of tweets with two texts, most of them longer than 140 characters."""
MEDIA, PLACES = 0.12, 0.03
AUTHORS = 20_000
REMEMBERED = 5_000
"""The number of tweets that can be retweeted and quoted at a time."""
LINES_AT_ONCE = 256
"""Lines per compression call."""

ORDER = (
    *("created_at", "id", "id_str", "text", "full_text", "display_text_range", "source", "truncated"),
    *("in_reply_to_status_id", "in_reply_to_status_id_str", "in_reply_to_user_id", "in_reply_to_user_id_str"),
    *("in_reply_to_screen_name", "user", "geo", "coordinates", "place", "contributors", "retweeted_status"),
    *("quoted_status_id", "quoted_status_id_str", "quoted_status", "is_quote_status", "extended_tweet"),
    *("quote_count", "reply_count", "retweet_count", "favorite_count", "entities", "extended_entities", "favorited"),
    *("retweeted", "possibly_sensitive", "filter_level", "lang", "timestamp_ms"),
)
"""A status's fields in Twitter's order: readers may profit from the first ones."""


@dataclass(frozen=True)
class Archive:
    """A folder of files with one compression, and the generator's counts."""

    folder: str
    ending: str
    files: int
    statuses: int
    lines: int
    bytes: int
    """Uncompressed, line breaks included."""
    status_bytes: float
    """The mean length of a status's line."""
    compressed: int

    @property
    def paths(self) -> list[str]:
        """The files, in the order of their days."""
        return [str(path) for path in sorted(Path(self.folder).glob(f"*{self.ending}"))]


def write_archive(folder: Path, ending: str, count: int, files: int, seed: int) -> Archive:
    """Write an archive of this many statuses and of notices, or reuse that of an earlier run with the same arguments.

    `ending` is .json.gz or .json.bz2.
    """
    place = folder / f"{count}-statuses-{files}-files-seed-{seed}{ending.replace('.', '-')}"
    metadata = place / "_archive.json"  # hidden from readers of the folder
    if not metadata.exists():
        place.mkdir(parents=True, exist_ok=True)
        shares = [(n + 1) * count // files - n * count // files for n in range(files)]
        arguments = [(str(place), ending, share, n, files, seed) for n, share in enumerate(shares)]
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            parts = list(pool.map(write_file, *zip(*arguments, strict=True)))
        lines, size, status_size, compressed = (sum(column) for column in zip(*parts, strict=True))
        facts = {"files": files, "statuses": count, "lines": lines, "bytes": size, "compressed": compressed}
        metadata.write_text(json.dumps({**facts, "status_bytes": status_size / count}) + "\n")
    return Archive(folder=str(place), ending=ending, **json.loads(metadata.read_text()))


def write_file(folder: str, ending: str, count: int, number: int, files: int, seed: int) -> tuple[int, int, int, int]:
    """Write one file, and return its lines, its bytes, those of its statuses, and its compressed bytes."""
    lines, size, status_size = 0, 0, 0
    path = Path(folder, f"part-{number:03}{ending}")
    with path.open("wb") as raw:
        if ending.endswith(".bz2"):
            file: Any = bz2.BZ2File(raw, "wb")
        else:
            file = gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0)
        with file:
            stream_of_lines = file_lines(seed, ending, count, number, files)
            while batch := list(islice(stream_of_lines, LINES_AT_ONCE)):
                file.write(b"".join(line for line, _ in batch))
                lines += len(batch)
                size += sum(len(line) for line, _ in batch)
                status_size += sum(len(line) for line, is_status in batch if is_status)
    return lines, size, status_size, path.stat().st_size


def file_lines(seed: int, ending: str, count: int, number: int, files: int) -> Iterator[tuple[bytes, bool]]:
    """The lines of one file, each with True for a status or False for a notice."""
    random = random_stream(seed, "big", ending, number)
    writer = Writer(random)
    repeats: deque[tuple[int, bytes]] = deque()
    for at in range(count):
        while random.random() < NOTICES:
            yield statuses.delete_notice(random, moment(at, count, number, files)) + b"\n", False
        written = moment(at + random.random(), count, number, files)
        line = writer.line(Stamp(written, status_id(written, number % 1_024, at)))
        if repeats and repeats[0][0] <= at:
            line = repeats.popleft()[1]
        elif random.random() < MALFORMED:
            line = malformed(random, line)
        elif random.random() < DUPLICATED:
            after = repeats[-1][0] if repeats else at
            repeats.append((max(after, at + 1 + random_below(random, DUPLICATE_LAG)), line))
        yield line + b"\n", True


def moment(at: float, count: int, number: int, files: int) -> int:
    """The time of a status in a file, in milliseconds since 1970: each file holds its share of the days."""
    return FIRST_MS + int((number + at / count) / files * SPAN_MS)


def malformed(random: Random, line: bytes) -> bytes:
    """An invalid JSON line: its end missing, its start missing, or a NUL byte inside."""
    return pick(random, (line[: len(line) * 2 // 3], line[30:], line[:40] + b"\0" + line[40:]))


class Writer:
    """A writer of statuses, some of which retweet or quote earlier ones."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._quotable: list[statuses.Tweet] = []
        self._names = ZipfSampler([author.screen_name for author in population(1, "big", AUTHORS).items])

    def line(self, stamp: Stamp) -> bytes:
        """A status as one line, without the line break."""
        random = self._random
        if self._quotable and random.random() < RETWEETS:
            tweet = pick(random, self._quotable)
            status = self._whole(statuses.retweet(random, stamp, tweet, author := draw(random)), author)
        else:
            tweet = self._original(stamp)
            status = tweet.status
            self._remember(tweet)
        return encoded({**status, "timestamp_ms": str(stamp.time_ms)})

    def _remember(self, tweet: statuses.Tweet) -> None:
        if len(self._quotable) < REMEMBERED:
            self._quotable.append(tweet)
        else:
            self._quotable[random_below(self._random, REMEMBERED)] = tweet

    def _original(self, stamp: Stamp) -> statuses.Tweet:
        random, author = self._random, draw(self._random)
        language, text = "ru", self._text()
        if random.random() < FOREIGN:
            language = LANGUAGES.draw(random)
            text = foreign_text(random, language)
        tweet = statuses.original(random, stamp, text, author, language)
        status = self._whole(tweet.status, author)
        if self._quotable and random.random() < QUOTES:
            quoted = {**pick(random, self._quotable).status, "quoted_status": None}
            number = quoted["id"]
            status |= {"quoted_status_id": number, "quoted_status_id_str": str(number), "is_quote_status": True}
            status["quoted_status"] = {name: value for name, value in quoted.items() if value is not None}
        return statuses.Tweet(ordered(status), text, author)

    def _text(self) -> str:
        random = self._random
        texts = [
            compose(
                random,
                pick(random, (POSITIVE, NEGATIVE, NEUTRAL)),
                pick(random, ("film", "everyday")),
                pick(random, (POSITIVE, NEGATIVE, None, None)),
                self._names,
            )
            for _ in range(2 if random.random() < LONG else 1)
        ]
        return " ".join(texts)[:280]

    def _whole(self, status: dict[str, Any], author: Author) -> dict[str, Any]:
        """The status with the fields that the sample omits."""
        random = self._random
        status = {**status, "user": users()[author.id], "quote_count": 0, "reply_count": random_below(random, 3)}
        for mention in status["entities"]["user_mentions"]:
            number = 10_000_000 + random_below(random, 900_000_000)
            mention |= {"id": number, "id_str": str(number)}
        if random.random() < PLACES:
            status["place"] = place(random)
        if "retweeted_status" not in status and random.random() < MEDIA:
            photo = media(random, status["id"], author)
            status["entities"] = {**status["entities"], "media": [photo]}
            status |= {"extended_entities": {"media": [photo]}, "possibly_sensitive": False}
        return ordered(status)


def draw(random: Random) -> Author:
    """Draw an author; the first ones are more frequent, but none dominates."""
    authors = population(1, "big", AUTHORS).items
    return authors[int(random.random() ** 2 * len(authors))]


def ordered(status: dict[str, Any]) -> dict[str, Any]:
    return {name: status[name] for name in ORDER if name in status}


def encoded(status: dict[str, Any]) -> bytes:
    """JSON as Twitter wrote it: ASCII, with slashes and angle brackets escaped as well."""
    text = json.dumps(ordered(status), separators=(",", ":"))
    return text.replace("/", "\\/").replace("<", "\\u003c").replace(">", "\\u003e").encode("ascii")


@cache
def users() -> dict[int, dict[str, Any]]:
    """Every author's user object by the author's id, with all the fields that Twitter sent."""
    random = random_stream(1, "big", "users")
    return {author.id: user(random, author) for author in population(1, "big", AUTHORS).items}


def user(random: Random, author: Author) -> dict[str, Any]:
    short: dict[str, Any] = orjson.loads(orjson.dumps(author.json))
    colours = [f"{random_below(random, 2**24):06X}" for _ in range(5)]
    theme = f"abs.twimg.com/images/themes/theme{random_below(random, 19) + 1}/bg.png"
    photo = f"pbs.twimg.com/profile_images/{author.id * 41}/{random_below(random, 16**8):08x}_normal.jpg"
    return {
        **{name: short[name] for name in ("id", "id_str", "name", "screen_name", "location")},
        "url": f"http://vk.com/{author.screen_name.lower()}" if random.random() < 0.3 else None,
        "description": description(random) if random.random() < 0.85 else None,
        "translator_type": "none",
        **{name: short[name] for name in ("protected", "verified", "followers_count", "friends_count", "listed_count")},
        **{name: short[name] for name in ("favourites_count", "statuses_count", "created_at", "utc_offset")},
        **{name: short[name] for name in ("time_zone", "geo_enabled", "lang")},
        "contributors_enabled": False,
        "is_translator": False,
        "profile_background_color": colours[0],
        "profile_background_image_url": f"http://{theme}",
        "profile_background_image_url_https": f"https://{theme}",
        "profile_background_tile": random.random() < 0.2,
        "profile_link_color": colours[1],
        "profile_sidebar_border_color": colours[2],
        "profile_sidebar_fill_color": colours[3],
        "profile_text_color": colours[4],
        "profile_use_background_image": True,
        "profile_image_url": f"http://{photo}",
        "profile_image_url_https": f"https://{photo}",
        "profile_banner_url": f"https://pbs.twimg.com/profile_banners/{author.id}/{1_400_000_000 + author.id % 10**8}",
        "default_profile": random.random() < 0.3,
        "default_profile_image": False,
        "following": None,
        "follow_request_sent": None,
        "notifications": None,
    }


def description(random: Random) -> str:
    """A user's description: some sentences and, often, a link."""
    texts = [
        *sentences(random, NEUTRAL, "everyday"),
        *sentences(random, pick(random, (POSITIVE, NEGATIVE)), "everyday"),
    ]
    found = link(random) if random.random() < 0.4 else ""
    return f"{'. '.join(texts)[:135]} {found}".strip()


def place(random: Random) -> dict[str, Any]:
    """A city, in Twitter's description of a tweet's place."""
    west, south = 30 + random.random() * 60, 45 + random.random() * 15
    corners = [[west, south], [west, south + 0.3], [west + 0.4, south + 0.3], [west + 0.4, south]]
    number = f"{random_below(random, 16**8):016x}"
    return {
        "id": number,
        "url": f"https://api.twitter.com/1.1/geo/id/{number}.json",
        "place_type": "city",
        "name": "Москва",
        "full_name": "Москва, Россия",
        "country_code": "RU",
        "country": "Россия",
        "bounding_box": {"type": "Polygon", "coordinates": [[[round(x, 6), round(y, 6)] for x, y in corners]]},
        "attributes": {},
    }


def media(random: Random, number: int, author: Author) -> dict[str, Any]:
    """A photo, as in entities."""
    name = f"pbs.twimg.com/media/D{random_below(random, 16**12):012x}.jpg"
    shown = f"{random_below(random, 16**10):010x}"
    width, height = 600 + random_below(random, 600), 400 + random_below(random, 800)
    return {
        "id": number,
        "id_str": str(number),
        "indices": [40, 63],
        "media_url": f"http://{name}",
        "media_url_https": f"https://{name}",
        "url": f"https://t.co/{shown}",
        "display_url": f"pic.twitter.com/{shown}",
        "expanded_url": f"https://twitter.com/{author.screen_name}/status/{number}/photo/1",
        "type": "photo",
        "sizes": {
            "thumb": {"w": 150, "h": 150, "resize": "crop"},
            "small": {"w": width // 2, "h": height // 2, "resize": "fit"},
            "medium": {"w": width, "h": height, "resize": "fit"},
            "large": {"w": width, "h": height, "resize": "fit"},
        },
    }

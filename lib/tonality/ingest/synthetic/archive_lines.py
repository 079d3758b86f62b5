"""The archive's lines, day by day: tweets, notices, duplicates and damage, each counted where it is planted."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Final

from tonality.ingest.synthetic import statuses
from tonality.ingest.synthetic.authors import population
from tonality.ingest.synthetic.corruption import DAMAGES
from tonality.ingest.synthetic.other_languages import LANGUAGES, foreign_text
from tonality.ingest.synthetic.random_streams import Ranked, pick, stream, whole_number
from tonality.ingest.synthetic.statuses import Stamp, Tweet, status_id
from tonality.ingest.synthetic.timeline import DAYS, day_of, lines_by_day, midnight, positive_share, time_of_day
from tonality.ingest.synthetic.tweet_text import compose
from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, POSITIVE

__all__ = ["Planted", "Stream"]

_DELETES, _LIMITS, _BLANKS = 0.02, 0.0005, 0.001
_BROKEN: Final = 0.0004
_DUPLICATED: Final = 0.003
_DUPLICATE_LAG: Final = 8
"""A duplicate follows its tweet within so many lines."""

_FOREIGN: Final = 0.08
_NEUTRAL: Final = 0.35
_RETWEETS: Final = 0.25
_POPULAR: Final = 0.08
"""The share of tweets that others retweet."""
_REMEMBERED: Final = 40
"""How many popular tweets of one tone are going round at a time."""

_EMOTICON: Final = {POSITIVE: 0.45, NEGATIVE: 0.45, NEUTRAL: 0.12}
_HONEST_EMOTICON: Final = 0.85

_TWEETS_OF_AN_AUTHOR: Final = 20
_FEWEST_AUTHORS: Final = 100
_LATE_LINES: Final = 3
_LATE_MS: Final = 10_000
"""A day's file ends with some lines of the first seconds after midnight."""


@dataclass
class Planted:
    """What one file holds: its lines, and how many of them are something else than a Russian tweet's only copy."""

    lines: int = 0
    notices: int = 0
    broken: int = 0
    duplicates: int = 0
    other_languages: int = 0


@dataclass
class Stream:
    """All lines of an archive. Days are read in their order, since later ones retweet what earlier ones said."""

    seed: int
    tweets: int
    tones: dict[date, Counter[str]] = field(default_factory=dict)
    """Distinct Russian tweets by the day they were written and their tone, of the days read so far."""

    def __post_init__(self) -> None:
        self._authors = population(self.seed, "archive", max(_FEWEST_AUTHORS, self.tweets // _TWEETS_OF_AN_AUTHOR))
        self._names = Ranked([author.screen_name for author in self._authors.items])
        self._popular: dict[str, deque[Tweet]] = {}
        self._quotas = lines_by_day(self.tweets)
        self._broken = _broken_lines(self.seed, self.tweets)
        self._lines_before = 0

    def lines(self, number: int, planted: Planted) -> Iterator[bytes]:
        """The lines of the day of this number in DAYS, without their ends; `planted` counts them as they come."""
        random = stream(self.seed, "archive", DAYS[number])
        share = positive_share(self.seed, number)
        quota = self._quotas[number]
        repeats: deque[tuple[int, bytes]] = deque()
        for at, moment in enumerate(_moments(random, number, quota)):
            planted.lines += 1
            stamp = Stamp(moment, status_id(moment, whole_number(random, 1_024), at))
            damage = self._broken.get(self._lines_before + at)
            if damage is not None:
                planted.broken += 1
                yield DAMAGES[damage](self._original(random, stamp, "ru", NEUTRAL).status)
            elif repeats and repeats[0][0] <= at:
                planted.duplicates += 1
                yield repeats.popleft()[1]
            elif (notice := _notice(random, moment)) is not None:
                planted.notices += 1
                yield notice
            else:
                line, russian = self._tweet(random, stamp, share)
                planted.other_languages += not russian
                if russian and random.random() < _DUPLICATED and at + _DUPLICATE_LAG + _LATE_LINES < quota:
                    repeats.append((at + 1 + whole_number(random, _DUPLICATE_LAG // 2), line))
                yield line
        self._lines_before += quota

    def _tweet(self, random: Random, stamp: Stamp, share: float) -> tuple[bytes, bool]:
        """A tweet's line, and whether it is Russian; Russian ones are counted by tone."""
        if random.random() < _FOREIGN:
            language = kind = LANGUAGES.draw(random)
        else:
            language, kind = "ru", _tone(random, share)
            self.tones.setdefault(day_of(stamp.moment), Counter())[kind] += 1
        popular = self._popular.setdefault(kind, deque(maxlen=_REMEMBERED))
        if popular and random.random() < _RETWEETS:
            status = statuses.retweet(random, stamp, pick(random, popular), self._authors.draw(random))
        else:
            tweet = self._original(random, stamp, language, kind)
            status = tweet.status
            if random.random() < _POPULAR:
                popular.append(tweet)
        return statuses.encode(status, stamp), language == "ru"

    def _original(self, random: Random, stamp: Stamp, language: str, tone: str) -> Tweet:
        author = self._authors.draw(random)
        if language == "ru":
            text = compose(random, tone, "film", _mood(random, tone), self._names)
        else:
            text = foreign_text(random, language)
        return statuses.original(random, stamp, text, author, language)


def _broken_lines(seed: int, lines: int) -> dict[int, int]:
    """Which lines of the archive are broken, and which of DAMAGES each has; every damage at least once."""
    random = stream(seed, "broken")
    count = max(len(DAMAGES), round(lines * _BROKEN))
    return {int((n + random.random()) * lines / count): n % len(DAMAGES) for n in range(count)}


def _moments(random: Random, number: int, quota: int) -> Iterator[int]:
    """When the lines of a day's file were written, in growing milliseconds since 1970."""
    start, end = midnight(DAYS[number]), midnight(DAYS[number] + timedelta(days=1))
    late = _LATE_LINES if number + 1 < len(DAYS) and quota > _LATE_LINES else 0
    last = 0
    for at in range(quota - late):
        moment = start + max(_LATE_MS, time_of_day((at + random.random()) / (quota - late)))
        last = max(last + 1, moment)
        yield last
    for at in range(late):
        yield end + int((at + random.random()) * _LATE_MS / _LATE_LINES)


def _notice(random: Random, moment: int) -> bytes | None:
    number = random.random()
    if number < _DELETES:
        return statuses.delete_notice(random, moment)
    if number < _DELETES + _LIMITS:
        return statuses.limit_notice(random, moment)
    return b"" if number < _DELETES + _LIMITS + _BLANKS else None


def _tone(random: Random, share: float) -> str:
    if random.random() < _NEUTRAL:
        return NEUTRAL
    return POSITIVE if random.random() < share else NEGATIVE


def _mood(random: Random, tone: str) -> str | None:
    """The side of the tweet's emoticon, if it has one: mostly that of its tone."""
    if random.random() >= _EMOTICON[tone]:
        return None
    if tone == NEUTRAL:
        return pick(random, (POSITIVE, NEGATIVE))
    other = NEGATIVE if tone == POSITIVE else POSITIVE
    return tone if random.random() < _HONEST_EMOTICON else other

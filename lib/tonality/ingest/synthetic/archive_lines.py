"""Generator of the archive's lines, day by day: tweets, notices, duplicates and corrupt lines, with their counts."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Final

from tonality.ingest.synthetic import statuses
from tonality.ingest.synthetic.authors import population
from tonality.ingest.synthetic.corruption import CORRUPTIONS
from tonality.ingest.synthetic.other_languages import LANGUAGES, foreign_text
from tonality.ingest.synthetic.random_streams import ZipfSampler, pick, random_below, random_stream
from tonality.ingest.synthetic.statuses import Stamp, Tweet, status_id
from tonality.ingest.synthetic.timeline import DAYS, day_of, lines_by_day, midnight, positive_share, time_of_day
from tonality.ingest.synthetic.tweet_text import compose
from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, POSITIVE

__all__ = ["ArchiveGenerator", "PlantedCounts"]

_DELETES, _LIMITS, _BLANKS = 0.02, 0.0005, 0.001
"""Shares of the lines."""
_BROKEN: Final = 0.0004
_DUPLICATED: Final = 0.003
_DUPLICATE_LAG: Final = 8
"""The most lines between a tweet and its duplicate."""

_FOREIGN: Final = 0.08
_NEUTRAL: Final = 0.35
_RETWEETS: Final = 0.25
_POPULAR: Final = 0.08
"""The share of tweets that others retweet."""
_POPULAR_POOL: Final = 40
"""Popular tweets of each tone that circulate at a time."""

_EMOTICON: Final = {POSITIVE: 0.45, NEGATIVE: 0.45, NEUTRAL: 0.12}
_TRUE_EMOTICON: Final = 0.85

_TWEETS_PER_AUTHOR: Final = 20
_MIN_AUTHORS: Final = 100
_LATE_LINES: Final = 3
_LATE_MS: Final = 10_000
"""The end of each day's file: some lines from the first seconds after midnight."""


@dataclass
class PlantedCounts:
    """The counts of one file: its lines, and those that are anything but the only copy of a Russian tweet."""

    lines: int = 0
    notices: int = 0
    broken: int = 0
    duplicates: int = 0
    other_languages: int = 0


@dataclass
class ArchiveGenerator:
    """The generator of an archive. Days must be generated in order, since later ones retweet tweets of earlier ones."""

    seed: int
    tweets: int
    tones: dict[date, Counter[str]] = field(default_factory=dict)
    """Distinct Russian tweets by their day and tone, for the days generated so far."""

    def __post_init__(self) -> None:
        self._authors = population(self.seed, "archive", max(_MIN_AUTHORS, self.tweets // _TWEETS_PER_AUTHOR))
        self._names = ZipfSampler([author.screen_name for author in self._authors.items])
        self._popular: dict[str, deque[Tweet]] = {}
        self._quotas = lines_by_day(self.tweets)
        self._broken = _broken_lines(self.seed, self.tweets)
        self._lines_before = 0

    def lines(self, number: int, planted: PlantedCounts) -> Iterator[bytes]:
        """Generate the lines, without line breaks, of DAYS[number]; `planted` is updated with every line."""
        random = random_stream(self.seed, "archive", DAYS[number])
        share = positive_share(self.seed, number)
        quota = self._quotas[number]
        repeats: deque[tuple[int, bytes]] = deque()
        for index, time_ms in enumerate(_line_times(random, number, quota)):
            planted.lines += 1
            stamp = Stamp(time_ms, status_id(time_ms, random_below(random, 1_024), index))
            corruption = self._broken.get(self._lines_before + index)
            if corruption is not None:
                planted.broken += 1
                yield CORRUPTIONS[corruption](self._original(random, stamp, "ru", NEUTRAL).status)
            elif repeats and repeats[0][0] <= index:
                planted.duplicates += 1
                yield repeats.popleft()[1]
            elif (notice := _notice(random, time_ms)) is not None:
                planted.notices += 1
                yield notice
            else:
                line, russian = self._tweet(random, stamp, share)
                planted.other_languages += not russian
                if russian and random.random() < _DUPLICATED and index + _DUPLICATE_LAG + _LATE_LINES < quota:
                    repeats.append((index + 1 + random_below(random, _DUPLICATE_LAG // 2), line))
                yield line
        self._lines_before += quota

    def _tweet(self, random: Random, stamp: Stamp, share: float) -> tuple[bytes, bool]:
        """A tweet's line, and True if it is Russian; Russian ones are counted by tone."""
        if random.random() < _FOREIGN:
            language = pool = LANGUAGES.draw(random)
        else:
            language, pool = "ru", _tone(random, share)
            self.tones.setdefault(day_of(stamp.time_ms), Counter())[pool] += 1
        popular = self._popular.setdefault(pool, deque(maxlen=_POPULAR_POOL))
        if popular and random.random() < _RETWEETS:
            status = statuses.retweet(random, stamp, pick(random, popular), self._authors.draw(random))
        else:
            tweet = self._original(random, stamp, language, pool)
            status = tweet.status
            if random.random() < _POPULAR:
                popular.append(tweet)
        return statuses.encode(status, stamp), language == "ru"

    def _original(self, random: Random, stamp: Stamp, language: str, tone: str) -> Tweet:
        author = self._authors.draw(random)
        if language == "ru":
            text = compose(random, tone, "film", _emoticon_tone(random, tone), self._names)
        else:
            text = foreign_text(random, language)
        return statuses.original(random, stamp, text, author, language)


def _broken_lines(seed: int, lines: int) -> dict[int, int]:
    """The numbers of broken lines, each with its index in CORRUPTIONS; every corruption occurs at least once."""
    random = random_stream(seed, "broken")
    count = max(len(CORRUPTIONS), round(lines * _BROKEN))
    return {int((n + random.random()) * lines / count): n % len(CORRUPTIONS) for n in range(count)}


def _line_times(random: Random, number: int, quota: int) -> Iterator[int]:
    """The increasing times of a day's lines, in milliseconds since 1970."""
    start, end = midnight(DAYS[number]), midnight(DAYS[number] + timedelta(days=1))
    late = _LATE_LINES if number + 1 < len(DAYS) and quota > _LATE_LINES else 0
    last = 0
    for index in range(quota - late):
        time_ms = start + max(_LATE_MS, time_of_day((index + random.random()) / (quota - late)))
        last = max(last + 1, time_ms)
        yield last
    for index in range(late):
        yield end + int((index + random.random()) * _LATE_MS / _LATE_LINES)


def _notice(random: Random, time_ms: int) -> bytes | None:
    """A notice or a blank line; None, most often, for a tweet."""
    number = random.random()
    if number < _DELETES:
        return statuses.delete_notice(random, time_ms)
    if number < _DELETES + _LIMITS:
        return statuses.limit_notice(random, time_ms)
    return b"" if number < _DELETES + _LIMITS + _BLANKS else None


def _tone(random: Random, share: float) -> str:
    if random.random() < _NEUTRAL:
        return NEUTRAL
    return POSITIVE if random.random() < share else NEGATIVE


def _emoticon_tone(random: Random, tone: str) -> str | None:
    """The tone of the tweet's emoticon, usually its own; None for a tweet without one."""
    if random.random() >= _EMOTICON[tone]:
        return None
    if tone == NEUTRAL:
        return pick(random, (POSITIVE, NEGATIVE))
    other = NEGATIVE if tone == POSITIVE else POSITIVE
    return tone if random.random() < _TRUE_EMOTICON else other

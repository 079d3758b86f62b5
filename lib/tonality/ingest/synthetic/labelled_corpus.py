"""Generator of the labelled corpus, in the format of RuTweetCorp: tweets labelled by emoticon, some of them wrongly."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tonality.ingest.synthetic.authors import population
from tonality.ingest.synthetic.random_streams import ZipfSampler, pick, random_below, random_stream
from tonality.ingest.synthetic.statuses import status_id
from tonality.ingest.synthetic.tweet_text import compose
from tonality.runtime.storage.schema import NEGATIVE, POSITIVE

__all__ = ["LABELS", "LabelledTweet", "corpus_lines", "labelled_tweets", "mislabelled_count"]

LABELS: Final = {POSITIVE: "1", NEGATIVE: "-1"}
"""Each class's label in RuTweetCorp."""

_TOPICS: Final = ("film", "film", "everyday", "everyday", "everyday")
_AUTHORS: Final = 2_000
_FIRST_MS: Final = 1_441_065_600_000  # 1 September 2015
_SPAN_MS: Final = 90 * 86_400_000


@dataclass(frozen=True)
class LabelledTweet:
    """A tweet of the corpus: its text, its true tone, and the tone of its emoticon."""

    text: str
    tone: str
    label: str


def labelled_tweets(seed: int, label: str, count: int, wrong_labels: float) -> Iterator[LabelledTweet]:
    """Generate `count` tweets of a label; the share `wrong_labels` of them, rounded, has the other tone."""
    random = random_stream(seed, "corpus", label)
    names = ZipfSampler([author.screen_name for author in population(seed, "corpus", _AUTHORS).items])
    other = NEGATIVE if label == POSITIVE else POSITIVE
    wrong = mislabelled_count(count, wrong_labels)
    for remaining in range(count, 0, -1):
        mislabelled = random.random() * remaining < wrong
        wrong -= mislabelled
        tone = other if mislabelled else label
        yield LabelledTweet(compose(random, tone, pick(random, _TOPICS), label, names), tone, label)


def mislabelled_count(count: int, wrong_labels: float) -> int:
    """The number of wrongly labelled tweets among `count`."""
    return round(count * wrong_labels)


def corpus_lines(seed: int, label: str, count: int, wrong_labels: float) -> Iterator[str]:
    """Generate the rows, with line breaks, of the corpus file of a label."""
    random = random_stream(seed, "corpus rows", label)
    authors = population(seed, "corpus", _AUTHORS)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n")
    for number, tweet in enumerate(labelled_tweets(seed, label, count, wrong_labels)):
        time_ms = _FIRST_MS + int((number + random.random()) * _SPAN_MS / count)
        author = authors.draw(random)
        worker = 1 if label == POSITIVE else 2
        popularity = 0 if random.random() < 0.8 else random_below(random, 5)
        writer.writerow(
            (
                *(status_id(time_ms, worker, number), time_ms // 1_000, author.screen_name, tweet.text, LABELS[label]),
                *(0, popularity, popularity // 2, author.statuses, author.followers, author.friends, author.lists),
            )
        )
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()

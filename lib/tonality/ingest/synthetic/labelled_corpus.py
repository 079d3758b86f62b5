"""The labelled corpus in RuTweetCorp's own format: tweets labelled by their emoticons, some of them wrongly."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tonality.ingest.synthetic.authors import population
from tonality.ingest.synthetic.random_streams import Ranked, pick, stream, whole_number
from tonality.ingest.synthetic.statuses import status_id
from tonality.ingest.synthetic.tweet_text import compose
from tonality.runtime.storage.schema import NEGATIVE, POSITIVE

__all__ = ["LABELS", "Labelled", "corpus_lines", "labelled_tweets", "wrong_count"]

LABELS: Final = {POSITIVE: "1", NEGATIVE: "-1"}
"""What RuTweetCorp writes for each class."""

_TOPICS: Final = ("film", "film", "everyday", "everyday", "everyday")
_AUTHORS: Final = 2_000
_FIRST_MS: Final = 1_441_065_600_000  # 1 September 2015
_SPAN_MS: Final = 90 * 86_400_000


@dataclass(frozen=True)
class Labelled:
    """A tweet of the corpus: its text, the tone that it was written in, and the tone that its emoticon claims."""

    text: str
    tone: str
    label: str


def labelled_tweets(seed: int, label: str, count: int, wrong_labels: float) -> Iterator[Labelled]:
    """That many tweets of one label, of which the share `wrong_labels`, rounded, was written in the other tone."""
    random = stream(seed, "corpus", label)
    names = Ranked([author.screen_name for author in population(seed, "corpus", _AUTHORS).items])
    other = NEGATIVE if label == POSITIVE else POSITIVE
    wrong = wrong_count(count, wrong_labels)
    for left in range(count, 0, -1):
        mislabelled = random.random() * left < wrong
        wrong -= mislabelled
        tone = other if mislabelled else label
        yield Labelled(compose(random, tone, pick(random, _TOPICS), label, names), tone, label)


def wrong_count(count: int, wrong_labels: float) -> int:
    """How many of a class's tweets are labelled wrongly."""
    return round(count * wrong_labels)


def corpus_lines(seed: int, label: str, count: int, wrong_labels: float) -> Iterator[str]:
    """The rows of one of the corpus's two files, with their line ends."""
    random = stream(seed, "corpus rows", label)
    authors = population(seed, "corpus", _AUTHORS)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n")
    for number, tweet in enumerate(labelled_tweets(seed, label, count, wrong_labels)):
        moment = _FIRST_MS + int((number + random.random()) * _SPAN_MS / count)
        author = authors.draw(random)
        worker = 1 if label == POSITIVE else 2
        popularity = 0 if random.random() < 0.8 else whole_number(random, 5)
        writer.writerow(
            (
                *(status_id(moment, worker, number), moment // 1_000, author.screen_name, tweet.text, LABELS[label]),
                *(0, popularity, popularity // 2, author.statuses, author.followers, author.friends, author.lists),
            )
        )
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()

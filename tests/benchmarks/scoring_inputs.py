"""Inputs of the scoring benchmark: millions of clean tweets with realistic stems, and a model of full size.

Stems are distributed like real ones: in 48,841 Russian tweets of December 2015 the most frequent 100 stems were 33 % of
all, 1,000 were 65 %, and a tweet had 9.5 stems, 19 at the 99th percentile; a quarter to a third of the tweets had the
same stems as another. A Zipf-Mandelbrot law and a gamma distribution reproduce all of these within a tenth.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.storage.schema import DAY, FIRST_STEM_ID, TWEETS, VOCABULARY

STEMS = 100_000
RULES = {"name": "ru", "links": "drop", "mentions": "drop"}
FINGERPRINT = "c0ffee"
DAYS = 10
ROW_GROUP = 2**17
LETTERS = [chr(code) for code in range(ord("а"), ord("я") + 1)]


def make_stems() -> list[str]:
    """Distinct stems of 2 to 10 letters; frequent ones are no shorter than rare ones."""
    draws = np.random.default_rng(0)
    found: dict[str, None] = {}
    while len(found) < STEMS - FIRST_STEM_ID:
        found["".join(draws.choice(LETTERS, draws.integers(2, 11)))] = None
    return list(found)


def make_artifact(stems: list[str]) -> Artifact:
    """An untrained model with the default config: training does not change its speed."""
    torch.manual_seed(0)
    config = LSTMConfig(vocabulary=STEMS, learned_start=True)
    ids = range(FIRST_STEM_ID, STEMS)
    vocabulary = pa.table({"id": ids, "stem": stems, "count": [1] * len(stems)}).cast(VOCABULARY)
    return Artifact(
        network_config=config,
        weights=build(config).state_dict(),
        vocabulary=vocabulary,
        rules=RULES,
        rules_fingerprint=FINGERPRINT,
        language="ru",
        max_length=100,
        unknown="train",
        metrics={},
    )


class Texts:
    """A generator of tweets' stems."""

    def __init__(self, stems: list[str], seed: int) -> None:
        self._stems = pa.array(stems)
        weights = (np.arange(len(stems)) + 12.0) ** -1.12
        self._cumulated = np.cumsum(weights) / weights.sum()
        self._draws = np.random.default_rng(seed)

    def distinct(self, count: int) -> pa.StringArray:
        lengths = np.clip(self._draws.gamma(4.5, 2.2, count).round(), 2, 60).astype(int)
        ids = np.searchsorted(self._cumulated, self._draws.random(lengths.sum()))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        return pc.binary_join(pa.ListArray.from_arrays(offsets, self._stems.take(pa.array(ids))), " ")

    def repeated(self, count: int) -> pa.StringArray:
        """Texts of which half repeat another one, a few of them very often."""
        half = self.distinct(count // 2)
        repeated = (len(half) * self._draws.random(count - len(half)) ** 4).astype(int)
        order = np.concatenate([np.arange(len(half)), repeated])
        self._draws.shuffle(order)
        return half.take(pa.array(order))


def write_root(root: Path, artifact: Artifact, stems: list[str], tweets: int, repeats: bool = False) -> Path:
    """Write a root with a model and clean tweets of ten days, one file per day, as `clean` does."""
    ModelRegistry(str(root)).add(artifact)
    texts = Texts(stems, seed=tweets)
    for day in range(DAYS):
        count = tweets // DAYS
        drawn = texts.repeated(count) if repeats else texts.distinct(count)
        folder = root / "tweets" / f"{DAY}=2015-12-{day + 1:02d}"
        folder.mkdir(parents=True)
        pq.write_table(day_of_tweets(drawn, day), folder / f"part-{tweets}.parquet", ROW_GROUP, compression="zstd")
    return root


def day_of_tweets(stems: pa.StringArray, day: int) -> pa.Table:
    """All columns of tweets with these stems; the texts are somewhat longer than the stems."""
    count = len(stems)
    draws = np.random.default_rng(day)
    midnight = int(datetime(2015, 12, day + 1, tzinfo=UTC).timestamp() * 1e6)
    moments = np.sort(draws.integers(0, 86_400_000_000, count)) + midnight
    links = hexadecimal(draws.integers(0, 2**40, count))
    columns = {
        "tweet_id": np.arange(count) + day * count,
        "created_at": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "author": pc.binary_join_element_wise("user", hexadecimal(draws.integers(0, count, count)), ""),
        "lang": pa.repeat("ru", count),
        "text": pc.binary_join_element_wise(stems, pc.binary_join_element_wise("https://t.co/", links, ""), " "),
        "hashtags": pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32), pa.repeat("starwars", count)),
        "is_retweet": pa.repeat(False, count),
        "stems": stems,
        "source": pa.repeat("archive.json.gz", count),
        "rules": pa.repeat(FINGERPRINT, count),
        "run": pa.repeat("clean", count),
    }
    return pa.table(columns).cast(TWEETS.remove(TWEETS.get_field_index(DAY)))


def hexadecimal(numbers: npt.NDArray[np.int64]) -> pa.StringArray:
    return pa.array([f"{number:010x}" for number in numbers.tolist()])

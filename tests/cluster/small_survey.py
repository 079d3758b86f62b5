"""Quick substitutes for the output of `clean` and `train`: days of long tweets, and models that tell them apart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import torch

from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.settings.load import load, text_rules
from tonality.runtime.storage import schema

STEMS: Final = [f"слов{number}" for number in range(2000)]
_RULES: Final = text_rules(load().text)
_FIRST_DAY: Final = datetime(2015, 12, 1, tzinfo=UTC)
_LONGEST: Final = 60


class Survey(NamedTuple):
    """An unscored root, and its expected scored/."""

    unscored: Path
    scored: pa.Table


class Republication(NamedTuple):
    """A root with a model and days that a former model has scored, and the expected scored/ of the latter."""

    published: Path
    days: list[str]
    former: str
    latter: str
    scored: pa.Table


def write_model(root: Path, seed: int) -> str:
    """Write a model whose probabilities differ widely, and return its fingerprint."""
    torch.manual_seed(seed)
    config = LSTMConfig(vocabulary=len(STEMS) + schema.FIRST_STEM_ID, embedding=64, hidden=96)
    ids = range(schema.FIRST_STEM_ID, config.vocabulary)
    model = Artifact(
        network_config=config,
        weights={name: 2 * weight for name, weight in build(config).state_dict().items()},
        vocabulary=pa.table({"id": ids, "stem": STEMS, "count": [1] * len(STEMS)}).cast(schema.VOCABULARY),
        rules=_RULES.model_dump(mode="json"),
        rules_fingerprint=_RULES.fingerprint,
        language=_RULES.name,
        max_length=_LONGEST,
        unknown="train",
        metrics={},
    )
    registry = ModelRegistry(str(root))
    registry.add(model)
    registry.set_production(model.fingerprint)
    return model.fingerprint


def write_tweets(root: Path, days: int, rows: int) -> list[str]:
    """Write days of tweets, every twentieth without stems, and return the names of the days' folders."""
    random = np.random.default_rng(1)
    names = []
    for day in range(days):
        start = _FIRST_DAY + timedelta(days=day)
        tweets = _tweets(random, start, day * rows, rows)
        names.append(f"day={start.date()}")
        place = root / "tweets" / names[-1]
        place.mkdir(parents=True)
        pq.write_table(tweets, place / "part.parquet", row_group_size=1000, compression="zstd")
    return names


def _tweets(random: np.random.Generator, start: datetime, first: int, rows: int) -> pa.Table:
    lengths = random.integers(20, _LONGEST, rows) * (random.random(rows) > 0.05)
    stems = [" ".join(STEMS[number] for number in random.integers(0, len(STEMS), length)) for length in lengths]
    ids = np.arange(first, first + rows)
    columns = {
        "tweet_id": ids,
        "created_at": [start + timedelta(milliseconds=int(number)) for number in range(rows)],
        "author": [f"author{number % 997}" for number in ids],
        "lang": ["ru"] * rows,
        "text": [f"твит {number}: {text}" for number, text in zip(ids, stems, strict=True)],
        "hashtags": [["кино"] if number % 3 else None for number in ids],
        "is_retweet": ids % 5 == 0,
        "stems": stems,
        "source": ["archive.json.gz"] * rows,
        "rules": [_RULES.fingerprint] * rows,
        "run": ["clean-1"] * rows,
    }
    return pa.table(columns).cast(pa.schema([field for field in schema.TWEETS if field.name != schema.DAY]))


def scored(root: Path) -> pa.Table:
    """Read scored/ in order of tweet ids, with the bits of the probabilities and without the column of runs."""
    days = ds.partitioning(pa.schema([schema.SCORED.field(schema.DAY)]), flavor="hive")
    table = ds.dataset(root / "scored", schema.SCORED, partitioning=days, format="parquet").to_table()
    bits = table["probability"].combine_chunks().view(pa.int32())
    table = _with(table, "probability", bits)
    return table.drop_columns(["run"]).sort_by("tweet_id").combine_chunks()


def write_scored(root: Path, table: pa.Table, model: str) -> None:
    """Write scored/ of another model: the same tweets, all of them neutral."""
    rows = table.num_rows
    table = _with(table, "probability", pa.array([0.5] * rows, pa.float32()))
    table = _with(_with(table, "tonality", pa.array([schema.NEUTRAL] * rows)), "model", pa.array([model] * rows))
    table = table.append_column("run", pa.array(["score-1"] * rows)).select(schema.SCORED.names)
    pq.write_to_dataset(table, root / "scored", partition_cols=[schema.DAY])


def _with(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), column, values)

"""Distant supervision: tweets labelled by their own emoticons (Read 2005; Go, Bhayani and Huang 2009)."""

from collections.abc import Callable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.runtime.storage.schema import LABELLED
from tonality.text.emoticons import EmoticonReader
from tonality.text.rules import Emoticons

__all__ = ["label_by_emoticon"]

_COLUMNS = [name for name in LABELLED.names if name not in ("label", "run")]


def label_by_emoticon(tweets: DataFrame, emoticons: Emoticons) -> DataFrame:
    """Label the tweets whose emoticons are all of one tone: the columns of schema.LABELLED but `run`.

    Retweets, which repeat another author's text, and tweets without stems, which teach nothing, are not labelled.
    """
    candidates = tweets.where(~F.col("is_retweet") & (F.col("stems") != "")).select(*_COLUMNS)
    labelled = from_arrow_schema(pa.schema([*(LABELLED.field(name) for name in _COLUMNS), LABELLED.field("label")]))
    return candidates.mapInArrow(_labeller(emoticons), labelled).where(F.col("label").isNotNull())


def _labeller(emoticons: Emoticons) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def label(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        reader = EmoticonReader(emoticons)
        for batch in batches:
            labels = [reader.label(text) for text in batch["text"].to_pylist()]
            yield batch.append_column("label", pa.array(labels, pa.float32()))

    return label

"""The model in a pandas UDF: broadcast once, built once a Python worker and kept while the worker lives."""

from collections.abc import Callable, Iterator
from typing import Final

import pandas as pd
import pyarrow as pa
import torch
from pyspark import Broadcast
from pyspark.sql import Column, SparkSession
from pyspark.sql.pandas.functions import pandas_udf

from tonality.network.artifact import Artifact
from tonality.scoring.scorer import Scorer

__all__ = ["scoring_udf"]

_built: Final[dict[str, Scorer]] = {}
"""This worker's scorer, by the model's fingerprint."""


def scoring_udf(spark: SparkSession, artifact: Artifact) -> Callable[[Column], Column]:
    """A function of a column of space-joined stems: the probabilities, null where a tweet has no stem."""
    files = spark.sparkContext.broadcast(artifact.files())
    fingerprint = artifact.fingerprint

    @pandas_udf("float")  # type: ignore[call-overload, untyped-decorator, unused-ignore]
    def probability(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        scorer = _scorer(fingerprint, files)
        for stems in batches:
            yield scorer.probabilities(pa.array(stems, pa.string())).to_pandas()

    return probability  # type: ignore[no-any-return, unused-ignore]


def _scorer(fingerprint: str, files: Broadcast[dict[str, bytes]]) -> Scorer:
    if fingerprint not in _built:
        torch.set_num_threads(1)  # Spark fills the cores already
        _built.clear()
        _built[fingerprint] = Scorer(Artifact.from_files(files.value))
    return _built[fingerprint]

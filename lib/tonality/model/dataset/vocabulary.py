"""The vocabulary: stems encoded by falling frequency on the training side."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.storage.schema import FIRST_STEM_ID

__all__ = ["count_stems"]


def count_stems(train: DataFrame, size: int, min_count: int) -> DataFrame:
    """The rows of schema.VOCABULARY: the most frequent stems of the rows' `stems`, ties by stem, ids from 2.

    `size` counts padding and unknown, so at most size - 2 stems get a number; rarer ones than `min_count` get none.
    """
    by_frequency = Window.orderBy(F.desc("count"), F.asc("stem")).rowsBetween(
        Window.unboundedPreceding, Window.currentRow
    )
    return (
        train.where(F.col("stems") != "")
        .select(F.explode(F.split("stems", " ")).alias("stem"))
        .groupBy("stem")
        .agg(F.count("*").alias("count"))
        .where(F.col("count") >= min_count)
        .orderBy(F.desc("count"), F.asc("stem"))
        .limit(size - FIRST_STEM_ID)
        .withColumn("id", (F.row_number().over(by_frequency) + F.lit(FIRST_STEM_ID - 1)).cast("int"))
        .select("id", "stem", "count")
    )

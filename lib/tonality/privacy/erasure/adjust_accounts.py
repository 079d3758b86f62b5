"""Accounts after something was forgotten: its records were tweets, and are filtered and deleted now."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["moved"]


def moved(accounts: DataFrame, removed: DataFrame) -> DataFrame:
    """All rows of schema.ACCOUNTS, and `gone`: how many tweets each has lost, of those removed (`source`, `run`)."""
    of_account = ["source", "run"]
    gone = removed.groupBy(*of_account).agg(F.count("*").alias("gone"))
    count = F.col("gone")
    return (
        accounts.join(gone, on=of_account, how="left")
        .fillna(0, ["gone"])
        .withColumn("tweets", F.col("tweets") - count)
        .withColumn("filtered", F.col("filtered") + count)
        .withColumn("deleted", F.col("deleted") + count)
    )

"""Accounts after an erasure: the erased tweets count as filtered and deleted."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["adjust_accounts"]


def adjust_accounts(accounts: DataFrame, removed: DataFrame) -> DataFrame:
    """Adjust rows of schema.ACCOUNTS to the removed tweets (`source`, `run`); `erased` is the number that each lost."""
    account = ["source", "run"]
    losses = removed.groupBy(*account).agg(F.count("*").alias("erased"))
    count = F.col("erased")
    return (
        accounts.join(losses, on=account, how="left")
        .fillna(0, ["erased"])
        .withColumn("tweets", F.col("tweets") - count)
        .withColumn("filtered", F.col("filtered") + count)
        .withColumn("deleted", F.col("deleted") + count)
    )

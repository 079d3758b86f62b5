"""Use Spark for a few seconds: Java archives the classes that it has loaded when it ends (`-XX:ArchiveClassesAtExit`)."""

import tempfile
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

with (
    tempfile.TemporaryDirectory() as folder,
    SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate() as spark,
):
    place = str(Path(folder) / "days")
    rows = spark.range(1000).select("id", F.pmod("id", F.lit(7)).alias("day"), F.col("id").cast("string").alias("text"))
    rows.write.partitionBy("day").parquet(place)
    days = spark.read.parquet(place).mapInArrow(lambda batches: batches, "id bigint, text string, day int")
    counts = days.groupBy("day").agg(F.count("*").alias("rows"), F.countDistinct("text").alias("texts"))
    counts.join(days, "day").orderBy("id").limit(10).toPandas()

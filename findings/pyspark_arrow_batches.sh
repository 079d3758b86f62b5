#!/usr/bin/env bash
# Spark ignores the limit on rows per Arrow batch where a UDF reads a Parquet table directly.
#
# Versions: pyspark 4.2.1 with pyarrow 26.0.1, on Java 17 or 21 from PATH. 4.3.0 is alike; 4.1.1 keeps to the limit.
# Behaviour: for an Arrow UDF over columns of a Parquet file, batches have 4,096 rows, the batch size of the Parquet
# reader (spark.sql.parquet.columnarReaderBatchSize), whether spark.sql.execution.arrow.maxRecordsPerBatch is 1,000 or
# 50,000. With a filter on a column before the UDF, the limit holds, and so it does without
# spark.sql.execution.arrow.pythonUDF.columnarInput.enabled, which is on.
# One would have guessed: no batch has more rows than the limit, and a filter that keeps every row changes nothing.
# Why it matters: the limit is how users bound a worker's memory and how they feed a model large batches. Here it does
# neither, until somebody adds a filter, and then the same UDF gets batches of another size.
# Tonality: the scoring UDF takes an iterator of batches and regroups them by rows and bytes itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq pyspark==4.2.1 pyarrow==26.0.1 pandas==2.3.3

env -u SPARK_HOME PYSPARK_PYTHON="$PWD/venv/bin/python" venv/bin/python - <<'PYTHON' | tee seen
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.functions import arrow_udf

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()


@arrow_udf("int")
def rows_of_batch(texts: pa.Array) -> pa.Array:
    return pa.array([len(texts)] * len(texts), pa.int32())


pq.write_table(pa.table({"text": [f"text {number}" for number in range(100_000)]}), "tweets.parquet")
table = spark.read.parquet("tweets.parquet")
for limit in (1_000, 10_000, 50_000):
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", limit)
    for name, rows in (("table", table), ("filtered table", table.filter(F.col("text") != ""))):
        largest = rows.select(F.max(rows_of_batch("text"))).first()[0]
        print(f"at most {limit} rows, {name}: batches of {largest}")
PYTHON

cat >expected <<'TEXT'
at most 1000 rows, table: batches of 4096
at most 1000 rows, filtered table: batches of 1000
at most 10000 rows, table: batches of 4096
at most 10000 rows, filtered table: batches of 10000
at most 50000 rows, table: batches of 4096
at most 50000 rows, filtered table: batches of 50000
TEXT
diff expected seen

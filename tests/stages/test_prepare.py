"""prepare, on the real Spark: the dataset's metadata, its files and the summary."""

import csv
import json
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from tonality.model.dataset.metadata import DatasetMetadata, read_metadata
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.stages import prepare

WORDS = ("кино", "зима", "снег", "утро")
TEXTS = [f"{first} {second}" for first in WORDS for second in WORDS]
LABELS = ("positive", "negative")
ROWS = [(text, LABELS[number % 2]) for number, text in enumerate(TEXTS)]


def run_prepare(spark: SparkSession, folder: Path, rows: list[tuple[str, str]], more: bytes = b"") -> str:
    """Prepare a corpus of these texts and labels, and of further bytes; the summary."""
    folder.mkdir(exist_ok=True)
    with (folder / "corpus.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    with (folder / "corpus.csv").open("ab") as file:
        file.write(more)
    paths = [f"paths.corpus={folder}/corpus.csv", f"paths.root={folder}/out"]
    settings = load(overrides=["corpus.format=table", "dataset.valid_fraction=0.4", *paths])
    with Run("prepare", settings) as record:
        return prepare.run(settings, record, spark)


def prepared(spark: SparkSession, folder: Path, rows: list[tuple[str, str]]) -> DatasetMetadata:
    """The metadata of a corpus of these texts and labels."""
    run_prepare(spark, folder, rows)
    return read_metadata(f"{folder}/out")


def test_the_dataset_is_read_by_other_tools_as_it_is(spark: SparkSession, tmp_path: Path) -> None:
    metadata = prepared(spark, tmp_path, ROWS)
    for tool in (ds.dataset, pq.read_table):
        table = tool(tmp_path / "out" / "dataset")
        rows = table.count_rows() if tool is ds.dataset else table.num_rows
        assert rows == sum(part.rows for part in metadata.rows.values())


def test_rejects_are_named_by_reason_file_and_line_in_the_summary_and_the_record(
    spark: SparkSession, tmp_path: Path
) -> None:
    broken = b"a\0b,positive\r\n\xff,negative\r\nso,neutral\r\n"
    summary = run_prepare(spark, tmp_path, ROWS, broken)
    first = len(ROWS) + 2
    file = f"file://{tmp_path}/corpus.csv"
    assert f" dropped:          1 nul-byte: {file} line {first}\n" in summary
    assert f" dropped:          1 invalid-utf8: {file} line {first + 1} (" in summary
    assert " dropped:          1 other label\n" in summary
    (run,) = (tmp_path / "out" / "runs").glob("prepare-*.json")
    record = json.loads(run.read_text())
    assert record["rejects"]["nul-byte"] == f"{file} line {first}"
    assert {reason: record["counts"][reason] for reason in ("nul-byte", "invalid-utf8", "other label")} == {
        "nul-byte": 1,
        "invalid-utf8": 1,
        "other label": 1,
    }


def test_the_same_corpus_has_the_same_content_in_whatever_order_it_comes(spark: SparkSession, tmp_path: Path) -> None:
    note = prepared(spark, tmp_path / "first", ROWS)
    assert prepared(spark, tmp_path / "again", ROWS[::-1]).rows == note.rows
    assert all(len(side.content) == 16 for side in note.rows.values())


def test_a_corpus_of_the_same_texts_with_other_labels_has_another_content(spark: SparkSession, tmp_path: Path) -> None:
    # each row twice, as retweets are: what is added up must not cancel out
    once = prepared(spark, tmp_path / "once", [*ROWS, *ROWS])
    exchanged = [(text, LABELS[label == "positive"]) for text, label in ROWS]
    other = prepared(spark, tmp_path / "other", [*exchanged, *exchanged])
    assert other.vocabulary == once.vocabulary
    for name, side in once.rows.items():
        assert other.rows[name].rows == side.rows
        assert other.rows[name].content != side.content

"""prepare, on the real Spark: what is promised of the note beside the dataset."""

import csv
from pathlib import Path

from pyspark.sql import SparkSession

from tonality.model.dataset.metadata import DatasetMetadata, read_metadata
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.stages import prepare

WORDS = ("кино", "зима", "снег", "утро")
TEXTS = [f"{first} {second}" for first in WORDS for second in WORDS]
LABELS = ("positive", "negative")
ROWS = [(text, LABELS[number % 2]) for number, text in enumerate(TEXTS)]


def prepared(spark: SparkSession, folder: Path, rows: list[tuple[str, str]]) -> DatasetMetadata:
    """The note of a corpus of these texts and labels."""
    folder.mkdir()
    with (folder / "corpus.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    paths = [f"paths.corpus={folder}/corpus.csv", f"paths.root={folder}/out"]
    settings = load(overrides=["corpus.format=table", "dataset.valid_fraction=0.4", *paths])
    with Run("prepare", settings) as record:
        prepare.run(settings, record, spark)
    return read_metadata(f"{folder}/out")


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

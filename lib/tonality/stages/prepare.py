"""prepare: labelled tweets to a vocabulary and to training and validation rows."""

from collections import Counter
from functools import reduce
from typing import Any, Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality.ingest.formats.corpora import TableFormat, read_corpus
from tonality.model.dataset.encode import encoded, side_of, with_stems
from tonality.model.dataset.metadata import DatasetMetadata, SplitStats
from tonality.model.dataset.split import TRAIN, VALID, shuffled, with_split
from tonality.model.dataset.vocabulary import count_stems
from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.runs.record import Run
from tonality.runtime.runs.text_rules import refuse_other_rules
from tonality.runtime.settings.load import text_rules
from tonality.runtime.settings.sections import CorpusSettings, Settings
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DATASET, LABELLED, VOCABULARY
from tonality.runtime.storage.transaction import Transaction, begin_transaction
from tonality.runtime.storage.write_locks import WriteLock
from tonality.text.rules import Rules
from tonality.text.token_ids import vocabulary_fingerprint

_OTHER_RULES: Final = "Run `clean` and `label` again with the present [text] settings, or set [text] to those found."


def check(settings: Settings) -> None:
    """Refuse settings that name nothing to learn from."""
    if not settings.paths.corpus and not settings.corpus.labelled:
        raise SettingsError(
            "paths.corpus is empty and corpus.labelled is false: name a labelled corpus, or learn from labelled/"
        )


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Prepare the dataset and publish it together with its vocabulary."""
    check(settings)
    rules, root = text_rules(settings.text), settings.paths.root
    with begin_transaction(spark, root, record.id, [WriteLock("vocabulary"), WriteLock("dataset")]) as transaction:
        labelled, dropped = _labelled(settings, rules, spark)
        rows = _split_once(labelled, settings, transaction.temporary_folder("split"))
        dropped["no stems"] += rows.where(F.col("stems") == "").count()
        sides = {side: rows.where((F.col("split") == side) & (F.col("stems") != "")) for side in (TRAIN, VALID)}
        stems = _stage_vocabulary(transaction, sides[TRAIN], settings)
        read = {side: rows.count() for side, rows in sides.items()}
        counts = _stage_dataset(transaction, sides, read, stems, settings)
        dropped["no known stem"] += sum(read.values()) - sum(count.rows for count in counts.values())
        note = _note(stems, counts, dropped, settings, rules)
        transaction.write_metadata("dataset", note.model_dump(mode="json"))
        transaction.commit()
    written = {side: count.rows for side, count in counts.items()}
    record.add(
        **note.model_dump(include={"vocabulary", "stems", "rows", "dropped"}),
        reads={"labelled tweets": {"rows": sum(written.values()) + sum(dropped.values())}},
        writes={"vocabulary": {"rows": len(stems)}, "dataset": {"rows": sum(written.values())}},
        counts={**written, **dropped},
    )
    return _summary(counts, dropped, len(stems))


def _labelled(settings: Settings, rules: Rules, spark: SparkSession) -> tuple[DataFrame, Counter[str]]:
    """Stems and labels of every source, and how many rows were dropped on the way."""
    dropped: Counter[str] = Counter()
    sources: list[DataFrame] = []
    if settings.paths.corpus:
        corpus = read_corpus(settings.paths.corpus, _format(settings.corpus))
        dropped.update(corpus.dropped)
        sources.append(with_stems(spark.createDataFrame(corpus.rows), rules))
    if settings.corpus.labelled:
        labelled = tables.read(spark, settings.paths.root, "labelled", LABELLED)
        refuse_other_rules(
            labelled, settings.paths.root, "labelled", rules.model_dump(), rules.fingerprint, _OTHER_RULES
        )
        sources.append(labelled.select("stems", "label"))
    return reduce(DataFrame.unionByName, sources), dropped


def _format(corpus: CorpusSettings) -> Any:
    if corpus.format != "table":
        return corpus.format
    return TableFormat(corpus.text, corpus.label, corpus.positive, corpus.negative, corpus.delimiter)


def _split_once(labelled: DataFrame, settings: Settings, scratch: str) -> DataFrame:
    """The rows with their side, computed once and read back by everything that follows."""
    split = with_split(labelled, settings.dataset.valid_fraction, settings.dataset.seed)
    split.write.parquet(scratch)
    return labelled.sparkSession.read.schema(split.schema).parquet(scratch)


def _stage_vocabulary(transaction: Transaction, train: DataFrame, settings: Settings) -> list[str]:
    """The stems in the order of their numbers."""
    counted = count_stems(train, settings.vocabulary.size, settings.vocabulary.min_count)
    written = transaction.replace("vocabulary", {"": counted.coalesce(1)}, VOCABULARY)[""]
    stems = [row.stem for row in written.orderBy("id").select("stem").collect()]
    if not stems:
        raise InputError(
            f"the vocabulary is empty: no stem of the training side occurs {settings.vocabulary.min_count} times. "
            "Lower vocabulary.min_count, or check that text.language fits the corpus."
        )
    return stems


def _stage_dataset(
    transaction: Transaction,
    sides: dict[str, DataFrame],
    read: dict[str, int],
    stems: list[str],
    settings: Settings,
) -> dict[str, SplitStats]:
    """Each side as it was written; `read` is how many rows there were to write."""
    dataset = settings.dataset
    parts = {}
    for side, rows in sides.items():
        files = max(1, round(read[side] / dataset.shard_rows))
        mixed = shuffled(rows, dataset.seed, files)
        parts[f"split={side}"] = encoded(mixed, stems, settings.vocabulary.unknown, dataset.max_length)
    written = transaction.replace("dataset", parts, DATASET)
    counts = {side: side_of(written[f"split={side}"]) for side in sides}
    for side, count in counts.items():
        _refuse_one_class(side, count)
    return counts


def _refuse_one_class(side: str, count: SplitStats) -> None:
    negative = count.rows - count.positive
    if not count.positive or not negative:
        raise InputError(
            f"the {side} side has {count.positive:,} positive and {negative:,} negative rows, and needs both. "
            "Do corpus.positive and corpus.negative name the labels of this corpus?"
        )


def _note(
    stems: list[str], counts: dict[str, SplitStats], dropped: Counter[str], settings: Settings, rules: Rules
) -> DatasetMetadata:
    return DatasetMetadata(
        vocabulary=vocabulary_fingerprint(stems),
        stems=len(stems),
        rows=counts,
        dropped=dict(dropped),
        max_length=settings.dataset.max_length,
        unknown=settings.vocabulary.unknown,
        seed=settings.dataset.seed,
        valid_fraction=settings.dataset.valid_fraction,
        labelled=settings.corpus.labelled,
        rules_fingerprint=rules.fingerprint,
        rules=rules.model_dump(mode="json"),
    )


def _summary(counts: dict[str, SplitStats], dropped: Counter[str], stems: int) -> str:
    lines = [
        f"{side:>8}: {count.rows:>10,} rows, {count.positive / count.rows:.1%} positive"
        for side, count in counts.items()
    ]
    lines += [f" dropped: {count:>10,} {reason}" for reason, count in sorted(dropped.items()) if count]
    return "\n".join([*lines, f"   stems: {stems:>10,} in the vocabulary"])

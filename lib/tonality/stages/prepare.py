"""prepare: labelled tweets to a vocabulary and to training and validation rows."""

import logging
from collections import Counter
from collections.abc import Mapping
from functools import reduce
from typing import Any, Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality.ingest.formats.corpora import TableFormat, read_corpus
from tonality.model.dataset.encode import count_rows, encode, with_stems
from tonality.model.dataset.metadata import DatasetMetadata, SplitStats
from tonality.model.dataset.split import TRAIN, VALID, shuffled, with_split
from tonality.model.dataset.vocabulary import count_stems
from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.runs.record import Run
from tonality.runtime.runs.text_rules_check import refuse_other_rules
from tonality.runtime.settings.load import text_rules
from tonality.runtime.settings.sections import CorpusSettings, Settings
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DATASET, LABELLED, VOCABULARY
from tonality.runtime.storage.transaction import Transaction, begin_transaction
from tonality.runtime.storage.write_locks import WriteLock
from tonality.text.rules import Rules
from tonality.text.token_ids import vocabulary_fingerprint

_LOG: Final = logging.getLogger(__name__)

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
        _LOG.info("reading labelled tweets")
        labelled, dropped, places = _labelled_rows(settings, rules, spark)
        rows = _split_once(labelled, settings, transaction.temporary_folder("split"))
        dropped["no stems"] += rows.where(F.col("stems") == "").count()
        parts = {part: rows.where((F.col("split") == part) & (F.col("stems") != "")) for part in (TRAIN, VALID)}
        _LOG.info("counting stems")
        stems = _stage_vocabulary(transaction, parts[TRAIN], settings)
        available = {part: rows.count() for part, rows in parts.items()}
        _LOG.info("encoding training and validation rows")
        counts = _stage_dataset(transaction, parts, available, stems, settings)
        dropped["no known stem"] += sum(available.values()) - sum(count.rows for count in counts.values())
        metadata = _metadata(stems, counts, dropped, settings, rules)
        transaction.write_metadata("dataset", metadata.model_dump(mode="json"))
        transaction.commit()
    written = {part: count.rows for part, count in counts.items()}
    record.add(
        **metadata.model_dump(include={"vocabulary", "stems", "rows", "dropped"}),
        reads={"labelled tweets": {"rows": sum(written.values()) + sum(dropped.values())}},
        writes={"vocabulary": {"rows": len(stems)}, "dataset": {"rows": sum(written.values())}},
        counts={**written, **dropped},
        rejects=places,
    )
    return _summary(counts, dropped, places, len(stems))


def _labelled_rows(
    settings: Settings, rules: Rules, spark: SparkSession
) -> tuple[DataFrame, Counter[str], dict[str, str]]:
    """Stems and labels of every source, rows dropped on the way by reason, and the places of the first rejects."""
    dropped: Counter[str] = Counter()
    places: dict[str, str] = {}
    sources: list[DataFrame] = []
    if settings.paths.corpus:
        corpus = read_corpus(settings.paths.corpus, _format(settings.corpus))
        dropped.update(corpus.dropped)
        places = corpus.described_places()
        sources.append(with_stems(spark.createDataFrame(corpus.rows), rules))
    if settings.corpus.labelled:
        labelled = tables.read(spark, settings.paths.root, "labelled", LABELLED)
        refuse_other_rules(
            labelled, settings.paths.root, "labelled", rules.model_dump(), rules.fingerprint, _OTHER_RULES
        )
        sources.append(labelled.select("stems", "label"))
    return reduce(DataFrame.unionByName, sources), dropped, places


def _format(corpus: CorpusSettings) -> Any:
    if corpus.format != "table":
        return corpus.format
    return TableFormat(corpus.text, corpus.label, corpus.positive, corpus.negative, corpus.delimiter)


def _split_once(labelled: DataFrame, settings: Settings, folder: str) -> DataFrame:
    """The rows with their part of the split, computed once and read back by everything that follows."""
    split = with_split(labelled, settings.dataset.valid_fraction, settings.dataset.seed)
    split.write.parquet(folder)
    return labelled.sparkSession.read.schema(split.schema).parquet(folder)


def _stage_vocabulary(transaction: Transaction, train: DataFrame, settings: Settings) -> list[str]:
    """The stems in the order of their ids."""
    counted = count_stems(train, settings.vocabulary.size, settings.vocabulary.min_count)
    written = transaction.stage_table("vocabulary", {"": counted.coalesce(1)}, VOCABULARY)[""]
    stems = [row.stem for row in written.orderBy("id").select("stem").collect()]
    if not stems:
        raise InputError(
            f"the vocabulary is empty: no stem of the training side occurs {settings.vocabulary.min_count} times. "
            "Lower vocabulary.min_count, or check that text.language fits the corpus."
        )
    return stems


def _stage_dataset(
    transaction: Transaction,
    parts: Mapping[str, DataFrame],
    available: Mapping[str, int],
    stems: list[str],
    settings: Settings,
) -> dict[str, SplitStats]:
    """Write each part, of `available` rows, and count it as written."""
    dataset = settings.dataset
    frames = {}
    for part, rows in parts.items():
        files = max(1, round(available[part] / dataset.shard_rows))
        mixed = shuffled(rows, dataset.seed, files)
        frames[f"split={part}"] = encode(mixed, stems, settings.vocabulary.unknown, dataset.max_length)
    written = transaction.stage_table("dataset", frames, DATASET)
    counts = {part: count_rows(written[f"split={part}"]) for part in parts}
    for part, count in counts.items():
        _refuse_one_class(part, count)
    return counts


def _refuse_one_class(part: str, count: SplitStats) -> None:
    negative = count.rows - count.positive
    if not count.positive or not negative:
        raise InputError(
            f"the {part} side has {count.positive:,} positive and {negative:,} negative rows, and needs both. "
            "Do corpus.positive and corpus.negative name the labels of this corpus?"
        )


def _metadata(
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


def _summary(
    counts: Mapping[str, SplitStats], dropped: Mapping[str, int], places: Mapping[str, str], stems: int
) -> str:
    lines = [
        f"{part:>8}: {count.rows:>10,} rows, {count.positive / count.rows:.1%} positive"
        for part, count in counts.items()
    ]
    lines += [
        f" dropped: {count:>10,} {reason}{f': {places[reason]}' if reason in places else ''}"
        for reason, count in sorted(dropped.items())
        if count
    ]
    return "\n".join([*lines, f"   stems: {stems:>10,} in the vocabulary"])

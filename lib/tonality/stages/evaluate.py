"""evaluate: the network beside the linear models, on the same held-out rows."""

from collections.abc import Iterator, Mapping
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality import tables
from tonality.corpus.note import DatasetNote, read_note
from tonality.documents import to_json
from tonality.evaluation.features import Terms, with_features
from tonality.evaluation.linear import choose_strength, logistic_regression, naive_bayes
from tonality.evaluation.measured import Measured, measured
from tonality.evaluation.picture import draw_png
from tonality.evaluation.tables import as_markdown, as_text
from tonality.faults import InputFault
from tonality.locations import join, write_files
from tonality.network.artifact import Artifact
from tonality.network.storage import read as read_model
from tonality.record import Run
from tonality.schema import DATASET
from tonality.scoring.prepared import PreparedModel
from tonality.scoring.udf import prepared_for, scoring_udf
from tonality.settings import Settings
from tonality.text.numbering import vocabulary_fingerprint

NETWORK: Final = "LSTM network"


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Measure every model on dataset/split=valid and write evaluation/."""
    root = settings.paths.root
    artifact = read_model(join(root, "model"))
    tables.recover(spark, root)
    train = tables.read(spark, root, "dataset/split=train", DATASET).select("stems", "label")
    valid = tables.read(spark, root, "dataset/split=valid", DATASET).select("stems", "label")
    note = read_note(root)
    _refuse_another_dataset(note, artifact)
    model = prepared_for(spark, artifact, settings.score.precision, settings.score.device)
    network = _network(valid, model, settings.score.batch_rows)
    models = {NETWORK: _measure(network), **dict(_linear(train, valid, note.stems))}
    files = _files(models, artifact.fingerprint)
    write_files(join(root, "evaluation"), files)
    record.note(
        model=artifact.fingerprint,
        precision=model.precision,
        models={name: model.content() for name, model in models.items()},
        reads={"dataset": {"rows": sum(side.rows for side in note.rows.values())}},
        writes={"evaluation": {"files": len(files)}},
        counts={"models": len(models), "rows": models[NETWORK].metrics.rows},
    )
    return as_text(models)


def _refuse_another_dataset(note: DatasetNote, artifact: Artifact) -> None:
    """A model made from another dataset may have learned from what is held out here."""
    vocabulary = vocabulary_fingerprint(artifact.vocabulary["stem"].to_pylist())
    wanted = (vocabulary, artifact.unknown, artifact.max_length)
    if note.numbering != wanted:
        raise InputFault(
            f"dataset/ was numbered by (vocabulary, unknown, max_length) {note.numbering}, the model "
            f"{artifact.fingerprint} by {wanted}: run `train` again, or `prepare` as it was when the model was trained"
        )
    if (learned := artifact.metrics.get("rows")) != note.counts:
        raise InputFault(
            f"dataset/ is split into {note.counts}, the model {artifact.fingerprint} was trained on {learned}: it may "
            "have learned from what is held out now. Run `train` again"
        )


def _network(valid: DataFrame, model: PreparedModel, batch_rows: int) -> DataFrame:
    probability = scoring_udf(valid.sparkSession, model, batch_rows)
    return valid.select("label", probability(F.col("stems")).alias("probability"))


def _linear(train: DataFrame, valid: DataFrame, stems: int) -> Iterator[tuple[str, Measured]]:
    """The models of the 2016 study, and naive Bayes, each on features of its own making."""
    for name, terms in (("stems", Terms(stems)), ("stems + bigrams", Terms(stems, pairs=True))):
        fitted, held = with_features(train, valid, terms)
        fitted.persist()
        strength = choose_strength(fitted)
        regression = logistic_regression(fitted, held, strength)
        yield f"tf-idf + logistic regression, {name}", _measure(regression, {"C": strength})
        if not terms.pairs:
            bayes = _measure(naive_bayes(fitted, held))
        fitted.unpersist()
    yield "multinomial naive Bayes, stems", bayes


def _measure(rows: DataFrame, chosen: Mapping[str, float] | None = None) -> Measured:
    collected = rows.toPandas()
    return measured(collected["probability"].to_numpy(), collected["label"].to_numpy(), chosen)


def _files(models: Mapping[str, Measured], fingerprint: str) -> dict[str, bytes]:
    rows = models[NETWORK].metrics.rows
    positive = models[NETWORK].confusion.true_positive + models[NETWORK].confusion.false_negative
    content = {
        "model": fingerprint,
        "rows": rows,
        "positive": positive,
        "models": {name: model.content() for name, model in models.items()},
    }
    return {
        "evaluation.json": to_json(content).encode(),
        "evaluation.md": as_markdown(models, rows, positive).encode(),
        "evaluation.png": draw_png(models, f"{NETWORK} and linear models on {rows:,} held-out tweets"),
    }

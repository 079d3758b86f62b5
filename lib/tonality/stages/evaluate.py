"""evaluate: the network beside tf-idf and logistic regression, on the same held-out rows."""

import json
from dataclasses import asdict

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality import tables
from tonality.evaluation.linear import linear_probabilities
from tonality.faults import InputFault
from tonality.locations import filesystem, join, write_files
from tonality.network.artifact import Artifact
from tonality.network.measures import Metrics, measure
from tonality.network.storage import read as read_model
from tonality.record import Run
from tonality.schema import DATASET
from tonality.scoring.udf import scoring_udf
from tonality.session import rows_per_batch
from tonality.settings import Settings
from tonality.text.numbering import vocabulary_fingerprint


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Measure both models on dataset/split=valid and write evaluation/."""
    root = settings.paths.root
    artifact = read_model(join(root, "model"))
    tables.recover(spark, root)
    train = tables.read(spark, root, "dataset/split=train", DATASET)
    valid = tables.read(spark, root, "dataset/split=valid", DATASET)
    _refuse_another_dataset(root, artifact)
    with rows_per_batch(spark, settings.score.batch_rows):
        measured = {
            "network": _measure(_network_probabilities(valid, artifact)),
            "tf-idf + logistic regression": _measure(linear_probabilities(train, valid, artifact.vocabulary.num_rows)),
        }
    content = {"model": artifact.fingerprint, "models": {name: asdict(metrics) for name, metrics in measured.items()}}
    write_files(join(root, "evaluation"), {"evaluation.json": f"{json.dumps(content, indent=2)}\n".encode()})
    record.note(**content)
    return _table(measured)


def _refuse_another_dataset(root: str, artifact: Artifact) -> None:
    """A model made from another split may have learned from what is held out here."""
    system, path = filesystem(join(root, "dataset", "dataset.json"))
    note = json.loads(system.cat_file(path))
    found = (note["vocabulary"], note["unknown"], note["max_length"])
    wanted = (
        vocabulary_fingerprint(artifact.vocabulary["stem"].to_pylist()),
        artifact.unknown,
        artifact.max_length,
    )
    if found != wanted:
        raise InputFault(
            f"dataset/ was numbered by (vocabulary, unknown, max_length) {found}, the model {artifact.fingerprint} by "
            f"{wanted}: run `train` again, or `prepare` as it was when the model was trained"
        )


def _network_probabilities(valid: DataFrame, artifact: Artifact) -> DataFrame:
    probability = scoring_udf(valid.sparkSession, artifact)
    return valid.select("label", probability(F.col("stems")).alias("probability"))


def _measure(rows: DataFrame) -> Metrics:
    collected = rows.toPandas()
    return measure(collected["probability"].to_numpy(), collected["label"].to_numpy())


def _table(measured: dict[str, Metrics]) -> str:
    lines = [f"{'on the validation rows':<30} accuracy  macro F1    AUC  log loss"]
    lines += [
        f"{name:<30} {metrics.accuracy:>8.1%} {metrics.macro_f1:>9.3f} {metrics.auc:>6.3f} {metrics.log_loss:>9.3f}"
        for name, metrics in measured.items()
    ]
    return "\n".join(lines)

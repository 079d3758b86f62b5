"""evaluate: the latest network beside the current one and linear models, on the same held-out rows."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.dataset.metadata import DatasetMetadata, read_metadata
from tonality.model.evaluation.baselines import choose_strength, logistic_regression, naive_bayes
from tonality.model.evaluation.features import Terms, with_features
from tonality.model.evaluation.format_table import as_markdown, as_text
from tonality.model.evaluation.paired_difference import Difference, differences
from tonality.model.evaluation.plots import draw_png
from tonality.model.evaluation.results import EvaluationResult, evaluate_predictions
from tonality.model.inference.spark_udf import packed_model_for, scoring_udf
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings
from tonality.runtime.storage import tables
from tonality.runtime.storage.json_files import to_json
from tonality.runtime.storage.schema import DATASET
from tonality.runtime.storage.transaction import recover
from tonality.runtime.storage.urls import join, write_files
from tonality.text.token_ids import vocabulary_fingerprint

NETWORK: Final = "LSTM network"
CURRENT: Final = "current LSTM network"
_NO_OPINION: Final = 0.5
"""Of a tweet none of whose stems a model knows, where it leaves unknown ones out."""


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Measure the latest network and every rival on dataset/split=valid, and write evaluation/."""
    root, registry = settings.paths.root, ModelRegistry(settings.paths.root)
    artifact = registry.read(registry.candidate())
    recover(spark, root, record.id)
    train = tables.read(spark, root, "dataset/split=train", DATASET).select("stems", "label")
    valid = tables.read(spark, root, "dataset/split=valid", DATASET).select("stems", "label")
    note = read_metadata(root)
    _refuse_another_dataset(note, artifact)
    networks = {NETWORK: artifact, **_current(registry, note, artifact)}
    rows = _probabilities(valid, networks, settings)
    labels = rows["label"].to_numpy()
    models = {name: evaluate_predictions(rows[name].to_numpy(), labels) for name in networks}
    models.update(_linear(train, valid, note.stems))
    rivals = _rivals(networks, rows, note)
    files = _files(models, networks, rivals)
    write_files(join(root, "evaluation"), files)
    record.add(
        model=artifact.fingerprint,
        rivals=rivals,
        models={name: model.content() for name, model in models.items()},
        reads={"dataset": {"rows": sum(side.rows for side in note.rows.values())}},
        writes={"evaluation": {"files": len(files)}},
        counts={"models": len(models), "rows": models[NETWORK].metrics.rows},
    )
    return as_text(models)


def _current(registry: ModelRegistry, note: DatasetMetadata, latest: Artifact) -> dict[str, Artifact]:
    """The current network under its name, unless it is the latest, or reads tweets that were cut by other rules."""
    current = registry.production_if_any()
    if current is None or current == latest.fingerprint:
        return {}
    artifact = registry.read(current)
    return {CURRENT: artifact} if artifact.rules_fingerprint == note.rules_fingerprint else {}


def _rivals(networks: Mapping[str, Artifact], rows: pd.DataFrame, note: DatasetMetadata) -> list[dict[str, Any]]:
    """How the latest network differs from each of the others, and whether that one learned from the same side."""
    latest, *others = networks
    return [
        {
            "model": networks[other].fingerprint,
            "learned_from_other_split": networks[other].metrics.get("split") != note.split,
            "differences": {
                measure: asdict(difference) for measure, difference in _differences(rows, latest, other).items()
            },
        }
        for other in others
    ]


def _differences(rows: pd.DataFrame, one: str, other: str) -> dict[str, Difference]:
    return differences(rows[one].to_numpy(), rows[other].to_numpy(), rows["label"].to_numpy())


def _refuse_another_dataset(note: DatasetMetadata, artifact: Artifact) -> None:
    """A model made from another dataset may have learned from what is held out here."""
    vocabulary = vocabulary_fingerprint(artifact.vocabulary["stem"].to_pylist())
    expected = (vocabulary, artifact.unknown, artifact.max_length)
    if note.encoding != expected:
        raise InputError(
            f"dataset/ was numbered by (vocabulary, unknown, max_length) {note.encoding}, the model "
            f"{artifact.fingerprint} by {expected}: run `train` again, or `prepare` with the settings of the model"
        )
    if (learned := artifact.metrics.get("rows")) != note.counts:
        raise InputError(
            f"dataset/ is split into {note.counts}, the model {artifact.fingerprint} was trained on {learned}: it may "
            "have learned from what is held out now. Run `train` again"
        )


def _probabilities(valid: DataFrame, networks: Mapping[str, Artifact], settings: Settings) -> pd.DataFrame:
    """The labels and each network's probabilities, a row a tweet, made in one pass so that they stand side by side."""
    score, spark = settings.score, valid.sparkSession
    columns = []
    for name, artifact in networks.items():
        probability = scoring_udf(
            spark, packed_model_for(spark, artifact, score.precision, score.device), score.batch_rows
        )
        columns.append(F.coalesce(probability(F.col("stems")), F.lit(_NO_OPINION)).alias(name))
    return valid.select("label", *columns).toPandas()


def _linear(train: DataFrame, valid: DataFrame, stems: int) -> Iterator[tuple[str, EvaluationResult]]:
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


def _measure(rows: DataFrame, chosen: Mapping[str, float] | None = None) -> EvaluationResult:
    collected = rows.toPandas()
    return evaluate_predictions(collected["probability"].to_numpy(), collected["label"].to_numpy(), chosen)


def _files(
    models: Mapping[str, EvaluationResult], networks: Mapping[str, Artifact], rivals: list[dict[str, Any]]
) -> dict[str, bytes]:
    rows = models[NETWORK].metrics.rows
    positive = models[NETWORK].confusion.true_positive + models[NETWORK].confusion.false_negative
    content = {
        "model": networks[NETWORK].fingerprint,
        "networks": {artifact.fingerprint: name for name, artifact in networks.items()},
        "rivals": rivals,
        "rows": rows,
        "positive": positive,
        "models": {name: model.content() for name, model in models.items()},
    }
    return {
        "evaluation.json": to_json(content).encode(),
        "evaluation.md": as_markdown(models, rows, positive).encode(),
        "evaluation.png": draw_png(models, f"{NETWORK} and linear models on {rows:,} held-out tweets"),
    }

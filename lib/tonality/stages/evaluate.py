"""evaluate: the candidate, the production model and linear models on the same held-out rows."""

import logging
from collections.abc import Iterator, Mapping
from typing import Final

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.dataset.metadata import DatasetMetadata, read_metadata
from tonality.model.evaluation.baselines import choose_inverse_penalty, logistic_regression, naive_bayes
from tonality.model.evaluation.evaluation_file import EVALUATION_FILE, Evaluation, ModelMetrics, Rival
from tonality.model.evaluation.features import Terms, with_features
from tonality.model.evaluation.format_table import as_markdown, as_text
from tonality.model.evaluation.paired_difference import differences
from tonality.model.evaluation.plots import draw_png
from tonality.model.evaluation.results import EvaluationResult, evaluate_predictions
from tonality.model.inference.spark_udf import packed_model_for, scoring_udf
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings
from tonality.runtime.storage import tables
from tonality.runtime.storage.atomic_files import write_files
from tonality.runtime.storage.schema import DATASET
from tonality.runtime.storage.transaction import recover
from tonality.runtime.storage.urls import join
from tonality.text.token_ids import vocabulary_fingerprint

_LOG: Final = logging.getLogger(__name__)

_CANDIDATE: Final = "LSTM network"
_PRODUCTION: Final = "current LSTM network"
"""Names of the networks in evaluation/."""
_NO_OPINION: Final = 0.5
"""The probability of a tweet without known stems, for a model that drops unknown ones."""


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Evaluate the candidate and its rivals on dataset/split=valid and write evaluation/."""
    root, registry = settings.paths.root, ModelRegistry(settings.paths.root)
    artifact = registry.read(registry.candidate())
    recover(spark, root, record.id)
    train = tables.read(spark, root, "dataset/split=train", DATASET).select("stems", "label")
    valid = tables.read(spark, root, "dataset/split=valid", DATASET).select("stems", "label")
    dataset = read_metadata(root)
    _refuse_another_dataset(dataset, artifact)
    networks = {_CANDIDATE: artifact, **_production(registry, dataset, artifact)}
    _LOG.info("predicting the held-out rows")
    rows = _probabilities(valid, networks, settings)
    labels = rows["label"].to_numpy()
    models = {name: evaluate_predictions(rows[name].to_numpy(), labels) for name in networks}
    models.update(_linear(train, valid, dataset.stems))
    rivals = _rivals(networks, rows, dataset)
    files = _files(models, networks, rivals)
    write_files(join(root, "evaluation"), files)
    record.add(
        model=artifact.fingerprint,
        rivals=[rival.model_dump() for rival in rivals],
        models={name: model.content() for name, model in models.items()},
        reads={"dataset": {"rows": sum(split.rows for split in dataset.rows.values())}},
        writes={"evaluation": {"files": len(files)}},
        counts={"models": len(models), "rows": models[_CANDIDATE].metrics.rows},
    )
    return as_text(models)


def _production(registry: ModelRegistry, dataset: DatasetMetadata, candidate: Artifact) -> dict[str, Artifact]:
    """The production model by name, unless it is the candidate or was trained with other text rules."""
    production = registry.production_if_any()
    if production is None or production == candidate.fingerprint:
        return {}
    artifact = registry.read(production)
    return {_PRODUCTION: artifact} if artifact.rules_fingerprint == dataset.rules_fingerprint else {}


def _rivals(networks: Mapping[str, Artifact], rows: pd.DataFrame, dataset: DatasetMetadata) -> list[Rival]:
    """The paired differences between the candidate and each other network."""
    candidate, *others = networks
    labels = rows["label"].to_numpy()
    return [
        Rival(
            model=networks[other].fingerprint,
            learned_from_other_split=networks[other].metrics.get("split") != dataset.split,
            differences=differences(rows[candidate].to_numpy(), rows[other].to_numpy(), labels),
        )
        for other in others
    ]


def _refuse_another_dataset(dataset: DatasetMetadata, artifact: Artifact) -> None:
    """Raise InputError if the model was trained on another dataset: it may have learned from rows held out here."""
    vocabulary = vocabulary_fingerprint(artifact.vocabulary["stem"].to_pylist())
    expected = (vocabulary, artifact.unknown, artifact.max_length)
    if dataset.encoding != expected:
        raise InputError(
            f"dataset/ was encoded with (vocabulary, unknown, max_length) {dataset.encoding}, but the model "
            f"{artifact.fingerprint} with {expected}: run `train` again, or `prepare` with the settings of the model"
        )
    if (trained_on := artifact.metrics.get("rows")) != dataset.counts:
        raise InputError(
            f"dataset/ is split into {dataset.counts}, but the model {artifact.fingerprint} was trained on "
            f"{trained_on}: it may have learned from rows that are held out now. Run `train` again"
        )


def _probabilities(valid: DataFrame, networks: Mapping[str, Artifact], settings: Settings) -> pd.DataFrame:
    """The labels and each network's probabilities, one row per tweet, computed in one pass to keep the rows aligned."""
    score, spark = settings.score, valid.sparkSession
    columns = []
    for name, artifact in networks.items():
        probability = scoring_udf(
            spark, packed_model_for(spark, artifact, score.precision, score.device), score.batch_rows
        )
        columns.append(F.coalesce(probability(F.col("stems")), F.lit(_NO_OPINION)).alias(name))
    return valid.select("label", *columns).toPandas()


def _linear(train: DataFrame, valid: DataFrame, stems: int) -> Iterator[tuple[str, EvaluationResult]]:
    """Logistic regression, as in the 2016 study, and naive Bayes, each with its own features."""
    for name, terms in (("stems", Terms(stems)), ("stems + bigrams", Terms(stems, bigrams=True))):
        _LOG.info(f"training linear models on {name}")
        train_features, valid_features = with_features(train, valid, terms)
        train_features.persist()
        inverse_penalty = choose_inverse_penalty(train_features)
        regression = logistic_regression(train_features, valid_features, inverse_penalty)
        yield f"tf-idf + logistic regression, {name}", _evaluate(regression, {"C": inverse_penalty})
        if not terms.bigrams:
            bayes = _evaluate(naive_bayes(train_features, valid_features))
        train_features.unpersist()
    yield "multinomial naive Bayes, stems", bayes


def _evaluate(rows: DataFrame, chosen_settings: Mapping[str, float] | None = None) -> EvaluationResult:
    collected = rows.toPandas()
    return evaluate_predictions(collected["probability"].to_numpy(), collected["label"].to_numpy(), chosen_settings)


def _files(
    models: Mapping[str, EvaluationResult], networks: Mapping[str, Artifact], rivals: list[Rival]
) -> dict[str, bytes]:
    confusion, rows = models[_CANDIDATE].confusion, models[_CANDIDATE].metrics.rows
    evaluation = Evaluation(
        model=networks[_CANDIDATE].fingerprint,
        networks={artifact.fingerprint: name for name, artifact in networks.items()},
        rivals=rivals,
        rows=rows,
        positive=confusion.true_positive + confusion.false_negative,
        models={name: ModelMetrics.model_validate(model.content()) for name, model in models.items()},
    )
    return {
        EVALUATION_FILE: evaluation.to_json().encode(),
        "evaluation.md": as_markdown(models, rows, evaluation.positive).encode(),
        "evaluation.png": draw_png(models, f"{_CANDIDATE} and linear models on {rows:,} held-out tweets"),
    }

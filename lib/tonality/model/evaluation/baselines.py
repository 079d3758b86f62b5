"""The models that the network must beat: tf-idf with logistic regression, and multinomial naive Bayes (Spark ML)."""

from functools import cache
from typing import Any, Final

from pyspark.ml.classification import LogisticRegression, LogisticRegressionModel, NaiveBayes, NaiveBayesModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["choose_strength", "logistic_regression", "naive_bayes"]

_LOG_LOSS: Final[Any] = "logLoss"
"""A name that pyspark's stubs leave out."""
_TUNING_PARTS: Final = 5
"""One part in so many of the training side is held back to choose the penalty by."""
_TOLERANCE: Final = 1e-4
_FIRST: Final = 2.0
_WEAKEST: Final = 1 / 64
_STRONGEST: Final = 256.0


def naive_bayes(train: DataFrame, valid: DataFrame) -> DataFrame:
    """`label` and `probability` of the validation rows, by multinomial naive Bayes on `counts`, one added."""
    return _probabilities(NaiveBayes(featuresCol="counts", smoothing=1.0).fit(train), valid)


def logistic_regression(train: DataFrame, valid: DataFrame, strength: float) -> DataFrame:
    """`label` and `probability` of the validation rows, by logistic regression on `tfidf`.

    strength: the inverse of the penalty, as scikit-learn's C: the sum of the rows' losses counts so many times as much
    as half the squared length of the coefficients.
    """
    return _probabilities(_fit(train, strength), valid)


def choose_strength(train: DataFrame) -> float:
    """The strength of least log loss on a fifth of the training side, fitted on the rest of it.

    Doubled or halved from 2 on for as long as that helps, the loss being taken to have one valley. Equal texts are in
    one part; the features are those of the whole side. A side too small to be parted has 2.
    """
    part = F.pmod(F.xxhash64(F.lit("penalty"), "stems"), F.lit(_TUNING_PARTS))
    rest, held = train.where(part != 0).persist(), train.where(part == 0).persist()
    evaluator = MulticlassClassificationEvaluator(metricName=_LOG_LOSS)

    @cache
    def loss(strength: float) -> float:
        return evaluator.evaluate(_fit(rest, strength).transform(held))

    chosen = _FIRST
    parted = rest.select("label").distinct().count() == 2 and not held.isEmpty()
    for factor in (2.0, 0.5) if parted else ():
        while _WEAKEST <= chosen * factor <= _STRONGEST and loss(chosen * factor) < loss(chosen):
            chosen *= factor
    rest.unpersist()
    held.unpersist()
    return chosen


def _fit(train: DataFrame, strength: float) -> LogisticRegressionModel:
    """Spark's penalty is of the mean loss, so that it has to be divided by the rows."""
    penalty = 1 / (strength * train.count())
    regression = LogisticRegression(featuresCol="tfidf", regParam=penalty, standardization=False, tol=_TOLERANCE)
    model: LogisticRegressionModel = regression.fit(train)
    return model


def _probabilities(model: LogisticRegressionModel | NaiveBayesModel, valid: DataFrame) -> DataFrame:
    positive = vector_to_array(F.col("probability")).getItem(1)
    return model.transform(valid).select("label", positive.cast("float").alias("probability"))

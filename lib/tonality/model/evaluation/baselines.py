"""Baselines for the network: tf-idf with logistic regression, and multinomial naive Bayes (Spark ML)."""

from functools import cache
from typing import Any, Final

from pyspark.ml.classification import LogisticRegression, LogisticRegressionModel, NaiveBayes, NaiveBayesModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["choose_inverse_penalty", "logistic_regression", "naive_bayes"]

_LOG_LOSS: Final[Any] = "logLoss"
"""Missing from pyspark's type stubs."""
_TUNING_PARTS: Final = 5
"""One part in this many of the training split is held out to choose the penalty."""
_TOLERANCE: Final = 1e-4
_INITIAL: Final = 2.0
_MIN: Final = 1 / 64
_MAX: Final = 256.0


def naive_bayes(train: DataFrame, valid: DataFrame) -> DataFrame:
    """`label` and `probability` of the validation rows, by naive Bayes on `counts` with add-one smoothing."""
    return _probabilities(NaiveBayes(featuresCol="counts", smoothing=1.0).fit(train), valid)


def logistic_regression(train: DataFrame, valid: DataFrame, inverse_penalty: float) -> DataFrame:
    """`label` and `probability` of the validation rows, by logistic regression on `tfidf`.

    inverse_penalty: scikit-learn's C, the weight of the summed loss of the rows relative to half the squared L2 norm
    of the coefficients.
    """
    return _probabilities(_fit(train, inverse_penalty), valid)


def choose_inverse_penalty(train: DataFrame) -> float:
    """The inverse penalty with the least log loss on a fifth of the training split, when fitted on the rest.

    Starting at 2, it is doubled or halved as long as the loss falls, which assumes a single minimum. Equal texts are in
    the same part; the features are those of the whole split. A split too small to divide gets 2.
    """
    part = F.pmod(F.xxhash64(F.lit("penalty"), "stems"), F.lit(_TUNING_PARTS))
    fitted, held_out = train.where(part != 0).persist(), train.where(part == 0).persist()
    evaluator = MulticlassClassificationEvaluator(metricName=_LOG_LOSS)

    @cache
    def loss(inverse_penalty: float) -> float:
        return evaluator.evaluate(_fit(fitted, inverse_penalty).transform(held_out))

    chosen = _INITIAL
    divisible = fitted.select("label").distinct().count() == 2 and not held_out.isEmpty()
    for factor in (2.0, 0.5) if divisible else ():
        while _MIN <= chosen * factor <= _MAX and loss(chosen * factor) < loss(chosen):
            chosen *= factor
    fitted.unpersist()
    held_out.unpersist()
    return chosen


def _fit(train: DataFrame, inverse_penalty: float) -> LogisticRegressionModel:
    # Spark penalises the mean loss, hence the division by the number of rows.
    penalty = 1 / (inverse_penalty * train.count())
    regression = LogisticRegression(featuresCol="tfidf", regParam=penalty, standardization=False, tol=_TOLERANCE)
    model: LogisticRegressionModel = regression.fit(train)
    return model


def _probabilities(model: LogisticRegressionModel | NaiveBayesModel, valid: DataFrame) -> DataFrame:
    positive = vector_to_array(F.col("probability")).getItem(1)
    return model.transform(valid).select("label", positive.cast("float").alias("probability"))

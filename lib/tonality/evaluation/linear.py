"""The baseline of the 2016 study: tf-idf and logistic regression on stems (Spark ML)."""

from typing import Any, Final

from pyspark.ml import Estimator, Pipeline, Transformer
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import IDF, CountVectorizer, Normalizer, RegexTokenizer
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["linear_probabilities"]

_ITERATIONS: Final = 200


def linear_probabilities(train: DataFrame, valid: DataFrame, vocabulary: int) -> DataFrame:
    """`label` and `probability` of the validation rows, by a model fitted on the training rows' `stems` and `label`.

    Tf-idf of at most `vocabulary` stems, with Spark's idf, ln((n + 1) / (df + 1)), each tweet scaled to length 1; the
    penalty is scikit-learn's default, C = 1, which is one over the number of rows in Spark's terms.
    """
    rows = train.count()
    features: list[Transformer | Estimator[Any]] = [
        RegexTokenizer(inputCol="stems", outputCol="words", pattern=" ", toLowercase=False),
        CountVectorizer(inputCol="words", outputCol="counts", vocabSize=vocabulary),
        IDF(inputCol="counts", outputCol="weighted"),
        Normalizer(inputCol="weighted", outputCol="features"),
    ]
    classifier = LogisticRegression(maxIter=_ITERATIONS, regParam=1 / rows, standardization=False)
    fitted = Pipeline(stages=[*features, classifier]).fit(train)
    positive = vector_to_array(F.col("probability")).getItem(1)
    return fitted.transform(valid).select("label", positive.cast("float").alias("probability"))

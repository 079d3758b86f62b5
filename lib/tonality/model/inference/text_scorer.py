"""Scoring of texts without Spark, by a model and the text rules it was trained with."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import Stemmer
from pydantic import ValidationError

from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.scorer import Scorer
from tonality.model.network.lstm_inference import Precision
from tonality.model.registry.artifact import CONFIG, Artifact
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.json_files import first_error
from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, NONE, POSITIVE
from tonality.text.preprocess import TextPreprocessor
from tonality.text.rules import Rules
from tonality.text.tweet_markup import unescape_html

__all__ = ["TextScorer", "tones"]


class TextScorer:
    """Scores texts on the CPU, exactly as `clean` and `score` would score tweets with these texts.

    Raises InputError if the model's text rules cannot be applied here.
    """

    def __init__(self, artifact: Artifact, precision: Precision = "float32") -> None:
        self._preprocessor = TextPreprocessor(_rules(artifact))
        self._scorer = Scorer(PackedModel.of(artifact, precision))
        self.model = artifact.fingerprint
        """The model's short name."""

    def probabilities(self, texts: Iterable[str | None]) -> pa.FloatArray:
        """The probability that each text is positive; null if the model knows none of its stems."""
        unescaped = [None if text is None else unescape_html(text) for text in texts]
        return self._scorer.probabilities(self._preprocessor.stem_array(pa.array(unescaped, pa.string())))


def tones(probabilities: pa.FloatArray, positive: float, negative: float) -> pa.StringArray:
    """The tone of each probability, by the rule of `tonality.model.inference.tone.tone`."""
    at_least = pc.greater_equal(probabilities, pa.scalar(positive, pa.float32()))
    at_most = pc.less_equal(probabilities, pa.scalar(negative, pa.float32()))
    return pc.if_else(at_least, POSITIVE, pc.if_else(at_most, NEGATIVE, NEUTRAL)).fill_null(NONE)


def _rules(artifact: Artifact) -> Rules:
    """The text rules that the model was trained with."""
    try:
        rules = Rules.model_validate(dict(artifact.rules))
    except ValidationError as error:
        raise InputError(f"{CONFIG}: rules: {first_error(error)}; copy the model again, or train again") from error
    if rules.fingerprint != artifact.rules_fingerprint:
        raise InputError(
            f"{CONFIG}: the model's text rules were {artifact.rules_fingerprint}, here they are {rules.fingerprint}: "
            f"texts would be preprocessed differently (PyStemmer's Snowball is {Stemmer.version()} here). Install the "
            f"versions of Tonality and PyStemmer that the model was trained with, or run `prepare` and `train` again"
        )
    return rules

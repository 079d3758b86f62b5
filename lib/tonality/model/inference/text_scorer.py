"""Texts to probabilities, by a model and the text rules that it carries."""

from collections.abc import Iterable

import pyarrow as pa
import Stemmer
from pydantic import ValidationError

from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.scorer import Scorer
from tonality.model.network.tiled_lstm import Precision
from tonality.model.registry.artifact import CONFIG, Artifact
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.json_files import first_error
from tonality.text.html_entities import unescaped
from tonality.text.preprocess import TextPreprocessor
from tonality.text.rules import Rules

__all__ = ["TextScorer"]


class TextScorer:
    """Scores texts with one model, on a processor, each as `clean` and `score` would score a tweet of that text.

    Raises InputError where the model's text rules cannot be followed here.
    """

    def __init__(self, artifact: Artifact, precision: Precision = "float32") -> None:
        self._cleaner = TextPreprocessor(_rules(artifact))
        self._scorer = Scorer(PackedModel.of(artifact, precision))
        self.model = artifact.fingerprint
        """The model's short name."""

    def probabilities(self, texts: Iterable[str | None]) -> pa.FloatArray:
        """The probability that each text is positive; null where it has no stem that the model knows."""
        whole = [None if text is None else unescaped(text) for text in texts]
        return self._scorer.probabilities(self._cleaner.stem_array(pa.array(whole, pa.string())))


def _rules(artifact: Artifact) -> Rules:
    """The rules that cut what the model was trained on."""
    try:
        rules = Rules.model_validate(dict(artifact.rules))
    except ValidationError as error:
        raise InputError(f"{CONFIG}: rules: {first_error(error)}; copy the model again, or train again") from error
    if rules.fingerprint != artifact.rules_fingerprint:
        raise InputError(
            f"{CONFIG}: the model's text rules were {artifact.rules_fingerprint}, here they are {rules.fingerprint}: "
            f"texts would be cut in another way (PyStemmer's Snowball is {Stemmer.version()} here). Install the "
            f"versions of Tonality and PyStemmer that the model was trained with, or run `prepare` and `train` again"
        )
    return rules

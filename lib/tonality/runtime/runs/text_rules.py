"""Refusal of tables whose stems were cut by other text rules than those asked for."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import text_settings

__all__ = ["refuse_other_rules"]


def refuse_other_rules(
    frame: DataFrame, root: str, table: str, rules: Mapping[str, object], fingerprint: str, remedy: str
) -> None:
    """Raise InputError where rows of the table were cut by other text rules than these, both in words.

    What the rows were cut by stands in the record of the run that wrote them.
    """
    others = frame.where(~F.col("rules").eqNullSafe(fingerprint)).groupBy("rules").agg(F.max("run").alias("run"))
    found = [(row.rules, text_settings(root, row.run)) for row in others.orderBy("run").limit(3).collect()]
    if not found:
        return
    expected = {"language": rules["name"], "links": rules["links"], "mentions": rules["mentions"]}
    same = any(text == expected for _, text in found)
    raise InputError(
        f"{table}/ was cut by other text rules: found {'; '.join(_in_words(*other) for other in found)}; "
        f"expected {_in_words(fingerprint, expected)}. "
        f"{'The settings agree, so the language file or the stemmer has changed since. ' if same else ''}{remedy}"
    )


def _in_words(fingerprint: str, text: Mapping[str, object] | None) -> str:
    """The rules as the settings name them; the fingerprint alone where the record of the run is gone."""
    if not text:
        return f"rules {fingerprint}, of a run whose record is gone"
    return ", ".join(f"text.{name} = {value}" for name, value in text.items()) + f" ({fingerprint})"

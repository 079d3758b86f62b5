"""A check that a table's stems were made with the text rules of the settings."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import text_settings

__all__ = ["refuse_other_rules"]


def refuse_other_rules(
    frame: DataFrame, root: str, table: str, rules: Mapping[str, object], fingerprint: str, remedy: str
) -> None:
    """Raise InputError if rows of the table were made with other text rules, describing both.

    The rules of the rows are those in the record of the run that wrote them.
    """
    others = frame.where(~F.col("rules").eqNullSafe(fingerprint)).groupBy("rules").agg(F.max("run").alias("run"))
    found = [(row.rules, text_settings(root, row.run)) for row in others.orderBy("run").limit(3).collect()]
    if not found:
        return
    expected = {"language": rules["name"], "links": rules["links"], "mentions": rules["mentions"]}
    same = any(text == expected for _, text in found)
    raise InputError(
        f"{table}/ was written with other text rules: found {'; '.join(_describe(*other) for other in found)}; "
        f"expected {_describe(fingerprint, expected)}. "
        f"{'The settings agree, so the language file or the stemmer has changed since. ' if same else ''}{remedy}"
    )


def _describe(fingerprint: str, text: Mapping[str, object] | None) -> str:
    """The rules as settings with their fingerprint; the fingerprint only if the run's record is missing."""
    if not text:
        return f"rules {fingerprint}, of a run whose record is missing"
    return ", ".join(f"text.{name} = {value}" for name, value in text.items()) + f" ({fingerprint})"

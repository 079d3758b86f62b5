"""Removal of erased tweets from rejects: broken records are searched for ids, names and texts in any form."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.privacy.digests import SaltedDigests
from tonality.privacy.erasure.match_rows import LOCATED_DIGESTS, LOCATION
from tonality.text.tweet_markup import unescape_html

__all__ = ["find_rejects", "scrub_rejects"]

_WORD: Final = re.compile(r"\w+")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.|"")*"?')
"""A JSON string or a quoted CSV field, complete or cut off."""
_FIELD: Final = re.compile(r"[^,;\t|\r\n]+")
_MAX_DIGITS: Final = 19

_Batches = Iterator[pa.RecordBatch]


def find_rejects(rejects: DataFrame, digests: DataFrame, salt: str) -> DataFrame:
    """Return the locations of rejects whose `raw` or `detail` contains a value with one of the digests (`mark`)."""
    contents = rejects.where((F.length("raw") > 0) | (F.length("detail") > 0)).select(*LOCATION, "raw", "detail")
    candidates = contents.mapInArrow(_content_digester(salt), LOCATED_DIGESTS)
    return candidates.join(digests.select("mark"), on="mark", how="left_semi").select(*LOCATION).distinct()


def scrub_rejects(rejects: DataFrame, locations: DataFrame) -> DataFrame:
    """Empty `raw` and `detail` of the rejects at the locations; their reason and position remain."""
    matches = F.col("matches").isNotNull()
    return (
        rejects.join(locations.withColumn("matches", F.lit(True)), on=LOCATION, how="left")
        .withColumn("raw", _unless(matches, "raw", F.lit(b"")))
        .withColumn("detail", _unless(matches, "detail", F.lit("")))
    )


def _unless(condition: Column, name: str, otherwise: Column) -> Column:
    return F.when(condition, otherwise).otherwise(F.col(name))


def _content_digester(salt: str) -> Callable[[_Batches], _Batches]:
    def digest(batches: _Batches) -> _Batches:
        digests = SaltedDigests(bytes.fromhex(salt))
        for batch in batches:
            contents = zip(batch["raw"].to_pylist(), batch["detail"].to_pylist(), strict=True)
            found = [
                (index, value)
                for index, (raw, detail) in enumerate(contents)
                for value in _digests(f"{(raw or b'').decode('utf-8', 'replace')}\n{detail or ''}", digests)
            ]
            indices = pa.array([index for index, _ in found], pa.int64())
            columns = [batch[name].take(indices) for name in LOCATION]
            yield pa.RecordBatch.from_arrays(
                [*columns, pa.array([value for _, value in found], pa.binary())], names=[*LOCATION, "mark"]
            )

    return digest


def _digests(content: str, digests: SaltedDigests) -> set[bytes]:
    """Digest every value that a record may contain, in case it is an id, a name or a text.

    Words count as ids and names; strings and fields count as names and texts, both as they are and, as in the tables,
    with their character references replaced.
    """
    found: set[bytes] = set()
    values = {*_strings(content), *_fields(content), *_fields(unescape_html(content))}
    words = set(_WORD.findall(content))
    for value in values.union(map(unescape_html, values)):
        found |= {digests.author(value), digests.text(value)}
        words.update(_WORD.findall(value))
    for word in words:
        found.add(digests.author(word))
        if word.isascii() and word.isdigit() and len(word) <= _MAX_DIGITS:
            found.add(digests.tweet(int(word)))
    return found


def _fields(content: str) -> Iterator[str]:
    return (field.strip() for field in _FIELD.findall(content))


def _strings(content: str) -> Iterator[str]:
    """Return the quoted strings, decoded both as CSV and as JSON."""
    for quoted in _QUOTED.findall(content):
        inside = quoted[1:].removesuffix('"')
        yield inside.replace('""', '"')
        with suppress(ValueError):
            yield json.loads(f'"{inside}"')

"""Rejects that show what was forgotten: broken records are searched for ids, names and texts, whatever their form."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.privacy.digests import SaltedDigests
from tonality.privacy.erasure.match_rows import PLACE
from tonality.text.html_entities import unescaped

__all__ = ["emptied", "showing"]

_WORD: Final = re.compile(r"\w+")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.|"")*"?')
"""A string of JSON or a quoted field of CSV; one that is cut off, too."""
_FIELD: Final = re.compile(r"[^,;\t|\r\n]+")
_LONGEST_NUMBER: Final = 19

_Batches = Iterator[pa.RecordBatch]


def showing(rejects: DataFrame, forgotten: DataFrame, salt: str) -> DataFrame:
    """The places of located rejects whose `raw` or `detail` holds something of one of the `mark`s of `forgotten`."""
    said = rejects.where((F.length("raw") > 0) | (F.length("detail") > 0)).select(*PLACE, "raw", "detail")
    digests = said.mapInArrow(_searcher(salt), "part string, name string, row long, mark binary")
    return digests.join(forgotten.select("mark"), on="mark", how="left_semi").select(*PLACE).distinct()


def emptied(rejects: DataFrame, places: DataFrame) -> DataFrame:
    """The located rejects, those at the places without what they say: their reason and their place stay."""
    shows = F.col("shows").isNotNull()
    return (
        rejects.join(places.withColumn("shows", F.lit(True)), on=PLACE, how="left")
        .withColumn("raw", _unless(shows, "raw", F.lit(b"")))
        .withColumn("detail", _unless(shows, "detail", F.lit("")))
    )


def _unless(condition: Column, name: str, otherwise: Column) -> Column:
    return F.when(condition, otherwise).otherwise(F.col(name))


def _searcher(salt: str) -> Callable[[_Batches], _Batches]:
    def search(batches: _Batches) -> _Batches:
        digests = SaltedDigests(bytes.fromhex(salt))
        for batch in batches:
            found = [
                (place, mark)
                for place, (raw, detail) in enumerate(
                    zip(batch["raw"].to_pylist(), batch["detail"].to_pylist(), strict=True)
                )
                for mark in _digests(f"{(raw or b'').decode('utf-8', 'replace')}\n{detail or ''}", digests)
            ]
            places = pa.array([place for place, _ in found], pa.int64())
            columns = [batch[name].take(places) for name in PLACE]
            yield pa.RecordBatch.from_arrays(
                [*columns, pa.array([mark for _, mark in found], pa.binary())], names=[*PLACE, "mark"]
            )

    return search


def _digests(content: str, digests: SaltedDigests) -> set[bytes]:
    """The digests of all that a record may say: words as ids and names, strings and fields as names and texts, as they
    stand and as the tables have them, with their character references read.
    """
    found: set[bytes] = set()
    said = {*_strings(content), *_fields(content), *_fields(unescaped(content))}
    words = set(_WORD.findall(content))
    for whole in said.union(map(unescaped, said)):
        found |= {digests.author(whole), digests.text(whole)}
        words.update(_WORD.findall(whole))
    for word in words:
        found.add(digests.author(word))
        if word.isascii() and word.isdigit() and len(word) <= _LONGEST_NUMBER:
            found.add(digests.tweet(int(word)))
    return found


def _fields(content: str) -> Iterator[str]:
    return (field.strip() for field in _FIELD.findall(content))


def _strings(content: str) -> Iterator[str]:
    """What stands in quotes, as JSON means it and as CSV does."""
    for quoted in _QUOTED.findall(content):
        inside = quoted[1:].removesuffix('"')
        yield inside.replace('""', '"')
        with suppress(ValueError):
            yield json.loads(f'"{inside}"')

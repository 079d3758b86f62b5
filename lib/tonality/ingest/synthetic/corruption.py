"""Corrupt lines, as damaged by disks, networks and faulty programs."""

from collections.abc import Callable
from typing import Any, Final

import orjson

__all__ = ["CORRUPTIONS"]


def _truncated(status: dict[str, Any]) -> bytes:
    line = orjson.dumps(status)
    return line[: len(line) * 2 // 3]


def _invalid_utf8(status: dict[str, Any]) -> bytes:
    return orjson.dumps({**status, "text": "?broken?"}).replace(b"?broken?", b"\xd0\xff\xfe\xd1")


def _without_id(status: dict[str, Any]) -> bytes:
    return _without(status, "id", "id_str")


def _without_text(status: dict[str, Any]) -> bytes:
    return _without(status, "text", "full_text", "extended_tweet")


def _impossible_date(status: dict[str, Any]) -> bytes:
    return orjson.dumps({**status, "created_at": "Thu Dec 32 25:61:00 +0000 2015"})


def _not_an_object(status: dict[str, Any]) -> bytes:
    return orjson.dumps([status["id"], "status"])


def _null_byte(status: dict[str, Any]) -> bytes:
    line = orjson.dumps(status)
    return line[:40] + b"\x00" + line[40:]


def _without(status: dict[str, Any], *fields: str) -> bytes:
    return orjson.dumps({name: value for name, value in status.items() if name not in fields})


CORRUPTIONS: Final[tuple[Callable[[dict[str, Any]], bytes], ...]] = (
    _truncated,
    _invalid_utf8,
    _without_id,
    _without_text,
    _impossible_date,
    _not_an_object,
    _null_byte,
)
"""Functions that turn a status into a line that must be rejected."""

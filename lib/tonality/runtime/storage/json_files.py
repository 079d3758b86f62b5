"""JSON documents that people read too: indented, letters as they are, and null where a number is undefined."""

import json
import math
from typing import Any

from pydantic import ValidationError

__all__ = ["first_error", "to_json"]


def to_json(value: Any) -> str:
    """The value as JSON (RFC 8259), with a line break at its end. NaN, which JSON does not know, is null.

    What JSON has no form for, such as a path or a date, is written as its text.
    """
    return json.dumps(_defined(value), indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _defined(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _defined(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_defined(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def first_error(error: ValidationError) -> str:
    """The first thing that is wrong with a document that was read, with its place in it."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'as a whole'}: {first['msg']}"

"""JSON files that people read too: indented, letters as they are, null for undefined numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tonality.runtime.diagnostics.escaping import escaped

if TYPE_CHECKING:  # Python workers of Spark write no errors and do without pydantic
    from pydantic import ValidationError

__all__ = ["canonical_json", "first_error", "to_json"]


def to_json(value: Any, *, indent: int = 2, sort_keys: bool = False) -> str:
    """Return the value as JSON (RFC 8259), with a newline at the end.

    NaN and the infinities, which JSON cannot represent, become null. Values of other types, such as paths and dates,
    are written as their text. Control characters are escaped, those beyond ASCII too.
    """
    return escaped(_dump(value, indent, sort_keys))


def canonical_json(value: Any) -> bytes:
    """Return the value as JSON in the form on which fingerprints depend: nothing is escaped but what JSON requires."""
    return _dump(value, indent=1, sort_keys=True).encode("utf-8", "surrogatepass")


def _dump(value: Any, indent: int, sort_keys: bool) -> str:
    content = _finite(value)
    text = json.dumps(content, indent=indent, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False, default=str)
    return f"{text}\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def first_error(error: ValidationError) -> str:
    """The first validation error of a document, with its location in it."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'as a whole'}: {first['msg']}"

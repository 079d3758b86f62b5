"""What nobody but its owner may read, taken out of what is shown or kept: passwords and keys in URLs and options."""

import re
from typing import Any, Final, TypeVar

__all__ = ["redacted", "redacted_values"]

_Value = TypeVar("_Value")

_SHOWN: Final = "***"
_NAMES: Final = r"(?:secret|passwd|password|token|signature|credential|api[_-]?key|access[_-]?key)(?:[_.-]\w+|id)*"
_USER: Final = re.compile(
    r"\b([a-z][a-z0-9+.-]*://)"
    r"(?:[^\s/?#@'\"<>:]*:(?!\d{1,5}/)[^\s@'\"<>]*(?:@[^\s/@'\"<>]*)*(?=@)"  # key:secret, which may hold / ? # and @
    r"|(?<!abfs://)(?<!abfss://)(?<!wasb://)(?<!wasbs://)[^\s/?#@'\"<>:]+(?=@))",  # whose container stands there
    re.IGNORECASE,
)
_QUERY: Final = re.compile(rf"([?&;](?:[\w.-]*{_NAMES}|sig|sas|pwd|pass|key|auth)=)[^&;\s'\"<>#]+", re.IGNORECASE)
_OPTION: Final = re.compile(rf"(\b[\w.-]*{_NAMES}['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&{{}}()]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text with *** in the place of what stands before the @ of a URL, and of values that are named as secrets."""
    for pattern in (_USER, _QUERY, _OPTION):
        text = pattern.sub(rf"\g<1>{_SHOWN}", text)
    return text


def redacted_values(value: _Value) -> _Value:
    """A document of dicts and lists, each of its texts redacted."""
    found: Any = value
    if isinstance(found, str):
        found = redacted(found)
    elif isinstance(found, dict):
        found = {key: redacted_values(part) for key, part in found.items()}
    elif isinstance(found, list | tuple):
        found = [redacted_values(part) for part in found]
    return found  # type: ignore[no-any-return]

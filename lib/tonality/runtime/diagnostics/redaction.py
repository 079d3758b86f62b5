"""Redaction of secrets, passwords and keys in URLs and options, from everything that is shown or stored."""

import re
from typing import Any, Final, TypeVar

__all__ = ["redacted", "redacted_values"]

_Value = TypeVar("_Value")

_SHOWN: Final = "***"
_NAMES: Final = (
    r"[\w.-]{0,64}(?:secret|passwd|password|token|signature|credential|(?:api|access|account|private)[._-]?key|azure[.]sas)"
    r"(?:id)*(?:[_.-][\w.-]*)?"
)
_USER: Final = re.compile(
    r"\b([a-z][a-z0-9+.-]*://)"
    r"(?:[^\s/?#@'\"<>:]*:(?!\d{1,5}/)[^\s@'\"<>]*(?:@[^\s/@'\"<>]*)*(?=@)"  # key:secret, which may contain / ? # and @
    r"|(?<!abfs://)(?<!abfss://)(?<!wasb://)(?<!wasbs://)[^\s/?#@'\"<>:]+(?=@))",  # these have a container there
    re.IGNORECASE,
)
_S3_USER: Final = re.compile(r"\b(s3[an]?://)[^\s/?#@'\"<>:]*:[^\s@'\"<>]*(?:@[^\s/@'\"<>]*)*(?=@)", re.IGNORECASE)
"""Buckets have no port, so an apparent port is a secret that begins with digits."""
_QUERY: Final = re.compile(rf"([?&;](?:{_NAMES}|sig|sas|pwd|pass|key|auth)=)[^&;\s'\"<>#]+", re.IGNORECASE)
_OPTION: Final = re.compile(
    rf"(\b{_NAMES}['\"]?\s*[=:]\s*)(?:('{{3}}|\"{{3}}|['\"])(?:\\.|(?!\2).)*|[^\s'\",;&{{}}()]+)", re.IGNORECASE
)  # up to the closing quote, if quoted
_HEADER: Final = re.compile(
    r"(\bauthorization['\"]?\s*[=:]\s*['\"]?(?:basic|bearer|digest|negotiate|token|aws4-hmac-sha256)\s+"
    r"|\bbearer\s+(?=\S{16}))[^\s'\",;]+",
    re.IGNORECASE,
)
_NAME: Final = re.compile(_NAMES, re.IGNORECASE)


def redacted(text: str) -> str:
    """The text with *** in place of credentials in URLs and of values whose names mark them as secret."""
    for pattern in (_S3_USER, _USER, _QUERY, _OPTION, _HEADER):
        text = pattern.sub(lambda found: "".join(filter(None, found.groups())) + _SHOWN, text)
    return text


def redacted_values(value: _Value) -> _Value:
    """A document of dicts and lists with all texts redacted, and with *** for values under a secret's name."""
    found: Any = value
    if isinstance(found, str):
        found = redacted(found)
    elif isinstance(found, dict):
        found = {
            key: _SHOWN if isinstance(part, str) and part and _NAME.fullmatch(str(key)) else redacted_values(part)
            for key, part in found.items()
        }
    elif isinstance(found, list | tuple):
        found = [redacted_values(part) for part in found]
    return found  # type: ignore[no-any-return]

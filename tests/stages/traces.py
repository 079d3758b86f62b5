"""A search for forbidden content in a folder: every file as bytes and, for Parquet, row by row."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def traces(root: Path, numbers: Iterable[int] = (), words: Iterable[str] = ()) -> list[str]:
    """The places of any of the numbers, or of the words in any case."""
    numbers, words = set(numbers), [word.lower() for word in words]
    needles = [*(str(number).encode() for number in numbers), *(number.to_bytes(8, "little") for number in numbers)]
    needles += [form for word in words for form in (word.encode(), word.encode("utf-16-le"))]
    found = []
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        content = file.read_bytes()
        lower = content.lower() + content.decode("utf-8", "replace").lower().encode()
        found += [f"{file.relative_to(root)}: {needle!r}" for needle in needles if needle in content or needle in lower]
        if file.suffix == ".parquet":
            rows = pq.ParquetFile(file).read().to_pylist()
            found += [f"{file.relative_to(root)}: {row}" for row in rows if _shows(row, numbers, words)]
    return found


def _shows(value: Any, numbers: set[int], words: list[str]) -> bool:
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return any(_shows(part, numbers, words) for part in parts)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return any(word in value.lower() for word in words) or any(str(number) in value for number in numbers)
    return value in numbers

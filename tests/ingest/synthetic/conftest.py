"""One small sample for all tests that only read it."""

import bz2
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tonality.ingest.synthetic import SampleSummary, write_sample

LINES = 3_000
ROWS = 600
WRONG = 0.18


@dataclass
class Sample:
    archive: Path
    corpus: Path
    summary: SampleSummary

    def lines(self) -> dict[str, list[bytes]]:
        """The lines of every file, read with the standard library only."""
        return {file.name: _unpack(file).removesuffix(b"\n").split(b"\n") for file in sorted(self.archive.iterdir())}

    def bytes(self) -> dict[str, bytes]:
        root = self.archive.parent
        return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def _unpack(file: Path) -> bytes:
    opened = {".gz": gzip.open, ".bz2": bz2.open}[file.suffix]
    with opened(file, "rb") as stream:
        return stream.read()


def _write(folder: Path, seed: int, lines: int = LINES, rows: int = ROWS) -> Sample:
    archive, corpus = folder / "archive", folder / "corpus"
    return Sample(archive, corpus, write_sample(str(archive), str(corpus), seed, lines, rows, WRONG))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A sample of an odd seed: 3,000 lines, 600 rows, 18 % wrong labels."""
    return _write(tmp_path_factory.mktemp("sample"), seed=1)


@pytest.fixture
def write() -> Callable[..., Sample]:
    return _write

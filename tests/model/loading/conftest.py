"""The dataset of most tests, and the columns read from it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_datasets import make_rows, write_files


@pytest.fixture
def rows() -> pa.Table:
    return make_rows(1_000)


@pytest.fixture
def dataset(tmp_path: Path, rows: pa.Table) -> Path:
    """1,000 rows in 3 files and 27 row groups."""
    return write_files(tmp_path / "split=train", rows)


@pytest.fixture
def columns_read(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The columns of every row group read so far."""
    reads: list[list[str]] = []
    original = pq.ParquetFile.read_row_group

    def recording(self: pq.ParquetFile, i: int, columns: list[str], **options: object) -> pa.Table:
        reads.append(columns)
        return original(self, i, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", recording)
    return reads

"""Rewriting of a table's files without some of their rows; order, row groups and encodings are preserved."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from tonality.runtime.storage.urls import filesystem, join

__all__ = ["RewriteJob", "RewrittenFile", "TableFile", "rewrite"]

_DICTIONARIES: Final = frozenset({"PLAIN_DICTIONARY", "RLE_DICTIONARY"})
_DELTA: Final = "DELTA_BINARY_PACKED"


class TableFile(NamedTuple):
    """A file of a table."""

    part: str
    """Its partition's folder."""
    name: str
    loses_rows: bool


class RewrittenFile(NamedTuple):
    """A new file, and its number of rows before and after."""

    part: str
    name: str
    rows_before: int
    rows_after: int


@dataclass(frozen=True)
class RewriteJob:
    """The settings common to all files of a table. Folders are URLs."""

    table: str
    """The table's folder, with a folder for each partition."""
    locations: str
    """A table of the rows to remove: `part`, `name`, `row`."""
    folder: str
    """The folder of the new files, whose names are unique."""


def rewrite(job: RewriteJob, files: Sequence[TableFile]) -> Iterator[RewrittenFile]:
    """Write each file without the rows to remove. A file that loses none is copied unchanged."""
    for file in files:
        name = f"part-{secrets.token_hex(16)}.parquet"
        system, old = filesystem(join(job.table, file.part, file.name))
        _, new = filesystem(join(job.folder, name))
        if file.loses_rows:
            before, after = _rewrite(system, old, new, _rows_to_remove(job.locations, file))
        else:
            system.cp_file(old, new)
            with system.open(new, "rb") as copied:
                before = after = pq.read_metadata(copied).num_rows
        yield RewrittenFile(file.part, name, before, after)


def _rows_to_remove(locations: str, file: TableFile) -> npt.NDArray[np.int64]:
    system, path = filesystem(locations)
    in_file = (ds.field("part") == file.part) & (ds.field("name") == file.name)
    found = ds.dataset(path, filesystem=system, format="parquet").to_table(columns=["row"], filter=in_file)
    rows: npt.NDArray[np.int64] = np.unique(found["row"].to_numpy())
    return rows


def _rewrite(system: Any, old: str, new: str, removed: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Write the new file, and return the number of rows before and after."""
    after = 0
    with system.open(old, "rb") as source, system.open(new, "wb") as target:
        file = pq.ParquetFile(source)
        with pq.ParquetWriter(target, file.schema_arrow, **_writer_options(file.metadata)) as writer:
            first = 0
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, use_threads=False)
                kept = _without(rows, removed[(removed >= first) & (removed < first + rows.num_rows)] - first)
                first += rows.num_rows
                after += kept.num_rows
                if kept.num_rows:
                    writer.write_table(kept, row_group_size=kept.num_rows)
    return first, after


def _without(rows: pa.Table, removed: npt.NDArray[np.int64]) -> pa.Table:
    keep = np.ones(rows.num_rows, dtype=bool)
    keep[removed] = False
    return rows if keep.all() else rows.filter(pa.array(keep))


def _writer_options(metadata: pq.FileMetaData) -> dict[str, Any]:
    """Return the ParquetWriter options that reproduce the compression, encodings and statistics of a file's columns."""
    group = metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return {
        "compression": {column.path_in_schema: column.compression.lower() for column in columns},
        "use_dictionary": [column.path_in_schema for column in columns if _DICTIONARIES & set(column.encodings)],
        "column_encoding": {column.path_in_schema: _DELTA for column in columns if _DELTA in column.encodings},
        "write_statistics": [column.path_in_schema for column in columns if column.is_stats_set],
    }

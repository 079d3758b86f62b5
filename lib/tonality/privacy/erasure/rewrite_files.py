"""Files of a table without some of their rows, in the form that they had: order, row groups, encodings."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from tonality.runtime.storage.urls import filesystem, join

__all__ = ["NewFile", "RewriteJob", "TableFile", "rewrite"]

_DICTIONARIES: Final = frozenset({"PLAIN_DICTIONARY", "RLE_DICTIONARY"})
_DELTA: Final = "DELTA_BINARY_PACKED"


class TableFile(NamedTuple):
    """A file of a part of a table, and whether rows of it must go."""

    part: str
    name: str
    loses: bool


class NewFile(NamedTuple):
    """A file that was written, with the rows that there were before and that there are now."""

    part: str
    name: str
    before: int
    after: int


@dataclass(frozen=True)
class RewriteJob:
    """What all files have in common. HadoopRoot are URLs."""

    table: str
    """Where the files lie, each in the folder of its part."""
    places: str
    """A table of the rows that must go: `part`, `name`, `row`."""
    folder: str
    """Where to write, under names that no other file has."""


def rewrite(job: RewriteJob, files: Sequence[TableFile]) -> Iterator[NewFile]:
    """Write each file without the rows that must go. One that loses none is copied as it is."""
    for file in files:
        name = f"part-{secrets.token_hex(16)}.parquet"
        system, old = filesystem(join(job.table, file.part, file.name))
        _, new = filesystem(join(job.folder, name))
        if file.loses:
            before, after = _rewritten(system, old, new, _rows_to_go(job.places, file))
        else:
            system.cp_file(old, new)
            with system.open(new, "rb") as copied:
                before = after = pq.read_metadata(copied).num_rows
        yield NewFile(file.part, name, before, after)


def _rows_to_go(places: str, file: TableFile) -> np.ndarray[Any, np.dtype[np.int64]]:
    system, path = filesystem(places)
    expected = (ds.field("part") == file.part) & (ds.field("name") == file.name)
    found = ds.dataset(path, filesystem=system, format="parquet").to_table(columns=["row"], filter=expected)
    rows: np.ndarray[Any, np.dtype[np.int64]] = np.unique(found["row"].to_numpy())
    return rows


def _rewritten(system: Any, old: str, new: str, gone: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[int, int]:
    """How many rows there were, and how many there are."""
    after = 0
    with system.open(old, "rb") as source, system.open(new, "wb") as target:
        file = pq.ParquetFile(source)
        with pq.ParquetWriter(target, file.schema_arrow, **_form(file.metadata)) as writer:
            first = 0
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, use_threads=False)
                kept = _without(rows, gone[(gone >= first) & (gone < first + rows.num_rows)] - first)
                first += rows.num_rows
                after += kept.num_rows
                if kept.num_rows:
                    writer.write_table(kept, row_group_size=kept.num_rows)
    return first, after


def _without(rows: pa.Table, gone: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Table:
    expected = np.ones(rows.num_rows, dtype=bool)
    expected[gone] = False
    return rows if expected.all() else rows.filter(pa.array(expected))


def _form(metadata: pq.FileMetaData) -> dict[str, Any]:
    """How the columns of a file are written, for a writer that is to write such a file."""
    group = metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return {
        "compression": {column.path_in_schema: column.compression.lower() for column in columns},
        "use_dictionary": [column.path_in_schema for column in columns if _DICTIONARIES & set(column.encodings)],
        "column_encoding": {column.path_in_schema: _DELTA for column in columns if _DELTA in column.encodings},
        "write_statistics": [column.path_in_schema for column in columns if column.is_stats_set],
    }

"""Petastorm 0.13.1 on today's pyarrow and numpy.

Petastorm was written for pyarrow before 15 and numpy before 2, and its last release still asks for what both have since
removed. Going back is no way out: the pyarrow it wants carries CVE-2023-47248. What it misses on its reading path is
little, and `adapt` supplies exactly that:

- `pyarrow.filesystem`, `pyarrow.hdfs` and, from Python 3.12 on, `distutils.version`: looked up once while petastorm is
  imported and never used on our path. Stand-ins lie in `sys.modules` for the length of that import alone.
- `pq.ParquetDataset` and `pq.ParquetDatasetPiece`, as pyarrow had them: set on the `pq` of the three petastorm modules
  that call them. pyarrow itself stays as it is for everybody else in the process.
- `np.unicode_` and `np.string_`: set on the `np` of petastorm.unischema in the same way.

The dataset's `common_metadata` is always None. Petastorm would unpickle what a `_common_metadata` file holds, and a
dataset is not to be trusted with that; without it, petastorm takes the columns from the Parquet footers.
"""

import functools
import importlib
import importlib.metadata
import io
import logging
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from tonality.runtime.diagnostics.errors import UserError

__all__ = ["PETASTORM", "UnreadableFile", "adapt", "parquet_files"]

PETASTORM: Final = "0.13.1"
"""The one release whose calls into pyarrow were read through; another may make other calls."""

_READING_MODULES: Final = ("petastorm.reader", "petastorm.arrow_reader_worker", "petastorm.etl.dataset_metadata")


@functools.cache
def adapt() -> None:
    """Makes `import petastorm` work in this process; calling it again does nothing.

    Raises UserError where another release than PETASTORM, or none, is installed.
    """
    _require_release()
    with _imports_of_old():
        modules = [importlib.import_module(name) for name in _READING_MODULES]
        unischema = importlib.import_module("petastorm.unischema")
        pool = importlib.import_module("petastorm.workers_pool.thread_pool")
    parquet = _overlay(pq, ParquetDataset=_Dataset, ParquetDatasetPiece=_Piece)
    for module in modules:
        vars(module)["pq"] = parquet
    # The pool hands a worker's exception on, but prints its traceback too; so does the loader's log.
    vars(pool)["sys"] = _overlay(sys, stderr=io.StringIO())
    logging.getLogger("petastorm.pytorch").disabled = True
    vars(unischema)["np"] = _overlay(np, unicode_=np.str_, string_=np.bytes_)


def parquet_files(system: AbstractFileSystem, root: str) -> list[str]:
    """The Parquet files below root, sorted by path; hidden ones and those in hidden folders (`_temporary`) left out."""
    files = [path for path in system.find(root) if path.endswith(".parquet")]
    return sorted(path for path in files if not _is_hidden(path.removeprefix(root)))


def _is_hidden(relative_path: str) -> bool:
    return any(part.startswith(("_", ".")) for part in relative_path.split("/"))


def _require_release() -> None:
    try:
        found = importlib.metadata.version("petastorm")
    except importlib.metadata.PackageNotFoundError:
        found = ""
    if found != PETASTORM:
        raise UserError(
            f"{f'petastorm {found}' if found else 'no petastorm'} is installed, petastorm {PETASTORM} is expected: "
            f"run `make setup`, or `pip install --no-deps petastorm=={PETASTORM}`"
        )


class UnreadableFile(Exception):
    """A file of the dataset whose row group cannot be read; its path is relative to the dataset."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path, self.why = path, why


class _Piece:
    """A file, or one row group of it, as pyarrow's ParquetDatasetPiece was."""

    def __init__(
        self,
        path: str,
        open_file_func: Callable[[str], Any],
        row_group: int | None = None,
        partition_keys: Sequence[object] = (),
    ) -> None:
        self.path = path
        self.row_group = row_group
        self.partition_keys = partition_keys
        self._open = open_file_func

    def get_metadata(self) -> pq.FileMetaData:
        with self._reading() as file:
            return pq.read_metadata(file)

    def read(self, columns: set[str], partitions: object) -> pa.Table:
        """The row group's columns. Partitions are not joined in: a training row has none."""
        del partitions
        with self._reading() as file:
            # petastorm passes a set, whose order changes with the process
            table = pq.ParquetFile(file).read_row_group(self.row_group, columns=sorted(columns))
        # petastorm would stack these into a matrix, fail and say neither where nor, of a null, why
        for name in table.column_names:
            if pa.types.is_list(table[name].type) and not _is_matrix(table[name]):
                raise UnreadableFile(self.path, f"its column {name} holds lists of several lengths, or none at all")
        return table

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """The open file; what goes wrong in reading it is named after it."""
        try:
            with self._open(self.path) as file:
                yield file
        except (OSError, pa.ArrowInvalid) as error:
            raise UnreadableFile(self.path, str(error).partition("\n")[0].rstrip(".")) from error


def _is_matrix(lists: pa.ChunkedArray) -> bool:
    """Whether there are lists only, and all of one length."""
    bounds = pc.min_max(pc.list_value_length(lists), skip_nulls=False).as_py()
    return lists.null_count == 0 and bool(bounds["min"] == bounds["max"])


class _Dataset:
    """The files of a folder, as pyarrow's ParquetDataset was."""

    partitions = None
    metadata = None
    common_metadata = None  # never read: see the module's docstring

    def __init__(self, path: str, filesystem: AbstractFileSystem, **_legacy_options: object) -> None:
        self.paths = path
        self.fs = filesystem
        self.pieces = [_Piece(file, filesystem.open) for file in parquet_files(filesystem, path)]


def _overlay(module: types.ModuleType, **names: object) -> types.ModuleType:
    """The module with names added or replaced, as another module: the original is left alone."""
    overlay = types.ModuleType(module.__name__, f"{module.__name__} as petastorm {PETASTORM} knows it")
    vars(overlay).update(vars(module) | names)
    return overlay


@contextmanager
def _imports_of_old() -> Iterator[None]:
    """While open, the modules that petastorm imports and that are gone can be imported."""
    stand_ins = {name: module for name, module in _stand_ins().items() if _is_missing(name)}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _is_missing(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        return True
    return False


def _stand_ins() -> dict[str, types.ModuleType]:
    classes = {
        "pyarrow.filesystem": "LocalFileSystem",
        "pyarrow.hdfs": "HadoopFileSystem",
        "distutils.version": "LooseVersion",
    }
    modules = {name: types.ModuleType(name) for name in ("distutils", *classes)}
    for name, missing in classes.items():
        vars(modules[name])[missing] = type(missing, (), {})
    return modules

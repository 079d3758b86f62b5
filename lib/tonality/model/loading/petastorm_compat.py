"""Petastorm 0.13.1 on current pyarrow and numpy.

Petastorm was written for pyarrow before 15 and numpy before 2, and its last release still uses names that both have
since removed. Downgrading is not an option: the pyarrow it needs is affected by CVE-2023-47248. Little is missing on
the reading path, and `adapt` supplies exactly that:

- `pyarrow.filesystem`, `pyarrow.hdfs` and, from Python 3.12, `distutils.version`: looked up once while petastorm is
  imported and never used by our code path. Stub modules are in `sys.modules` only during that import.
- `pq.ParquetDataset` and `pq.ParquetDatasetPiece`, as pyarrow had them: set on the `pq` of the three petastorm modules
  that call them. pyarrow itself is unchanged for the rest of the process.
- `np.unicode_` and `np.string_`: set on the `np` of petastorm.unischema in the same way.

The dataset's `common_metadata` is always None. Petastorm would unpickle the content of a `_common_metadata` file, which
is unsafe for an untrusted dataset; without it, petastorm takes the columns from the Parquet footers.
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

__all__ = ["PETASTORM_VERSION", "UnreadableFile", "adapt", "parquet_files"]

PETASTORM_VERSION: Final = "0.13.1"
"""The only version whose calls into pyarrow were reviewed; another may make other calls."""

_READING_MODULES: Final = ("petastorm.reader", "petastorm.arrow_reader_worker", "petastorm.etl.dataset_metadata")


@functools.cache
def adapt() -> None:
    """Make `import petastorm` work in this process; further calls do nothing.

    Raises UserError if PETASTORM_VERSION is not installed.
    """
    _require_version()
    with _stubbed_imports():
        modules = [importlib.import_module(name) for name in _READING_MODULES]
        unischema = importlib.import_module("petastorm.unischema")
        pool = importlib.import_module("petastorm.workers_pool.thread_pool")
    parquet = _overlay(pq, ParquetDataset=_Dataset, ParquetDatasetPiece=_FilePart)
    for module in modules:
        vars(module)["pq"] = parquet
    # The pool re-raises a worker's exception but also prints its traceback, and the loader logs it.
    vars(pool)["sys"] = _overlay(sys, stderr=io.StringIO())
    logging.getLogger("petastorm.pytorch").disabled = True
    vars(unischema)["np"] = _overlay(np, unicode_=np.str_, string_=np.bytes_)


def parquet_files(system: AbstractFileSystem, root: str) -> list[str]:
    """The Parquet files below root, sorted by path, without hidden files and hidden folders (`_temporary`)."""
    files = [path for path in system.find(root) if path.endswith(".parquet")]
    return sorted(path for path in files if not _is_hidden(path.removeprefix(root)))


def _is_hidden(relative_path: str) -> bool:
    return any(part.startswith(("_", ".")) for part in relative_path.split("/"))


def _require_version() -> None:
    try:
        found = importlib.metadata.version("petastorm")
    except importlib.metadata.PackageNotFoundError:
        found = ""
    if found != PETASTORM_VERSION:
        raise UserError(
            f"{f'petastorm {found}' if found else 'no petastorm'} is installed, petastorm {PETASTORM_VERSION} is "
            f"expected: run `make setup`, or `pip install --no-deps petastorm=={PETASTORM_VERSION}`"
        )


class UnreadableFile(Exception):
    """A row group of a dataset file cannot be read; the path is relative to the dataset."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason


class _FilePart:
    """A file or one of its row groups, with the interface of pyarrow's former ParquetDatasetPiece."""

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
        with self._opened() as file:
            return pq.read_metadata(file)

    def read(self, columns: set[str], partitions: object) -> pa.Table:
        """The row group's columns. Partition columns are not added: training rows have none."""
        del partitions
        with self._opened() as file:
            # petastorm passes a set, whose order differs between processes
            table = pq.ParquetFile(file).read_row_group(self.row_group, columns=sorted(columns))
        # petastorm would stack these lists into a matrix and fail without naming the file or, for a null, the cause
        for name in table.column_names:
            if pa.types.is_list(table[name].type) and not _is_matrix(table[name]):
                raise UnreadableFile(self.path, f"column {name} holds lists of different lengths, or nulls")
        return table

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open the file; read errors become UnreadableFile."""
        try:
            with self._open(self.path) as file:
                yield file
        except (OSError, pa.ArrowInvalid) as error:
            raise UnreadableFile(self.path, str(error).partition("\n")[0].rstrip(".")) from error


def _is_matrix(lists: pa.ChunkedArray) -> bool:
    """True if there are no nulls and all lists have the same length."""
    bounds = pc.min_max(pc.list_value_length(lists), skip_nulls=False).as_py()
    return lists.null_count == 0 and bool(bounds["min"] == bounds["max"])


class _Dataset:
    """The files of a folder, with the interface of pyarrow's former ParquetDataset."""

    partitions = None
    metadata = None
    common_metadata = None  # never read: see the module's docstring

    def __init__(self, path: str, filesystem: AbstractFileSystem, **_legacy_options: object) -> None:
        self.paths = path
        self.fs = filesystem
        self.pieces = [_FilePart(file, filesystem.open) for file in parquet_files(filesystem, path)]


def _overlay(module: types.ModuleType, **names: object) -> types.ModuleType:
    """A copy of the module with names added or replaced."""
    overlay = types.ModuleType(module.__name__, f"{module.__name__} as petastorm {PETASTORM_VERSION} expects it")
    vars(overlay).update(vars(module) | names)
    return overlay


@contextmanager
def _stubbed_imports() -> Iterator[None]:
    """Make the removed modules that petastorm imports importable within the context."""
    stubs = {name: module for name, module in _stub_modules().items() if _is_missing(name)}
    sys.modules.update(stubs)
    try:
        yield
    finally:
        for name in stubs:
            del sys.modules[name]


def _is_missing(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        return True
    return False


def _stub_modules() -> dict[str, types.ModuleType]:
    classes = {
        "pyarrow.filesystem": "LocalFileSystem",
        "pyarrow.hdfs": "HadoopFileSystem",
        "distutils.version": "LooseVersion",
    }
    modules = {name: types.ModuleType(name) for name in ("distutils", *classes)}
    for name, class_name in classes.items():
        vars(modules[name])[class_name] = type(class_name, (), {})
    return modules

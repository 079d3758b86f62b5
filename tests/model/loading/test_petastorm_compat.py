import importlib.metadata
import pickle
import subprocess
import sys
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_datasets import VOCABULARY

from tonality.model.loading import petastorm_compat
from tonality.model.loading.data_loader import Loader
from tonality.model.loading.row_groups import RowGroups
from tonality.runtime.diagnostics.errors import UserError


def test_another_version_of_petastorm_is_refused_with_found_expected_and_remedy(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.12.1")
    with pytest.raises(
        UserError, match=r"petastorm 0\.12\.1 is installed, petastorm 0\.13\.1 is expected: run `make setup`"
    ):
        petastorm_compat.adapt.__wrapped__()


def test_without_petastorm_the_message_explains_the_installation(monkeypatch):
    def not_found(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", not_found)
    with pytest.raises(UserError, match=r"no petastorm is installed.*pip install --no-deps petastorm==0\.13\.1"):
        petastorm_compat.adapt.__wrapped__()


def test_the_rest_of_the_process_sees_pyarrow_and_numpy_as_they_are_and_no_spark(dataset):
    script = f"""
import sys
sys.modules["pyspark"] = None  # importing it would raise
sys.modules["distutils"] = None  # as on Python 3.12
import numpy, pyarrow, pyarrow.parquet as pq
before = [(module, dict(vars(module))) for module in (pyarrow, pq, numpy)]

from tonality.model.loading.data_loader import Loader
from tonality.model.loading.row_groups import RowGroups
with Loader(RowGroups({str(dataset)!r}, {VOCABULARY}), batch_size=64, window=100).epoch(1) as batches:
    assert sum(batch.rows for batch in batches) == 1_000

assert not [name for module, names in before for name in names if vars(module)[name] is not names[name]]
assert not hasattr(pq, "ParquetDatasetPiece") and not hasattr(numpy, "unicode_") and not hasattr(pyarrow, "hdfs")
assert not {{"pyarrow.filesystem", "pyarrow.hdfs", "distutils.version"}} & set(sys.modules)
assert not [name for name in sys.modules if name.startswith("pyspark.")]
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == ""


class Hostile:
    """Unpickling it creates the marker file."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


def test_a_hostile_common_metadata_is_never_unpickled(dataset, tmp_path):
    petastorm_compat.adapt()
    from petastorm.etl.dataset_metadata import UNISCHEMA_KEY
    from petastorm.etl.legacy import depickle_legacy_package_name_compatible

    marker = tmp_path / "marker"
    payload = pickle.dumps(Hostile(marker))
    depickle_legacy_package_name_compatible(payload)
    assert marker.exists(), "petastorm's own unpickling runs it, otherwise this test would prove nothing"
    marker.unlink()

    schema = pq.read_schema(dataset / "part-00000.snappy.parquet")
    pq.write_metadata(schema.with_metadata({UNISCHEMA_KEY: payload}), dataset / "_common_metadata")
    with Loader(RowGroups(str(dataset), VOCABULARY), batch_size=64).epoch(1) as batches:
        assert sum(batch.rows for batch in batches) == 1_000
    assert not marker.exists()


def test_files_of_an_interrupted_writer_are_not_part_of_the_dataset(tmp_path):
    root = tmp_path / "_survey" / "dataset"
    for name in ("b.parquet", "day=1/a.parquet", "_temporary/0/c.parquet", ".d.parquet", "_metadata", "e.parquet.crc"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"x": [1]}), root / name)
    files = petastorm_compat.parquet_files(fsspec.filesystem("file"), str(root))
    assert [str(Path(file).relative_to(root)) for file in files] == ["b.parquet", "day=1/a.parquet"]

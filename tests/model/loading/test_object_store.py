"""Reading and training from S3 as a user would, with the endpoint and credentials in the environment.

The store is a moto server on localhost.
"""

import json
import logging
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from small_datasets import VOCABULARY, make_rows, write_files

from tonality.model.dataset.metadata import DatasetMetadata
from tonality.model.loading.data_loader import Loader
from tonality.model.loading.row_groups import RowGroups
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.storage import schema
from tonality.stages import train
from tonality.text.token_ids import vocabulary_fingerprint

pytestmark = pytest.mark.slow

S3 = pytest.mark.parametrize("scheme", ["s3", "s3a"])


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch, tmp_path):
    """The name of a new bucket; fsspec's caches are cleared before and after."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    kind = fsspec.get_filesystem_class("s3")
    kind.clear_instance_cache()
    fsspec.filesystem("s3").mkdir("tweets")
    yield "tweets"
    fsspec.filesystem("s3").rm("tweets", recursive=True)
    kind.clear_instance_cache()


def batches_of(location, memory, **options):
    """The batches of an epoch: the stems, and the indices and labels of the segments."""
    with Loader(RowGroups(location, VOCABULARY, **options), batch_size=64, window=200, memory=memory).epoch(1) as found:
        return [
            (batch.stems.tolist(), [(part.places.tolist(), part.labels.tolist()) for part in batch.segments])
            for batch in found
        ]


@S3
@pytest.mark.parametrize("memory", [0, 2**30], ids=["streamed", "in memory"])
def test_the_batches_are_those_of_the_same_files_on_a_disk(dataset, bucket, scheme, memory):
    fsspec.filesystem("s3").put(str(dataset), f"{bucket}/out/", recursive=True)
    remote = f"{scheme}://{bucket}/out/split=train"
    assert batches_of(remote, memory) == batches_of(str(dataset), memory)
    assert batches_of(remote, memory, readers=2) == batches_of(str(dataset), memory, readers=2)
    assert RowGroups(remote, VOCABULARY).fingerprint == RowGroups(str(dataset), VOCABULARY).fingerprint


def test_what_another_process_has_written_since_is_seen(dataset, bucket, rows, endpoint):
    fsspec.filesystem("s3").put(str(dataset), f"{bucket}/out/", recursive=True)
    assert RowGroups(f"s3://{bucket}/out/split=train", VOCABULARY).rows == 1_000
    pq.write_table(rows[:10], dataset / "more.parquet")
    other = fsspec.filesystem("s3", skip_instance_cache=True)
    other.put_file(str(dataset / "more.parquet"), f"{bucket}/out/split=train/part-00009.parquet")
    assert RowGroups(f"s3://{bucket}/out/split=train", VOCABULARY).rows == 1_010


def test_a_missing_folder_or_bucket_is_refused_by_its_url(bucket):
    for nowhere in (f"s3://{bucket}/nowhere", "s3a://nosuch/x"):
        with pytest.raises(InputError, match=f"^{nowhere}: no Parquet files found, .* run `prepare` first"):
            RowGroups(nowhere, VOCABULARY)


def write_root(folder):
    """A root as `prepare` leaves it, of 400 and 100 rows."""
    stems = [f"стем{number}" for number in range(VOCABULARY - schema.FIRST_STEM_ID)]
    ids = np.arange(schema.FIRST_STEM_ID, VOCABULARY)
    vocabulary = pa.table({"id": ids, "stem": stems, "count": np.ones(len(ids), np.int64)}).cast(schema.VOCABULARY)
    (folder / "vocabulary").mkdir(parents=True)
    pq.write_table(vocabulary, folder / "vocabulary" / "part-00000.parquet")
    counts = {"train": 400, "valid": 100}
    for side, count in counts.items():
        write_files(folder / "dataset" / f"split={side}", make_rows(count), files=1)
    metadata = DatasetMetadata(
        vocabulary=vocabulary_fingerprint(stems),
        stems=len(stems),
        rows={side: {"rows": count, "positive": count // 2} for side, count in counts.items()},
        dropped={},
        max_length=16,
        unknown="train",
        seed=1,
        valid_fraction=0.2,
        rules_fingerprint="0" * 12,
        rules={"name": "ru"},
    )
    (folder / "dataset" / "_dataset.json").write_text(metadata.model_dump_json())
    return folder


@pytest.fixture
def root(bucket, tmp_path):
    """The output of `prepare`, in the bucket."""
    fsspec.filesystem("s3").put(str(write_root(tmp_path / "local")) + "/", f"{bucket}/out/", recursive=True)
    return f"{bucket}/out"


SMALL = [
    "network.embedding=8",
    "network.hidden=8",
    "network.layers=1",
    "train.batch_size=50",
    "train.checkpoint_steps=3",
    "train.device=cpu",
    "train.threads=1",
]


@S3
def test_train_reads_its_dataset_and_leaves_its_model_in_the_bucket(root, scheme, tmp_path):
    locally = str(tmp_path / "local")
    for place in (f"{scheme}://{root}", locally):
        settings = load(overrides=[f"paths.root={place}", *SMALL])
        with Run("train", settings) as record:
            assert train.run(settings, record).startswith("model ")
    model = ModelRegistry(f"{scheme}://{root}").read_production()
    assert model.fingerprint == ModelRegistry(locally).production()
    left = {file.removeprefix(f"{root}/").partition("/")[0] for file in fsspec.filesystem("s3").find(root)}
    assert left == {"dataset", "vocabulary", "models", "runs"}, "and no checkpoint"


def test_training_resumes_from_a_checkpoint_in_the_bucket(root, monkeypatch, caplog):
    settings = load(overrides=[f"paths.root=s3://{root}", *SMALL])
    caplog.set_level(logging.INFO, logger="tonality")

    def fail(*_):
        raise OSError("no model can be written")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no model"), Run("train", settings) as record:
        patch.setattr(ModelRegistry, "add", fail)
        train.run(settings, record)
    assert fsspec.filesystem("s3").ls(f"{root}/checkpoint", detail=False) == [f"{root}/checkpoint/train.safetensors"]
    with Run("train", settings) as record:
        train.run(settings, record)
    assert f"resuming from s3://{root}/checkpoint/train.safetensors" in caplog.text


@S3
def test_the_command_trains_from_a_bucket(root, scheme):
    overrides = [f"paths.root={scheme}://{root}", *SMALL]
    command = [Path(sys.executable).with_name("tonality"), "train", *(f"--set={one}" for one in overrides)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("model ")
    system = fsspec.filesystem("s3")
    records = [json.loads(system.cat_file(file)) for file in system.ls(f"{root}/runs", detail=False)]
    assert [record["fault"] for record in records] == [None]

"""Small datasets whose labels can be learned, or cannot."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tonality.model.network.lstm import LSTMConfig
from tonality.runtime.settings.sections import TrainSettings
from tonality.runtime.storage import schema

MAX_LENGTH = 12
VOCABULARY = 102


def write_side(folder: Path, count: int, seed: int, *, shuffled: bool = False) -> str:
    """Write tweets of 4 to 8 stems, 90 % of which are from the label's half of the vocabulary."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    lengths = rng.integers(4, 9, count)
    half = np.where(rng.random((count, MAX_LENGTH)) < 0.9, labels[:, None], 1 - labels[:, None])
    tokens = 2 + rng.integers(0, 50, (count, MAX_LENGTH)) + 50 * half
    tokens[np.arange(MAX_LENGTH) >= lengths[:, None]] = schema.PADDING_ID
    if shuffled:
        rng.shuffle(labels)
    table = pa.table({"tokens": tokens.tolist(), "length": lengths, "label": labels, "stems": [""] * count})
    folder.mkdir(parents=True)
    pq.write_table(table.cast(schema.DATASET), folder / "part-00000.parquet", row_group_size=300)
    return str(folder)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Limit torch to one thread: steps this small are slower on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The messages of the test."""
    caplog.set_level(logging.INFO, logger="tonality")
    return caplog


@pytest.fixture(scope="session")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Training and validation splits whose labels depend on the stems."""
    root = tmp_path_factory.mktemp("learnable")
    return write_side(root / "train", 2_000, seed=1), write_side(root / "valid", 2_000, seed=2)


@pytest.fixture(scope="session")
def unlearnable_sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The same tweets with their labels shuffled."""
    root = tmp_path_factory.mktemp("unlearnable")
    return (
        write_side(root / "train", 2_000, seed=1, shuffled=True),
        write_side(root / "valid", 2_000, seed=2, shuffled=True),
    )


@pytest.fixture
def settings() -> TrainSettings:
    """Settings for two epochs, enough to learn the splits."""
    return TrainSettings(
        batch_size=64,
        epochs=2,
        learning_rate=0.01,
        decay="none",
        clip_norm=0.0,
        patience=0,
        precision="float32",
        threads=2,
        seed=2016,
        shuffle_rows=1_000,
        memory="1m",
        readers=1,
        batches_ahead=4,
        checkpoint_steps=1_000,
    )


@pytest.fixture
def config() -> LSTMConfig:
    return LSTMConfig(vocabulary=VOCABULARY, embedding=16, hidden=16, layers=2, learned_start=True)

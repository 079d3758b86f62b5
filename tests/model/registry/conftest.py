"""A small, complete model."""

import pyarrow as pa
import pytest
import torch

from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.registry.artifact import Artifact
from tonality.runtime.storage import schema


@pytest.fixture
def artifact() -> Artifact:
    torch.manual_seed(1)
    config = LSTMConfig(vocabulary=6, embedding=4, hidden=3)
    stems = ["хорош", "плох", "снег"]
    return Artifact(
        network_config=config,
        weights=build(config).state_dict(),
        vocabulary=pa.table({"id": [2, 3, 4], "stem": stems, "count": [9, 9, 5]}).cast(schema.VOCABULARY),
        rules={"language": "ru", "links": "drop", "letters": "а-яё"},
        rules_fingerprint="c0ffee",
        language="ru",
        max_length=100,
        unknown="train",
        metrics={"best": {"log_loss": 0.4, "auc": float("nan")}, "epochs": [{"number": 1}]},
    )

"""A small model whose probabilities differ widely."""

import pyarrow as pa
import torch

from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.registry.artifact import Artifact
from tonality.runtime.storage import schema

WORDS = [f"w{n}" for n in range(50)]


def make_artifact() -> Artifact:
    torch.manual_seed(1)
    config = LSTMConfig(vocabulary=len(WORDS) + 2, embedding=8, hidden=6)
    weights = {name: 3 * weight for name, weight in build(config).state_dict().items()}
    ids = range(2, len(WORDS) + 2)
    return Artifact(
        network_config=config,
        weights=weights,
        vocabulary=pa.table({"id": ids, "stem": WORDS, "count": [1] * len(WORDS)}).cast(schema.VOCABULARY),
        rules={},
        rules_fingerprint="c0ffee",
        language="en",
        max_length=10,
        unknown="train",
        metrics={},
    )

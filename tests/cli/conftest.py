"""The small model as a fixture."""

import pytest
from small_model import make_artifact

from tonality.model.registry.artifact import Artifact


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return make_artifact()

"""Fixtures of the tests of storage."""

import fsspec
import pytest


@pytest.fixture
def bucket():
    """A bucket in memory, emptied after the test."""
    system = fsspec.filesystem("memory")
    yield system
    if system.exists("/bucket"):
        system.rm("/bucket", recursive=True)

"""Fixtures: records written by runs."""

import json
from pathlib import Path

import pytest

from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load

REMOVED = "removed"


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "out")


@pytest.fixture
def ran(root):
    """Runs a stage that adds facts to its record, at a given time; returns its id."""

    def run(stage, *overrides, at=None, part_of=None, error=None, **facts):
        record = Run(stage, load([], [f"paths.root={root}", *overrides]), part_of)
        if at:
            record.id = f"{stage}-{at}-{record.id[-4:]}"
        try:
            with record:
                record.add(**facts)
                if error:
                    raise error
        except BaseException as raised:
            if raised is not error:
                raise
        return record.id

    return run


@pytest.fixture
def rewritten(root):
    """Changes a record, as if by another version or machine; REMOVED as a value removes the key."""

    def rewrite(run, **changes):
        file = Path(root, "runs", f"{run}.json")
        record = json.loads(file.read_text()) | changes
        file.write_text(json.dumps({key: value for key, value in record.items() if value != REMOVED}))

    return rewrite

"""Records of runs, as runs leave them."""

import json
from pathlib import Path

import pytest

from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "out")


@pytest.fixture
def ran(root):
    """Lets a stage run and note what it is given, at a time of one's own; its id."""

    def run(stage, *overrides, at=None, part_of=None, error=None, **facts):
        one = Run(stage, load([], [f"paths.root={root}", *overrides]), part_of)
        if at:
            one.id = f"{stage}-{at}-{one.id[-4:]}"
        try:
            with one:
                one.add(**facts)
                if error:
                    raise error
        except BaseException as raised:
            if raised is not error:
                raise
        return one.id

    return run


@pytest.fixture
def rewritten(root):
    """Changes a record, as another version, machine or fate would have left it; None takes a key away."""

    def rewrite(run, **changes):
        file = Path(root, "runs", f"{run}.json")
        record = json.loads(file.read_text()) | changes
        file.write_text(json.dumps({key: value for key, value in record.items() if value != "gone"}))

    return rewrite

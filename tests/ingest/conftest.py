from typing import NamedTuple

import pyarrow as pa
import pytest

from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.files import find_files
from tonality.ingest.planning.splits import plan_tasks
from tonality.ingest.reading.task import read_splits
from tonality.runtime.settings.load import conf_directory
from tonality.runtime.storage.schema import STAGED
from tonality.text.rules import Rules, load_language


class Read(NamedTuple):
    """The rows that a pass over files yields, by kind, with the ids, reasons, counts and damage in them."""

    tweets: list
    rejects: list
    accounts: list
    deletes: list

    @property
    def ids(self):
        return [row["tweet_id"] for row in self.tweets]

    @property
    def reasons(self):
        return [row["reason"] for row in self.rejects]

    @property
    def counts(self):
        (account,) = self.accounts
        return {name: account[name] for name in ("lines", "kept", "notices", "filtered", "rejects")}

    @property
    def damage(self):
        (account,) = self.accounts
        return account["damage"]


@pytest.fixture(scope="session")
def read_options():
    """ReadOptions for paths, with any of their fields; `columns` selects tables, and `task_bytes` may be below the
    settings' minimum, since test files are small.
    """
    language = load_language("ru", conf_directory() / "languages")
    rules = Rules(name="ru", language=language, links="drop", mentions="drop")

    def make(*paths, columns=None, task_bytes=None, **fields):
        if columns is not None:
            fields |= {"format": "table", "columns": columns}
        options = ReadOptions(paths=tuple(map(str, paths)), rules=rules, **fields)
        return options.model_copy(update={"task_bytes": task_bytes}) if task_bytes else options

    return make


@pytest.fixture(scope="session")
def read_paths(read_options):
    def read(*paths, **fields):
        options = read_options(*paths, **fields)
        tasks = plan_tasks(find_files(options.paths, options.optional_paths), options)
        batches = [batch for task in tasks for batch in read_splits(task, options)]
        assert all(batch.schema.equals(STAGED) for batch in batches)
        rows = pa.Table.from_batches(batches, STAGED).to_pylist()
        return Read(
            *([row for row in rows if row["kind"] == kind] for kind in ("tweet", "reject", "account", "delete"))
        )

    return read


@pytest.fixture(scope="session")
def read(read_paths, tmp_path_factory):
    """Read the bytes of one file."""
    folder = tmp_path_factory.mktemp("archive")

    def from_bytes(content, **fields):
        file = folder / "file"
        file.write_bytes(content)
        return read_paths(file, **fields)

    return from_bytes

from typing import NamedTuple

import pyarrow as pa
import pytest

from tonality.ingest.options import ColumnNames, ReadOptions
from tonality.ingest.planning.files import find_files
from tonality.ingest.planning.splits import plan_tasks
from tonality.ingest.reading.task import read_staged
from tonality.runtime.settings.load import conf_directory
from tonality.runtime.storage.schema import STAGED
from tonality.text.language import load_language
from tonality.text.rules import Rules


class Read(NamedTuple):
    """What a pass over files yields, by kind; of the account, the numbers alone."""

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
    """A request for paths, with any of its fields; `columns` makes it one for tables."""
    language = load_language("ru", conf_directory() / "languages")
    rules = Rules(name="ru", language=language, links="drop", mentions="drop")

    def make(*paths, columns=None, **fields):
        if columns is not None:
            fields |= {"format": "table", "columns": ColumnNames(**columns)}
        return ReadOptions(paths=tuple(map(str, paths)), rules=rules, **fields)

    return make


@pytest.fixture(scope="session")
def read_paths(read_options):
    def read(*paths, **fields):
        request = read_options(*paths, **fields)
        tasks = plan_tasks(find_files(request.paths, request.besides), request)
        batches = [batch for task in tasks for batch in read_staged(task, request)]
        assert all(batch.schema.equals(STAGED) for batch in batches)
        rows = pa.Table.from_batches(batches, STAGED).to_pylist()
        return Read(
            *([row for row in rows if row["kind"] == kind] for kind in ("tweet", "reject", "account", "delete"))
        )

    return read


@pytest.fixture(scope="session")
def read(read_paths, tmp_path_factory):
    """What the bytes of one file yield."""
    folder = tmp_path_factory.mktemp("archive")

    def from_bytes(content, **fields):
        file = folder / "file"
        file.write_bytes(content)
        return read_paths(file, **fields)

    return from_bytes

import json
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tonality.runtime.diagnostics.errors import InputError, UserError
from tonality.runtime.storage import locks, tables
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.schema import DAY
from tonality.runtime.storage.transaction import begin_transaction, recover
from tonality.runtime.storage.write_locks import WriteLock

MESSAGES = pa.schema([pa.field("text", pa.string()), pa.field(DAY, pa.date32())])
WORDS = pa.schema([pa.field("word", pa.string())])

KILLED = """
import os, sys
from datetime import date
import pyarrow as pa
from tonality.runtime.settings.sections import SparkSettings
from tonality.runtime.spark.session import spark_session
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.transaction import begin_transaction

uncommitted, committed = sys.argv[1:]
schema = pa.schema([pa.field("text", pa.string()), pa.field("day", pa.date32())])
changed = []

def until_killed(change):
    def change_or_die(self, old, new):
        if len(changed) == 2:  # the journal, and the first day
            os._exit(9)
        changed.append(new)
        return change(self, old, new)
    return change_or_die

HadoopRoot.rename = until_killed(HadoopRoot.rename)
HadoopRoot.exchange = until_killed(HadoopRoot.exchange)
with spark_session("killed", SparkSettings(master="local[1]", memory="1g")) as spark:
    rows = [("new 10", date(2015, 12, 10)), ("new 11", date(2015, 12, 11))]
    frame = spark.createDataFrame(rows, "text string, day date")
    with (
        begin_transaction(spark, uncommitted, "killed", []) as first,
        begin_transaction(spark, committed, "killed", []) as second,
    ):
        first.stage("messages", frame, schema, "day")
        second.stage("messages", frame, schema, "day")
        second.commit()
"""

OLD = {"2015-12-10": ["old 10"], "2015-12-11": ["old 11"], "2015-12-12": ["old 12"]}


class Killed(BaseException):
    """The simulated end of the process."""


def messages(spark, **days):
    rows = [(text, date.fromisoformat(day)) for day, texts in days.items() for text in texts]
    return spark.createDataFrame(rows, "text string, day date").coalesce(1)


def commit(spark, root, run, values=(), covered=lambda day: False, **days):
    with begin_transaction(spark, str(root), run, []) as transaction:
        transaction.stage("messages", messages(spark, **days), MESSAGES, DAY, values)
        transaction.remove_partitions("messages", DAY, covered)
        transaction.commit()


def found(spark, root):
    days: dict[str, list[str]] = {day: [] for day in tables.days(spark, str(root), "messages")}
    for row in tables.read(spark, str(root), "messages", MESSAGES).orderBy("text").collect():
        days[str(row.day)].append(row.text)
    return days


def names(root: Path) -> list[str]:
    return sorted(file.name for file in root.iterdir())


@pytest.fixture(scope="module")
def three_days(spark, tmp_path_factory):
    place = tmp_path_factory.mktemp("root")
    commit(spark, place, "first", **OLD)
    return place


@pytest.fixture
def root(three_days, tmp_path):
    """A root with three days of messages, in a folder with a name that needs care."""
    return shutil.copytree(three_days, tmp_path / "мои твиты = 1 %20 #")


def test_a_table_is_written_at_its_path(spark, tmp_path):
    place = tmp_path / "мои твиты = 1 %20 #"
    commit(spark, place, "first", **OLD)
    assert names(tmp_path) == [place.name]
    assert names(place / "messages") == [f"day={day}" for day in OLD]


def test_a_day_is_replaced_whole_and_its_neighbours_stay(spark, root):
    commit(spark, root, "second", **{"2015-12-11": ["new", "newer"]})
    assert found(spark, root) == OLD | {"2015-12-11": ["new", "newer"]}


def test_a_day_without_rows_is_committed_empty(spark, root):
    commit(spark, root, "second", values=["2015-12-11", "2015-12-13"])
    assert found(spark, root) == OLD | {"2015-12-11": [], "2015-12-13": []}
    (empty,) = (root / "messages" / "day=2015-12-13").glob("*.parquet")
    assert pq.read_schema(empty).names == ["text"]


def test_files_that_tasks_wrote_become_days_and_other_files_do_not(spark, root):
    with begin_transaction(spark, str(root), "second", []) as transaction:
        transaction.make_temporary_folder("written")
        (temporary,) = (root / "_staging").glob("second-*/temporary/written")
        for name in ("a", "b", "c", "given-up"):
            pq.write_table(pa.table({"text": [name]}), temporary / f"{name}.parquet")
        days = {"2015-12-11": ["a.parquet", "b.parquet"], "2015-12-13": ["c.parquet"]}
        as_written = transaction.add_files("messages", "written", days, MESSAGES, ["2015-12-12", "2015-12-13"])
        assert sorted((str(row.day), row.text) for row in as_written.collect()) == [
            ("2015-12-11", "a"),
            ("2015-12-11", "b"),
            ("2015-12-13", "c"),
        ]
        assert found(spark, root) == OLD
        transaction.commit()
    assert found(spark, root) == OLD | {"2015-12-11": ["a", "b"], "2015-12-12": [], "2015-12-13": ["c"]}
    assert names(root / "_staging") == []


def test_no_files_at_all_are_days_without_rows(spark, root):
    with begin_transaction(spark, str(root), "second", []) as transaction:
        transaction.make_temporary_folder("written")
        assert transaction.add_files("messages", "written", {}, MESSAGES).count() == 0
        transaction.commit()
    assert found(spark, root) == OLD


def test_days_that_a_transaction_covers_but_does_not_replace_are_removed(spark, root):
    commit(spark, root, "second", covered=lambda day: day < "2015-12-12", **{"2015-12-10": ["new"]})
    assert found(spark, root) == {"2015-12-10": ["new"], "2015-12-12": ["old 12"]}


def test_a_table_whose_last_day_was_removed_is_empty_not_missing(spark, root):
    commit(spark, root, "second", covered=lambda day: True)
    assert found(spark, root) == {}


def test_several_tables_appear_together_and_nothing_before(spark, root):
    with begin_transaction(spark, str(root), "second", []) as transaction:
        as_written = transaction.stage("messages", messages(spark, **{"2015-12-10": ["new"]}), MESSAGES, DAY)
        words = transaction.stage_table("words", {"": spark.createDataFrame([("a",)], "word string")}, WORDS)[""]
        assert [row.text for row in as_written.collect()] == ["new"]
        assert [row.word for row in words.collect()] == ["a"]
        assert found(spark, root) == OLD
        with pytest.raises(InputError):
            tables.read(spark, str(root), "words", WORDS)
        transaction.commit()
    assert found(spark, root) == OLD | {"2015-12-10": ["new"]}
    assert [row.word for row in tables.read(spark, str(root), "words", WORDS).collect()] == ["a"]


def test_a_replaced_table_keeps_no_old_part(spark, tmp_path):
    for run, parts in (("first", ("a", "b")), ("second", ("b", "c"))):
        with begin_transaction(spark, str(tmp_path), run, []) as transaction:
            frames = {
                part: spark.createDataFrame([(f"{part} {n}",) for n in range(5)], "word string") for part in parts
            }
            transaction.stage_table("words", frames, WORDS)
            transaction.write_metadata("words", {"run": run, "слова": 10})
            transaction.commit()
    assert [name for name in names(tmp_path / "words") if not name.startswith(".")] == ["_words.json", "b", "c"]
    assert json.loads((tmp_path / "words" / "_words.json").read_text()) == {"run": "second", "слова": 10}
    assert tables.read(spark, str(tmp_path), "words/c", WORDS).count() == 5


def test_a_transaction_that_was_not_committed_leaves_nothing(spark, root):
    with pytest.raises(KeyError), begin_transaction(spark, str(root), "second", []) as transaction:
        transaction.stage("messages", messages(spark, **{"2015-12-10": ["new"]}), MESSAGES, DAY)
        spark.range(3).write.parquet(transaction.temporary_folder("pass"))
        raise KeyError
    assert found(spark, root) == OLD
    assert names(root / "_staging") == []


def test_a_transaction_cleans_up_after_itself(spark, root):
    assert names(root) == ["_claims", "_journal", "_lock", "_staging", "messages"]
    assert names(root / "_staging") == names(root / "_journal") == []


def test_files_that_tasks_wrote_become_a_whole_table_with_its_metadata(spark, root):
    with begin_transaction(spark, str(root), "second", []) as transaction:
        (temporary,) = [Path(transaction.make_temporary_folder("written").removeprefix("file://"))]
        for name in ("a", "b"):
            pq.write_table(pa.table({"word": [name]}), temporary / f"{name}.parquet")
        parts = transaction.add_table_files(
            "words", "written", {"side=x": ["a.parquet"], "side=y": ["b.parquet"]}, WORDS
        )
        transaction.write_metadata("words", {"rows": 2})
        assert {part: [row.word for row in rows.collect()] for part, rows in parts.items()} == {
            "side=x": ["a"],
            "side=y": ["b"],
        }
        assert not tables.exists(spark, str(root), "words")
        transaction.commit()
    assert tables.files(spark, str(root), "words", ["side=x", "side=y"]) == {
        "side=x": ["a.parquet"],
        "side=y": ["b.parquet"],
    }
    assert tables.exists(spark, str(root), "words/_words.json")


def test_the_json_files_of_a_day_are_copied_into_the_one_that_replaces_it_except_one(spark, root):
    for name in ("_one.json", "_other.json", "_SUCCESS"):
        (root / "messages" / "day=2015-12-11" / name).write_text('{"name": 1}')
    with begin_transaction(spark, str(root), "second", []) as transaction:
        transaction.stage("messages", messages(spark, **{"2015-12-11": ["new"]}), MESSAGES, DAY)
        transaction.copy_partition_files("messages", DAY, ["2015-12-11"], exclude="_other.json")
        staged = transaction.versions("messages", DAY, ["2015-12-11"])
        assert staged != tables.versions(spark, str(root), "messages", DAY, ["2015-12-11"])
        transaction.commit()
    assert tables.versions(spark, str(root), "messages", DAY, ["2015-12-11"]) == staged
    copied = [name for name in names(root / "messages" / "day=2015-12-11") if name.startswith("_")]
    assert copied == ["_one.json"]


def test_files_are_removed_at_commit(spark, root):
    (root / "page").mkdir()
    for name in ("a.html", "b.html"):
        (root / "page" / name).write_text("x")
    with begin_transaction(spark, str(root), "second", []) as transaction:
        transaction.remove("page/a.html")
        transaction.remove("page/missing.html")
        assert names(root / "page") == ["a.html", "b.html"]
        transaction.commit()
    assert names(root / "page") == ["b.html"]


# Kills


def test_a_killed_process_has_either_changed_nothing_or_is_completed_by_recover(spark, root):
    uncommitted, committed = root, root.with_name("committed")
    shutil.copytree(uncommitted, committed)
    done = subprocess.run([sys.executable, "-c", KILLED, str(uncommitted), str(committed)], check=False)
    assert done.returncode == 9
    assert found(spark, uncommitted) == OLD
    assert found(spark, committed) == OLD | {"2015-12-10": ["new 10"]}
    for place in (uncommitted, committed):
        staged = names(place / "_staging")
        assert [re.sub("-[0-9a-f]{4}", "-N", name) for name in staged] == ["killed-N", "killed-N.alive"]
        recover(spark, str(place), "next")
        assert names(place / "_staging") == names(place / "_journal") == []
    assert found(spark, uncommitted) == OLD
    assert found(spark, committed) == OLD | {"2015-12-10": ["new 10"], "2015-12-11": ["new 11"]}


def interrupt(spark, root, monkeypatch, changes, **days):
    """Run a transaction that ends after this number of changes, the journal included, without any cleanup."""
    remaining = [changes]

    def or_die(change):
        def change_or_die(self, old, new):
            if not remaining[0]:
                raise Killed
            done = change(self, old, new)
            remaining[0] -= done is not False
            return done

        return change_or_die

    with monkeypatch.context() as patched:
        patched.setattr(HadoopRoot, "rename", or_die(HadoopRoot.rename))
        patched.setattr(HadoopRoot, "exchange", or_die(HadoopRoot.exchange))
        with pytest.raises(Killed):
            commit(spark, root, "killed", covered=lambda day: day == "2015-12-12", **days)


@pytest.fixture
def two_steps(monkeypatch):
    """Simulate a file system that cannot swap folders."""
    monkeypatch.setattr(HadoopRoot, "exchange", lambda *_: False)


def complete_by_the_next_commit(spark, root, monkeypatch, changes):
    interrupt(spark, root, monkeypatch, changes, **{"2015-12-10": ["new 10"], "2015-12-11": ["new 11"]})
    commit(spark, root, "next", **{"2015-12-11": ["newest"], "2015-12-13": ["13"]})
    assert found(spark, root) == {"2015-12-10": ["new 10"], "2015-12-11": ["newest"], "2015-12-13": ["13"]}
    assert names(root / "_journal") == []


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_a_transaction_killed_after_any_change_is_completed_by_the_next_commit(spark, root, monkeypatch, changes):
    """The journal, one for each of two days, one for the removed day: four in all."""
    complete_by_the_next_commit(spark, root, monkeypatch, changes)


@pytest.mark.usefixtures("two_steps")
@pytest.mark.parametrize("changes", [1, 2, 3, 5])
def test_a_transaction_of_two_steps_a_day_is_completed_too(spark, root, monkeypatch, changes):
    """The journal, two for each of two days, one for the removed day: six in all."""
    complete_by_the_next_commit(spark, root, monkeypatch, changes)


def test_a_transaction_killed_between_a_days_marker_and_its_swap_is_completed(spark, root, monkeypatch):
    interrupt(spark, root, monkeypatch, 1, **{"2015-12-10": ["new 10"]})
    assert [*(root / "messages" / "day=2015-12-10").glob(".replaced-by-killed-*")]
    assert found(spark, root) == OLD
    recover(spark, str(root), "next")
    assert found(spark, root) == {"2015-12-10": ["new 10"], "2015-12-11": ["old 11"]}
    assert not [*(root / "messages" / "day=2015-12-10").glob(".replaced-by-killed-*")]


def test_a_killed_runs_commit_is_completed_before_the_run_that_waited_for_it_reads(spark, root, monkeypatch):
    interrupt(spark, root, monkeypatch, 2, **{"2015-12-10": ["new 10"], "2015-12-11": ["new 11"]})
    with begin_transaction(spark, str(root), "waited", [WriteLock("messages")]):
        assert found(spark, root) == {"2015-12-10": ["new 10"], "2015-12-11": ["new 11"]}


def test_a_day_that_is_replaced_is_never_missing(spark, root, monkeypatch):
    seen = []

    def watched(change):
        def change_and_list(self, *folders):
            done = change(self, *folders)
            seen.append(names(root / "messages"))
            return done

        return change_and_list

    for name in ("rename", "exchange", "delete"):
        monkeypatch.setattr(HadoopRoot, name, watched(getattr(HadoopRoot, name)))
    commit(spark, root, "second", **{"2015-12-10": ["new"], "2015-12-11": ["new"]})
    assert len(seen) > 3
    assert all(days == [f"day={day}" for day in OLD] for days in seen)


@pytest.mark.usefixtures("two_steps")
def test_if_folders_cannot_be_swapped_a_day_is_replaced_all_the_same(spark, root):
    commit(spark, root, "second", **{"2015-12-11": ["new", "newer"]})
    assert found(spark, root) == OLD | {"2015-12-11": ["new", "newer"]}
    assert names(root / "_staging") == names(root / "_journal") == []


def test_data_that_a_journal_needs_is_not_discarded_with_its_run(spark, root, monkeypatch):
    interrupt(spark, root, monkeypatch, 1, **{"2015-12-10": ["new 10"]})
    assert found(spark, root) == OLD
    assert [*(root / "_staging").glob("killed-*/messages/day=2015-12-10")]
    recover(spark, str(root), "next")
    assert found(spark, root) == {"2015-12-10": ["new 10"], "2015-12-11": ["old 11"]}
    assert names(root / "_staging") == []


@pytest.mark.parametrize("content", ["", "{", '{"run": "dead'])
def test_a_journal_that_a_power_cut_left_empty_is_named_with_the_remedy(spark, root, content):
    (root / "_journal").mkdir(exist_ok=True)
    (root / "_journal" / "dead.json").write_text(content)
    with pytest.raises(
        UserError, match=r"_journal/dead\.json is incomplete, as after a power cut: .* Remove it, then run"
    ):
        recover(spark, str(root), "next")
    assert found(spark, root) == OLD


def test_a_half_written_journal_commits_nothing_and_is_removed(spark, root):
    (root / "_journal").mkdir(exist_ok=True)
    (root / "_journal" / "dead.json.part").write_text('{"run": "dead", "mov')
    commit(spark, root, "next", **{"2015-12-10": ["new"]})
    assert found(spark, root) == OLD | {"2015-12-10": ["new"]}
    assert names(root / "_journal") == []


@pytest.mark.usefixtures("two_steps")
def test_an_object_stores_half_copied_day_is_replaced_by_the_whole_one(spark, root, monkeypatch):
    """A rename there copies file by file, so a kill may leave some files of the new day in place of the old."""
    interrupt(spark, root, monkeypatch, 2, **{"2015-12-10": ["new 1", "new 2"]})
    half = root / "messages" / "day=2015-12-10"
    half.mkdir()
    staged = next((root / "_staging").glob("killed-*/messages/day=2015-12-10/*.parquet"))
    (half / staged.name).write_bytes(staged.read_bytes())
    recover(spark, str(root), "next")
    assert found(spark, root) == {"2015-12-10": ["new 1", "new 2"], "2015-12-11": ["old 11"]}


def test_the_files_of_a_living_run_are_not_removed(spark, root):
    with begin_transaction(spark, str(root), "living", []) as transaction:
        transaction.stage("messages", messages(spark, **{"2015-12-10": ["new"]}), MESSAGES, DAY)
        recover(spark, str(root), "next")
        commit(spark, root, "other", **{"2015-12-11": ["other"]})
        transaction.commit()
    assert found(spark, root) == OLD | {"2015-12-10": ["new"], "2015-12-11": ["other"]}


def test_a_commit_that_waits_in_vain_is_refused_and_changes_nothing(spark, root, monkeypatch):
    monkeypatch.setattr(locks.lock.__wrapped__, "__defaults__", (0.05,))
    with (
        locks.lock(HadoopRoot(spark, str(root)), "_lock", "night-shift"),
        pytest.raises(UserError, match=r"^run night-shift holds"),
    ):
        commit(spark, root, "second", **{"2015-12-10": ["new"]})
    assert found(spark, root) == OLD
    assert names(root / "_staging") == names(root / "_journal") == []


def test_recover_creates_nothing_under_a_new_root(spark, tmp_path):
    recover(spark, str(tmp_path / "new"), "next")
    assert names(tmp_path) == []

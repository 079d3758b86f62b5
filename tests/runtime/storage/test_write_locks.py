"""Write locks: the runs that may write at the same time, and the messages of the others."""

import threading
import time
from datetime import date

import pytest
from held_locks import LocklessRoot, another_process_that_holds

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage import write_locks
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.write_locks import WriteLock, hold_write_locks

HELD = "_claims/score-of-last-night"
TENTH, ELEVENTH, TWELFTH = (date(2015, 12, day) for day in (10, 11, 12))


@pytest.fixture(params=[HadoopRoot, LocklessRoot], ids=["disk", "elsewhere"])
def root(request, spark, tmp_path):
    return request.param(spark, str(tmp_path))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(write_locks, "_POLL_SECONDS", 0.02)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (WriteLock("scored", TENTH, TENTH), WriteLock("scored", TENTH, TENTH)),
        (WriteLock("scored", TENTH, TWELFTH), WriteLock("scored", ELEVENTH, ELEVENTH)),
        (WriteLock("scored", None, TENTH), WriteLock("scored", TENTH, None)),
        (WriteLock("scored"), WriteLock("scored", TENTH, TENTH)),
        (WriteLock("report"), WriteLock("report")),
    ],
)
def test_a_second_run_that_would_write_some_of_the_same_is_refused_in_the_name_of_the_first(root, one, other):
    for first, second in ((one, other), (other, one)):
        with (
            hold_write_locks(root, "score-1", [first]),
            pytest.raises(UserError) as raised,
            hold_write_locks(root, "score-2", [WriteLock("dataset"), second], wait_seconds=0),
        ):
            pass
        assert f"run score-1 is writing {first}, which this run would also write" in str(raised.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (WriteLock("scored", TENTH, TENTH), WriteLock("scored", ELEVENTH, TWELFTH)),
        (WriteLock("scored", None, TENTH), WriteLock("scored", ELEVENTH, None)),
        (WriteLock("scored", TENTH, TENTH), WriteLock("tweets", TENTH, TENTH)),
        (WriteLock("scored"), WriteLock("report")),
    ],
)
def test_runs_of_other_days_or_other_tables_run_in_parallel(root, one, other):
    with hold_write_locks(root, "run-1", [one]), hold_write_locks(root, "run-2", [other], wait_seconds=0):
        assert root.exists("_claims/run-1")
        assert root.exists("_claims/run-2")


def test_a_second_run_waits_for_the_end_of_the_first_and_reports_it_once(root, caplog):
    order = []

    def first():
        with hold_write_locks(root, "score-1", [WriteLock("scored", TENTH, TENTH)]):
            held.set()
            time.sleep(0.3)
            order.append("first")

    held = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(30)
    with hold_write_locks(root, "score-2", [WriteLock("scored", TENTH, ELEVENTH)]):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert caplog.messages == ["waiting for run score-1, which is writing scored/ of 2015-12-10"]


def test_the_name_of_the_other_run_adds_no_line(root, caplog):
    first = hold_write_locks(root, "score-1\nforged\x1b[2J", [WriteLock("scored")])
    second = hold_write_locks(root, "score-2", [WriteLock("scored")], 0.1)
    with first, pytest.raises(UserError) as raised, second:
        pass
    assert raised.value.lines[0].startswith(r"run score-1\u000aforged\u001b[2J is writing scored/")
    assert caplog.messages == [r"waiting for run score-1\u000aforged\u001b[2J, which is writing scored/"]


def test_a_slow_disk_does_not_use_up_the_wait(root, caplog, monkeypatch):
    names = root.names
    with hold_write_locks(root, "score-1", [WriteLock("scored")]):
        monkeypatch.setattr(root, "names", lambda folder: time.sleep(0.2) or names(folder))
        second = hold_write_locks(root, "score-2", [WriteLock("scored")], 0.1)
        with pytest.raises(UserError, match="run score-1 is writing scored/"), second:
            pass
    assert caplog.messages == ["waiting for run score-1, which is writing scored/"]


def test_of_many_concurrent_runs_one_writes_at_a_time(root):
    at_work = []
    most = []

    def run(number):
        with hold_write_locks(root, f"score-{number}", [WriteLock("scored", TENTH, TENTH)]):
            at_work.append(number)
            most.append(len(at_work))
            time.sleep(0.02)
            at_work.remove(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_a_failed_run_holds_no_write_lock(root):
    with pytest.raises(KeyError), hold_write_locks(root, "score-1", [WriteLock("scored")]):
        raise KeyError
    assert not root.exists("_claims/score-1")
    with hold_write_locks(root, "score-2", [WriteLock("scored")], wait_seconds=0):
        pass


def test_a_dead_run_holds_no_write_lock_on_a_disk(spark, tmp_path):
    root = HadoopRoot(spark, str(tmp_path))
    with another_process_that_holds(tmp_path, HELD, '[["scored", "2015-12-10", "2015-12-10"]]') as process:
        with (
            pytest.raises(UserError, match="score-of-last-night"),
            hold_write_locks(root, "score-2", [WriteLock("scored")], 0),
        ):
            pass
        process.kill()
        process.wait()
        with hold_write_locks(root, "score-2", [WriteLock("scored")], wait_seconds=0):
            pass
    assert not (tmp_path / "_claims" / "score-of-last-night").exists()


def test_elsewhere_the_file_of_a_dead_run_has_to_be_removed_and_is_named(spark, tmp_path):
    root = LocklessRoot(spark, str(tmp_path))
    (tmp_path / "_claims").mkdir()
    left = tmp_path / "_claims" / "score-1"
    left.write_text('[["scored", null, null]]')
    with (
        pytest.raises(UserError) as raised,
        hold_write_locks(root, "score-2", [WriteLock("scored")], wait_seconds=0),
    ):
        pass
    assert str(raised.value).endswith(f"If it is dead, remove {left.as_uri()}")


def test_a_damaged_write_lock_of_a_living_run_is_an_error_that_names_it(spark, tmp_path):
    with (
        another_process_that_holds(tmp_path, HELD, '[["scored", "no'),
        pytest.raises(UserError, match="_claims/score-of-last-night is not a valid write lock"),
        hold_write_locks(HadoopRoot(spark, str(tmp_path)), "score-2", [WriteLock("scored")], 0),
    ):
        pass

import threading
import time
from pathlib import Path

import pytest
from held_locks import LocklessRoot, another_process_that_holds
from py4j.protocol import Py4JJavaError

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage import locks
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.locks import lock, lock_if_free


@pytest.fixture(params=[HadoopRoot, LocklessRoot], ids=["disk", "elsewhere"])
def folders(request, spark, tmp_path):
    return request.param(spark, str(tmp_path))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.02)


def test_a_second_run_is_refused_in_the_name_of_the_first(folders, tmp_path):
    with lock(folders, "_lock", "clean-1"), pytest.raises(UserError) as raised, lock(folders, "_lock", "clean-2", 0.05):
        pass
    assert f"run clean-1 holds {folders.local('_lock') or folders.url('_lock')}: wait for it" in str(raised.value)


def test_a_lock_is_free_again_after_its_run_whatever_happened(folders):
    with pytest.raises(KeyError), lock(folders, "_lock", "clean-1"):
        raise KeyError
    with lock(folders, "_lock", "clean-2", 0):
        pass


def test_a_second_run_waits_until_the_first_is_through(folders):
    order = []

    def first():
        with lock(folders, "_lock", "first"):
            held.set()
            time.sleep(0.2)
            order.append("first")

    held = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(10)
    with lock(folders, "_lock", "second", 10):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_lock_released_while_one_asks_for_it_is_asked_for_again(spark, tmp_path, monkeypatch):
    folders = LocklessRoot(spark, str(tmp_path))
    write = HadoopRoot._write

    def release_after_refusal(self, name, text, overwrite):
        try:
            write(self, name, text, overwrite)
        except Py4JJavaError:
            self.delete(name)
            raise

    monkeypatch.setattr(HadoopRoot, "_write", release_after_refusal)
    folders.create("_lock", "clean-1")
    with lock(folders, "_lock", "clean-2", 10):
        assert folders.read_text("_lock") == "clean-2"


def test_locks_of_other_names_are_free(folders):
    with lock(folders, "a", "clean-1"), lock(folders, "b", "clean-1", 0):
        pass


def test_a_lock_tells_whether_a_living_run_has_it(folders):
    with lock(folders, "_lock", "clean-1"), lock_if_free(folders, "_lock") as free:
        assert not free
    with lock_if_free(folders, "_lock") as free:
        assert free
    with lock(folders, "_lock", "clean-2", 0.05):
        pass


def test_nobody_gets_a_lock_that_was_found_free_while_its_files_are_cleared(spark, tmp_path):
    folders = HadoopRoot(spark, str(tmp_path))
    with lock_if_free(folders, "_lock") as free, pytest.raises(UserError):
        assert free
        with lock(folders, "_lock", "clean-1", 0.05):
            pass


def test_a_lock_whose_file_was_taken_away_while_one_waited_is_asked_for_again(spark, tmp_path, monkeypatch):
    """Otherwise one run would hold a file that nobody else can see."""
    folders = HadoopRoot(spark, str(tmp_path))
    flock, taken = locks.fcntl.flock, []

    def remove_then_flock(handle, how):
        if not taken:
            taken.append((tmp_path / "_lock").unlink())
        flock(handle, how)

    monkeypatch.setattr(locks.fcntl, "flock", remove_then_flock)
    with lock(folders, "_lock", "clean-1"):
        assert (tmp_path / "_lock").read_text() == "clean-1"


def test_another_process_is_refused_and_takes_over_when_the_holder_is_killed(spark, tmp_path):
    folders = HadoopRoot(spark, str(tmp_path))
    with another_process_that_holds(tmp_path, "_lock", "clean-of-last-night") as holder:
        with (
            pytest.raises(UserError, match=r"^run clean-of-last-night holds "),
            lock(folders, "_lock", "clean-2", 0.05),
        ):
            pass
        holder.kill()
        with lock(folders, "_lock", "clean-2", 10):
            assert (tmp_path / "_lock").read_text() == "clean-2"


def test_a_lock_that_cannot_be_written_says_so_at_once(spark, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=f"^cannot write file://{tmp_path}/file/_lock: "):
        lock(LocklessRoot(spark, f"{tmp_path}/file"), "_lock", "clean-1", 60).__enter__()


def test_no_handle_is_left_open_by_waiting(spark, tmp_path):
    folders = HadoopRoot(spark, str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    with lock(folders, "_lock", "clean-1"), pytest.raises(UserError), lock(folders, "_lock", "clean-2", 0.2):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before

import threading
import time
from pathlib import Path

import pytest
from held_locks import LocklessRoot, another_process_that_holds
from py4j.protocol import Py4JJavaError

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage import locks
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.locks import lock, try_lock


@pytest.fixture(params=[HadoopRoot, LocklessRoot], ids=["disk", "elsewhere"])
def root(request, spark, tmp_path):
    return request.param(spark, str(tmp_path))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.02)


def test_a_second_run_is_refused_in_the_name_of_the_first(root, tmp_path):
    with lock(root, "_lock", "clean-1"), pytest.raises(UserError) as raised, lock(root, "_lock", "clean-2", 0.05):
        pass
    assert f"run clean-1 holds {root.local('_lock') or root.url('_lock')}: wait for it" in str(raised.value)


def test_a_lock_is_free_again_after_its_run_even_if_that_failed(root):
    with pytest.raises(KeyError), lock(root, "_lock", "clean-1"):
        raise KeyError
    with lock(root, "_lock", "clean-2", 0):
        pass


def test_a_second_run_waits_for_the_end_of_the_first(root):
    order = []

    def first():
        with lock(root, "_lock", "first"):
            held.set()
            time.sleep(0.2)
            order.append("first")

    held = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(10)
    with lock(root, "_lock", "second", 10):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_lock_released_while_it_is_requested_is_requested_again(spark, tmp_path, monkeypatch):
    root = LocklessRoot(spark, str(tmp_path))
    write = HadoopRoot._write

    def remove_after_refusal(self, name, text, overwrite):
        try:
            write(self, name, text, overwrite)
        except Py4JJavaError:
            self.delete(name)
            raise

    monkeypatch.setattr(HadoopRoot, "_write", remove_after_refusal)
    root.create("_lock", "clean-1")
    with lock(root, "_lock", "clean-2", 10):
        assert root.read_text("_lock") == "clean-2"


def test_locks_of_other_names_are_free(root):
    with lock(root, "a", "clean-1"), lock(root, "b", "clean-2", 0):
        assert (root.read_text("a"), root.read_text("b")) == ("clean-1", "clean-2")


def test_a_lock_shows_if_a_living_run_holds_it(root):
    with lock(root, "_lock", "clean-1"), try_lock(root, "_lock") as free:
        assert not free
    with try_lock(root, "_lock") as free:
        assert free
    with lock(root, "_lock", "clean-2", 0.05):
        pass


def test_nobody_gets_a_lock_that_was_found_free_while_its_files_are_cleared(spark, tmp_path):
    root = HadoopRoot(spark, str(tmp_path))
    with try_lock(root, "_lock") as free, pytest.raises(UserError):
        assert free
        with lock(root, "_lock", "clean-1", 0.05):
            pass


def test_a_lock_whose_file_was_removed_while_one_waited_is_requested_again(spark, tmp_path, monkeypatch):
    """Otherwise one run would hold a file that no other run can see."""
    root = HadoopRoot(spark, str(tmp_path))
    flock, removed = locks.fcntl.flock, []

    def remove_then_flock(handle, how):
        if not removed:
            removed.append((tmp_path / "_lock").unlink())
        flock(handle, how)

    monkeypatch.setattr(locks.fcntl, "flock", remove_then_flock)
    with lock(root, "_lock", "clean-1"):
        assert (tmp_path / "_lock").read_text() == "clean-1"


def test_another_process_is_refused_and_takes_over_when_the_holder_is_killed(spark, tmp_path):
    root = HadoopRoot(spark, str(tmp_path))
    with another_process_that_holds(tmp_path, "_lock", "clean-of-last-night") as holder:
        with (
            pytest.raises(UserError, match=r"^run clean-of-last-night holds "),
            lock(root, "_lock", "clean-2", 0.05),
        ):
            pass
        holder.kill()
        with lock(root, "_lock", "clean-2", 10):
            assert (tmp_path / "_lock").read_text() == "clean-2"


def test_a_lock_that_cannot_be_written_is_an_error_at_once(spark, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=f"^cannot write file://{tmp_path}/file/_lock: "):
        lock(LocklessRoot(spark, f"{tmp_path}/file"), "_lock", "clean-1", 60).__enter__()


def test_no_handle_stays_open_after_a_wait(spark, tmp_path):
    root = HadoopRoot(spark, str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    with lock(root, "_lock", "clean-1"), pytest.raises(UserError), lock(root, "_lock", "clean-2", 0.2):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before

"""The state of a run, from its record."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.past_run import PastRun, State
from tonality.runtime.runs.query import RunQuery, find
from tonality.runtime.runs.record import UNFINISHED, Run
from tonality.runtime.settings.load import load

RUNNING = """
import sys, time
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
with Run("clean", load([], [f"paths.root={sys.argv[1]}"])) as run:
    print(run.id, flush=True)
    time.sleep(600)
"""


def state(root, run):
    [found] = find(root, RunQuery(run))
    return found.state, found.why


@pytest.fixture
def running(root):
    """A run in another process, and its id."""
    with subprocess.Popen([sys.executable, "-c", RUNNING, root], stdout=subprocess.PIPE, text=True) as process:
        yield process, process.stdout.readline().strip()
        process.kill()


def test_a_run_that_ended_well_is_done(root, ran):
    assert state(root, ran("clean")) == (State.DONE, "")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("no file found"), (State.FAILED, "no file found")),
        (ZeroDivisionError("by hand"), (State.FAILED, "ZeroDivisionError: by hand")),
        (KeyboardInterrupt("go on with `train`"), (State.INTERRUPTED, "go on with `train`")),
    ],
)
def test_a_failed_run_has_its_reason(root, ran, error, expected):
    assert state(root, ran("clean", error=error)) == expected


def test_a_run_is_running_while_its_process_lives_and_killed_afterwards(root, running):
    process, run = running
    assert state(root, run) == (State.RUNNING, "")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state(root, run) == (State.KILLED, "")


def test_a_run_of_this_process_is_running_until_it_ends(root):
    with Run("clean", load([], [f"paths.root={root}"])) as run:
        assert state(root, run.id)[0] is State.RUNNING
        assert find(root, RunQuery(run.id))[0].seconds is not None
    assert state(root, run.id)[0] is State.DONE


def test_looking_does_not_take_the_lock_from_a_run(root, running):
    _, run = running
    assert [state(root, run)[0] for _ in range(20)] == [State.RUNNING] * 20


def test_a_run_of_another_machine_is_lost_unless_its_lock_is_held(root, ran, rewritten, running):
    run = ran("clean")
    rewritten(run, fault=UNFINISHED, host="elsewhere")
    assert state(root, run)[0] is State.LOST
    with Path(root, "runs", f"{running[1]}.json").open("r+") as record:  # in place, as the lock is on this very file
        content = record.read().replace(f'"host": "{os.uname().nodename}"', '"host": "elsewhere"')
        record.seek(0)
        record.write(content)
        record.truncate()
    assert state(root, running[1])[0] is State.RUNNING


def test_a_record_of_an_earlier_version_is_read_and_lost_where_it_has_not_ended(root, ran, rewritten):
    later = dict.fromkeys(
        ("host", "process", "locked", "asked", "reads", "writes", "part_of", "user", "python"), "removed"
    )
    done, open_ended = ran("clean", counts={"tweets": 3}), ran("score")
    rewritten(done, **later)
    rewritten(open_ended, **later, fault=UNFINISHED)
    assert [run.state for run in find(root, RunQuery())] == [State.DONE, State.LOST]
    assert find(root, RunQuery(done))[0].table("reads") == {}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "an empty record, as after a power cut"),
        (b'{"run": "cl', "half a record, as after a full disk"),
        (b"\xff\xfe{}", "half a record, as after a full disk"),
        (b"[1, 2]", "not a run record: expected the time of its start and its outcome"),
        (b"{}", "not a run record: expected the time of its start and its outcome"),
    ],
)
def test_a_damaged_record_is_reported(root, ran, content, why):
    run = ran("clean")
    Path(root, "runs", f"{run}.json").write_bytes(content)
    assert state(root, run) == (State.DAMAGED, why)


def test_a_record_that_the_system_does_not_open_is_damaged(root, ran):
    run = ran("clean")
    Path(root, "runs", f"{run}.json").unlink()
    Path(root, "runs", f"{run}.json").mkdir()
    assert state(root, run) == (State.DAMAGED, "the record cannot be read: Is a directory")


def test_a_record_that_was_removed_since_it_was_listed_is_no_run(root):
    assert PastRun.read(fsspec.filesystem("file"), f"{root}/runs/clean-1.json") is None


# In an object store there are no locks


@pytest.fixture
def bucket():
    system = fsspec.filesystem("memory")
    yield "memory://runs-bucket/out"
    system.rm("/runs-bucket", recursive=True)


def test_in_an_object_store_a_run_of_this_machine_is_judged_by_its_process(bucket, monkeypatch):
    with Run("clean", load([], [f"paths.root={bucket}"])) as run:
        assert state(bucket, run.id)[0] is State.RUNNING
        record = fsspec.filesystem("memory").cat_file(f"/runs-bucket/out/runs/{run.id}.json")
        number = f'"process": {os.getpid()}'.encode()
        assert number in record
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        changed = record.replace(number, f'"process": {ended.pid}'.encode())
        fsspec.filesystem("memory").pipe_file(f"/runs-bucket/out/runs/{run.id}.json", changed)
        assert state(bucket, run.id)[0] is State.KILLED
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        assert state(bucket, run.id)[0] is State.LOST
    assert state(bucket, run.id)[0] is State.DONE


def test_a_younger_process_of_the_same_id_is_another(bucket):
    """As after a restart: process ids are reused."""
    with Run("clean", load([], [f"paths.root={bucket}"])) as run:
        place = f"/runs-bucket/out/runs/{run.id}.json"
        system = fsspec.filesystem("memory")
        record = system.cat_file(place).decode()
        started = next(line for line in record.splitlines() if '"started"' in line)
        system.pipe_file(place, record.replace(started, '  "started": "2015-12-10T00:00:00+00:00",').encode())
        assert state(bucket, run.id)[0] is State.KILLED

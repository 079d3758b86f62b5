import errno
import fcntl
import json
import os
import platform
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

import tonality
from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load


@pytest.fixture
def settings(tmp_path):
    return load([], [f"paths.root={tmp_path}/мои твиты", "train.epochs=7"])


def records(settings):
    return {file.name: json.loads(file.read_text()) for file in Path(settings.paths.root, "runs").iterdir()}


def test_a_run_leaves_a_record_of_its_stage_settings_and_result(settings):
    before = datetime.now(UTC).replace(microsecond=0)
    with Run("clean", settings) as run:
        run.add(counts={"tweets": 3})
        run.add(files=1)
    ((name, record),) = records(settings).items()
    assert name == f"{run.id}.json"
    assert (record["run"], record["stage"], record["tonality"]) == (run.id, "clean", tonality.__version__)
    assert (record["counts"], record["files"], record["fault"]) == ({"tweets": 3}, 1, None)
    assert record["settings"]["train"]["epochs"] == 7
    assert before <= datetime.fromisoformat(record["started"]) <= datetime.now(UTC)
    assert 0 <= record["seconds"] < 5


def test_two_runs_of_one_second_have_two_records(settings):
    for _ in range(2):
        with Run("clean", settings):
            pass
    assert len(records(settings)) == 2


@pytest.mark.parametrize("error", [InputError("no file found"), ZeroDivisionError("by hand"), KeyboardInterrupt()])
def test_a_failed_run_leaves_a_record_that_names_the_failure_and_what_it_counted(settings, error):
    with pytest.raises(type(error)), Run("clean", settings) as run:
        run.add(files=1)
        raise error
    (record,) = records(settings).values()
    assert (record["fault"], record["files"]) == (f"{type(error).__name__}: {error}", 1)


def test_a_translated_error_is_recorded_as_the_user_reads_it(settings):
    with pytest.raises(OSError, match="No space"), Run("clean", settings):
        raise OSError(errno.ENOSPC, "No space left on device", "/data/tweets")
    (record,) = records(settings).values()
    assert record["fault"].startswith("UserError: /data/tweets: no space left on device: free some space")


def test_a_run_with_invalid_settings_leaves_none(settings):
    with pytest.raises(SettingsError), Run("clean", settings):
        raise SettingsError("paths.archive is empty")
    assert records(settings) == {}


def test_a_run_that_has_not_ended_has_an_unfinished_record(settings):
    """A killed run leaves the same."""
    with Run("clean", settings) as run:
        (record,) = records(settings).values()
        assert (record["run"], record["fault"]) == (run.id, "not ended: still running, or killed")


def test_a_root_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings = load([], [f"paths.root={tmp_path}/file"])
    with pytest.raises(UserError, match=f"^paths.root: cannot write to {tmp_path}/file: "), Run("clean", settings):
        pytest.fail("the run began")


def test_a_record_that_cannot_be_written_does_not_hide_why_the_run_failed(settings, monkeypatch):
    with pytest.raises(ZeroDivisionError), Run("clean", settings) as run:
        monkeypatch.setattr(Run, "_write", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        raise ZeroDivisionError
    assert records(settings)[f"{run.id}.json"]["fault"].startswith("not ended")


def test_a_record_has_the_host_the_process_and_the_requested_days(tmp_path):
    settings = load([], [f"paths.root={tmp_path}", "archive.since=2015-12-10", "score.until=2015-12-11"])
    found = {}
    for stage in ("clean", "score", "train"):
        with Run(stage, settings, part_of="pipeline-1"):
            pass
        [found[stage]] = (record for record in records(settings).values() if record["stage"] == stage)
    assert found["clean"]["asked"] == {"since": "2015-12-10", "until": None}
    assert found["score"]["asked"] == {"since": None, "until": "2015-12-11"}
    assert found["train"]["asked"] == {}
    for record in found.values():
        assert (record["host"], record["process"]) == (socket.gethostname(), os.getpid())
        assert (record["python"], record["part_of"]) == (platform.python_version(), "pipeline-1")
        assert (record["reads"], record["writes"], record["counts"], record["days"]) == ({}, {}, {}, None)


def test_a_record_is_written_where_its_user_has_no_name(settings, monkeypatch):
    """As in a container whose user has only a number."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    with Run("clean", settings):
        pass
    assert [record["user"] for record in records(settings).values()] == [None]


def test_a_disk_that_fills_as_a_run_begins_leaves_no_half_record(settings, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", fill)
    with pytest.raises(UserError, match="No space left on device"), Run("clean", settings):
        pytest.fail("the run began")
    assert list(Path(settings.paths.root, "runs").iterdir()) == []


def test_a_run_on_a_disk_without_locks_is_recorded_as_one(settings, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Run("clean", settings):
        assert [record["locked"] for record in records(settings).values()] == [False]


def test_a_name_that_is_not_utf_8_leaves_a_readable_record(settings):
    with Run("clean", settings) as run:
        run.add(file=os.fsdecode(b"\xff.csv"))
    ((_, record),) = records(settings).items()
    assert record["file"] == "\udcff.csv"

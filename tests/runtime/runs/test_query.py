"""The runs that a query finds, and their order."""

from datetime import date
from pathlib import Path

import pytest

from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.runs import query
from tonality.runtime.runs.query import RunQuery, find


def ids(root, **conditions):
    return [run.id for run in find(root, RunQuery(**conditions))]


def test_the_newest_is_last_whatever_the_stages_are_called(root, ran):
    first, second, third = ran("score", at="20151210T000000Z"), ran("clean", at="20151211T000000Z"), ran("report")
    assert ids(root) == [first, second, third]


def test_the_last_of_a_stage_are_found_without_reading_all_others(root, ran, monkeypatch):
    runs = [ran("clean", at=f"201512{day:02}T000000Z") for day in range(1, 13)]
    ran("score")
    monkeypatch.setattr(query, "_PARALLEL_READS", 2)
    read = []
    monkeypatch.setattr(
        query.PastRun,
        "read",
        lambda system, path, old=query.PastRun.read: (read.append(path), old(system, path))[1],
    )
    assert ids(root, stage="clean", last=2) == runs[-2:]
    assert len(read) <= 4


def test_failed_are_those_that_ended_badly_and_those_whose_record_is_damaged(root, ran):
    ran("clean")
    failed = ran("clean", at="20151210T000000Z", error=InputError("nothing"))
    broken = ran("score", at="20151211T000000Z")
    Path(root, "runs", f"{broken}.json").write_text("{")
    assert ids(root, failed=True) == [failed, broken]
    assert ids(root, failed=True, stage="report") == []


def test_a_day_finds_the_runs_that_were_requested_to_process_it(root, ran):
    ran("train")
    alone = ran("clean", "archive.since=2015-12-10", "archive.until=2015-12-10", at="20151201T000000Z")
    ran("clean", "archive.since=2015-12-11", at="20151202T000000Z")
    all_days = ran("score", at="20151203T000000Z")
    until = ran("report", "survey.until=2015-12-10", at="20151204T000000Z")
    assert ids(root, day=date(2015, 12, 10)) == [alone, all_days, until]


def test_parts_of_a_pipeline_and_of_a_night_are_found_by_it(root, ran, monkeypatch):
    part = ran("clean", part_of="pipeline-1")
    monkeypatch.setenv("TONALITY_PART_OF", "night-1")
    nightly = ran("clean")
    inner = ran("score", part_of="pipeline-2")
    assert ids(root, part_of="pipeline-1") == [part]
    assert ids(root, part_of="night-1") == ids(root, part_of="night") == [nightly]
    assert ids(root, part_of="ight-1") == []
    assert ids(root, part_of="pipeline-2") == [inner]


def test_a_run_is_found_by_any_unique_part_of_its_id(root, ran):
    one, other = ran("clean", at="20151210T000000Z"), ran("clean", at="20151211T000000Z")
    assert ids(root, run="20151211") == ids(root, run=other) == [other]
    with pytest.raises(SettingsError, match=f"^2 runs have clean in their id: {other}, {one}; expected one$"):
        find(root, RunQuery(run="clean"))
    with pytest.raises(SettingsError, match=f"has the id score; the newest are {other}, {one}$"):
        find(root, RunQuery(run="score"))


def test_if_there_is_no_record_the_folder_is_named(root, tmp_path):
    with pytest.raises(InputError, match=f"^no run records in {root}/runs: nothing at {root}; "):
        find(root, RunQuery())
    Path(root, "runs").mkdir(parents=True)
    Path(root, "runs", ".clean-1.json.coming").touch()
    Path(root, "runs", "notes.txt").touch()
    with pytest.raises(InputError, match=f"^no run records in {root}/runs$"):
        find(root, RunQuery())

"""Formats of runs for people and programs."""

import json
import re
import shlex
from pathlib import Path

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.format import as_details, as_json, as_logfmt, as_table
from tonality.runtime.runs.query import RunQuery, find
from tonality.runtime.runs.record import UNFINISHED

DAY = ("archive.since=2015-12-10", "archive.until=2015-12-10")
CLEANED = {
    "days": 1,
    "reads": {"archive": {"files": 2, "bytes": 18_234_567, "records": 100_000}},
    "writes": {"tweets": {"rows": 90_019}},
    "counts": {"lines": 100_000, "tweets": 90_019, "rejects": 12, "damaged": 0},
}


def test_a_table_has_a_line_for_each_run_in_columns(root, ran, rewritten):
    done = ran("clean", *DAY, at="20151211T010203Z", **CLEANED)
    rewritten(done, started="2015-12-11T01:02:03+00:00", seconds=192.4)
    failed = ran("score", at="20151211T020304Z", error=InputError("no model:", "run `train` first"))
    rewritten(failed, started="2015-12-11T02:03:04+00:00", seconds=0.24)
    killed = ran("report", at="20151211T030405Z")
    rewritten(killed, started="2015-12-11T03:04:05+00:00", fault=UNFINISHED)
    assert as_table(find(root, RunQuery()), None).splitlines() == [
        f"started (UTC)     {'run':<28}  days        read                     wrote          counted           took  ended",
        f"2015-12-11 01:02  {done:<28}  2015-12-10  archive 100,000 (18 MB)  tweets 90,019  rejects 12  3 min 12 s  done",
        f"2015-12-11 02:03  {failed:<28}  all                                                                  0.2 s  failed: no model:",
        f"2015-12-11 03:04  {killed:<28}  all                                                                         killed",
    ]


def test_a_narrow_terminal_shows_fewer_columns_and_the_beginning_of_a_long_error(root, ran):
    run = ran("clean", **CLEANED, error=InputError("x" * 300))
    for width in (200, 140, 110, 80):
        header, line = as_table(find(root, RunQuery()), width).splitlines()
        assert len(line) == width
        assert run in line
        assert line.endswith("x…")
    assert header.split() == ["started", "(UTC)", "run", "took", "ended"]


def test_one_day_is_no_days(root, ran):
    run = ran("report", reads={"scored": {"days": 1}}, writes={"report": {"files": 1}})
    for text in (as_table(find(root, RunQuery()), None), as_details(find(root, RunQuery())[0])):
        assert re.search(r"scored:? 1 day\b", text)
        assert re.search(r"report:? 1 file\b", text)
    assert run in text


def test_no_runs_are_no_lines():
    assert as_table([], None) == as_json([]) == as_logfmt([]) == ""


def test_a_damaged_record_has_its_line_too(root, ran):
    run = ran("clean")
    Path(root, "runs", f"{run}.json").write_text("{")
    runs = find(root, RunQuery())
    assert as_table(runs, None).splitlines()[1].split("  ") == [run, "damaged: half a record, as after a full disk"]
    assert run in as_details(runs[0])
    assert json.loads(as_json(runs))["state"] == "damaged"
    assert f"run={run} stage=clean state=damaged" in as_logfmt(runs)


def test_values_of_another_type_and_control_characters_do_no_harm(root, ran, rewritten):
    run = ran("clean", error=InputError("\x1b[2J file\rname"))
    rewritten(
        run,
        reads=5,
        writes={"tweets": "many"},
        counts={"a": None, "b": True, "c": "x"},
        asked=[],
        seconds="long",
        settings=7,
        spark="no",
    )
    runs = find(root, RunQuery())
    for text in (as_table(runs, None), as_details(runs[0])):
        assert r"failed: \u001b[2J file\u000dname" in text
        assert "\x1b" not in text
    assert json.loads(as_json(runs))["reads"] == 5
    assert "tweets=" not in as_logfmt(runs)


def test_no_name_in_a_record_adds_a_line_or_a_key(root, ran, rewritten):
    name = "x\nforged\x1b[2J\x07\u202e\x9b tweets=7"
    shown = r"x\u000aforged\u001b[2J\u0007\u202e\u009b tweets=7"
    run = ran("clean", *DAY, part_of=name, error=InputError("first", "second"))
    facts = {"host": name, "user": name, "asked": {name: 1}, "counts": {name: 1}, "reads": {name: {"rows": 1}}}
    rewritten(run, **facts, settings={"paths": {name: name}}, **{name: name})
    Path(root, "runs", f"{run}.json").rename(Path(root, "runs", f"clean-20151210T000000Z-{name}.json"))
    runs = find(root, RunQuery())
    table, details, json_line, pairs = as_table(runs, None), as_details(runs[0]), as_json(runs), as_logfmt(runs)
    assert [len(text.splitlines()) for text in (table, json_line, pairs)] == [2, 1, 1]
    for text in (table, details):
        assert shown in text
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text)
    assert "failed: first\n            second\n" in details, "lines of our own stay lines"
    assert not [line for line in details.splitlines() if line.startswith("forged")]
    assert "tweets" not in [word.partition("=")[0] for word in shlex.split(pairs)]


def test_the_details_of_a_run_contain_everything(root, ran, rewritten):
    run = ran(
        "clean",
        *DAY,
        "train.epochs=7",
        "paths.archive=a.gz",
        part_of="pipeline-1",
        **CLEANED,
        reasons={"no-id": 12},
        spark={"version": "4.2.1", "master": "yarn", "application": "app-1"},
    )
    rewritten(run, seconds=4020.0)
    details = as_details(find(root, RunQuery())[0])
    for line in (
        "part of   pipeline-1",
        "took      1 h 07 min",
        "days      2015-12-10",
        "read      archive: 2 files, 18 MB, 100,000 records",
        "wrote     tweets: 90,019 rows",
        "counted   100,000 lines",
        "           90,019 tweets",
        'other     reasons = {"no-id": 12}',
        'settings  paths.archive = ["a.gz"]',
        "          train.epochs = 7",
    ):
        assert f"  {line}\n" in details
    assert re.search(
        r"by        Tonality \S+, Python \S+, Spark 4\.2\.1; on yarn as app-1; for \w+ on \S+, process \d+\n", details
    )
    assert "train.batch_size" not in details, "a default is not shown"


def test_a_pipeline_shows_the_seconds_of_its_stages(root, ran):
    ran("pipeline", seconds_by_stage={"clean": 57.0, "score": 8.6})
    assert "  stages        57.0 s clean\n                 8.6 s score\n" in as_details(find(root, RunQuery())[0])


def test_a_program_finds_the_same_keys_in_every_line(root, ran, rewritten):
    old = ran("score", at="20151210T000000Z", counts={"positive": 3})
    rewritten(
        old, **dict.fromkeys(("reads", "writes", "asked", "part_of", "host", "user", "python", "days"), "removed")
    )
    ran("clean", *DAY, **CLEANED)
    earlier, later = map(json.loads, as_json(find(root, RunQuery())).splitlines())
    assert (
        later.keys()
        >= earlier.keys()
        >= {"run", "stage", "state", "why", "reads", "writes", "counts", "asked", "days", "host", "part_of"}
    )
    assert (earlier["state"], earlier["counts"], earlier["reads"]) == ("done", {"positive": 3}, {})
    assert later["asked"] == {"since": "2015-12-10", "until": "2015-12-10"}


def test_a_shell_finds_numbers_by_their_names(root, ran):
    run = ran("clean", *DAY, **CLEANED, part_of="night 1")
    line = as_logfmt(find(root, RunQuery()))
    words = line.split()
    assert words[:3] == [f"run={run}", "stage=clean", "state=done"]
    for word in (
        "since=2015-12-10",
        "until=2015-12-10",
        "days=1",
        "tweets=90019",
        "rejects=12",
        "reads.archive.bytes=18234567",
    ):
        assert word in words
    assert ' part_of="night 1" ' in line
    failed = ran("clean", error=InputError('no "file"'))
    assert as_logfmt(find(root, RunQuery(failed))).endswith(' why="no \\"file\\""\n')


def test_a_secret_in_a_record_of_an_earlier_version_is_not_shown(root, ran, rewritten):
    run = ran("clean")
    rewritten(run, settings={"paths": {"archive": ["s3://key:geheim@bucket/a"]}})
    [found] = find(root, RunQuery())
    assert "geheim" not in as_json([found]) + as_details(found)

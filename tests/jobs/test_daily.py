"""jobs/daily.sh: with a fake `tonality` that logs its arguments and prints given records, and once with the real one."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kills import write_archive
from small_survey import write_model

SCRIPT = Path(__file__).parent.parent.parent / "jobs" / "daily.sh"

TONALITY = """#!/usr/bin/env bash
if [ "$1" = runs ]; then
    echo "$*" >>"$ASKED"
    if [[ "$*" == *--part-of* ]]; then echo -n "${NIGHT:-}"; else echo -n "${BEFORE:-}"; fi
    exit
fi
echo "$*" >>"$CALLS"
echo "$1 says so"
echo "$1 warns" >&2
echo "part of ${TONALITY_PART_OF:-nothing}"
if [ "$1" = "${HANGING:-}" ]; then touch "$CALLS.hangs"; exec sleep 600; fi
case " ${FAILING:-} " in *" $1 "*) exit "$STATUS" ;; esac
if [[ "$*" == *"${EMPTY:-none}"* ]]; then exit 3; fi
"""
INHERITED = ("PYTHONPATH", "JAVA_HOME", "SPARK_SUBMIT_OPTS", "SPARK_LAUNCHER_OPTS")
"""What the real command needs of this machine, beyond cron's environment."""
DAY = "since=2015-12-10 until=2015-12-10"
SCORED = f"run=score-1 stage=score state=done seconds=6.0 {DAY} writes.scored.rows={{0}} positive={{1}} neutral=9\n"


def cleaned(tweets, rejects=12, damaged=0, lines=100_000, day=DAY, state="done"):
    """The record of `clean`, as `tonality runs --logfmt` has it."""
    counts = f"lines={lines} tweets={tweets} rejects={rejects} damaged={damaged}"
    return (
        f"run=clean-1 stage=clean state={state} seconds=21.0 {day} reads.archive.records={lines} {counts} skipped=0\n"
    )


NIGHT = cleaned(90_019) + SCORED.format(90_019, 41_000)
GOOD = re.compile(
    r"tonality day=2015-12-10 status=ok seconds=\d+ tweets=90019 rejects=12 damaged=0 scored=90019 positive=41000 log=(\S+)\n"
)


@pytest.fixture
def place(tmp_path):
    """A copy of the script outside any environment, and a folder to put on PATH."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(SCRIPT, tmp_path / "jobs")
    fake = tmp_path / "bin" / "tonality"
    fake.write_text(TONALITY)
    fake.chmod(0o755)
    return tmp_path


def environment(place, **others):
    known = {"PATH": f"{place}/bin:{os.environ['PATH']}", "CALLS": f"{place}/calls", "ASKED": f"{place}/asked"}
    return known | {"TONALITY_LOGS": f"{place}/logs", "NIGHT": NIGHT} | others


def daily(place, *arguments, **others):
    return subprocess.run(
        ["bash", f"{place}/jobs/daily.sh", *arguments],
        env=environment(place, **others),
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )


def calls(place):
    return (place / "calls").read_text().splitlines() if (place / "calls").exists() else []


def log(place, day="2015-12-10"):
    return place / "logs" / f"daily-{day}.log"


def test_a_day_is_cleaned_scored_and_reported_in_that_order_with_the_settings_given(place):
    done = daily(place, "2015-12-10", "--config", "my settings.toml")
    assert done.returncode == 0
    assert calls(place) == [
        "clean --config my settings.toml --set archive.since=2015-12-10 --set archive.until=2015-12-10",
        "score --config my settings.toml --set score.since=2015-12-10 --set score.until=2015-12-10",
        "report --config my settings.toml",
    ]


def test_a_good_day_is_one_line_of_words_for_a_monitor_and_the_log_has_everything_else(place):
    done = daily(place, "2015-12-10")
    output = GOOD.fullmatch(done.stdout)
    assert output, done.stdout
    assert (output[1], done.stderr) == (str(log(place)), "")
    assert [line for line in log(place).read_text().splitlines() if "says" in line or "warns" in line] == [
        f"{stage} {does}" for stage in ("clean", "score", "report") for does in ("says so", "warns")
    ]


def test_the_numbers_are_those_of_the_runs_of_this_night(place):
    daily(place, "2015-12-10", "--config", "a.toml")
    [night] = {line for line in log(place).read_text().splitlines() if line.startswith("part of ")}
    assert re.fullmatch(r"part of daily-2015-12-10-\d{8}T\d{6}Z", night)
    assert (place / "asked").read_text().splitlines() == [
        f"runs --logfmt --day 2015-12-10 --part-of {night.removeprefix('part of ')} --config a.toml",
        "runs --logfmt --day 2015-12-09 --stage clean --last 3 --config a.toml",
    ]


@pytest.mark.parametrize(
    ("night", "before", "thresholds", "reason"),
    [
        (cleaned(0) + SCORED.format(0, 0), "", {}, "no-tweets"),
        (NIGHT, cleaned(180_039), {}, "few-tweets"),
        (NIGHT, cleaned(180_038), {}, None),
        (NIGHT, cleaned(90_020), {"TONALITY_LEAST_TWEETS": "100"}, "few-tweets"),
        (NIGHT, cleaned(9_000_000), {"TONALITY_LEAST_TWEETS": "0"}, None),
        (NIGHT, cleaned(9_000_000, state="failed"), {}, None),
        (cleaned(90_019, rejects=1001) + SCORED.format(90_019, 1), "", {}, "rejects"),
        (cleaned(90_019, rejects=1000) + SCORED.format(90_019, 1), "", {}, None),
        (cleaned(90_019, rejects=1001) + SCORED.format(90_019, 1), "", {"TONALITY_MAX_REJECTS": "2"}, None),
        (cleaned(90_019, damaged=1) + SCORED.format(90_019, 1), "", {}, "damaged"),
        (cleaned(90_019, damaged=1) + SCORED.format(90_019, 1), "", {"TONALITY_MAX_DAMAGED": "1"}, None),
        (cleaned(90_019) + SCORED.format(90_018, 1), "", {}, "unscored"),
        (cleaned(9, rejects=5000, damaged=3) + SCORED.format(9, 1), cleaned(99), {}, "few-tweets,rejects,damaged"),
        (cleaned(90_019), "", {}, "no-record"),
        (cleaned(90_019, day="since=2015-12-01 until=2015-12-31") + SCORED.format(90_019, 1), "", {}, "no-record"),
        ("", "", {}, "no-record"),
    ],
)  # fmt: skip
def test_a_day_that_is_done_but_should_be_checked_is_suspect(place, night, before, thresholds, reason):
    before = before.replace("2015-12-10", "2015-12-09")
    done = daily(place, "2015-12-10", NIGHT=night, BEFORE=before, **thresholds)
    assert done.returncode == 0
    [line] = done.stdout.splitlines()
    expected = f"status=suspect reason={reason} seconds=" if reason else "status=ok seconds="
    assert line.startswith(f"tonality day=2015-12-10 {expected}")


def test_without_a_day_it_is_yesterday_in_utc(place):
    before = datetime.now(UTC)
    daily(place, "--config", "a.toml")
    expected = {str((moment - timedelta(days=1)).date()) for moment in (before, datetime.now(UTC))}
    assert calls(place)[0].removeprefix("clean --config a.toml --set archive.since=").split(" ")[0] in expected


@pytest.mark.parametrize(("stage", "status"), [("clean", 2), ("score", 3), ("report", 1)])
def test_a_failing_stage_is_the_last_and_gives_its_status(place, stage, status):
    done = daily(place, "2015-12-10", FAILING=stage, STATUS=str(status))
    assert done.returncode == status
    assert calls(place)[-1].startswith(stage)
    assert re.fullmatch(
        rf"tonality day=2015-12-10 status=failed stage={stage} exit={status} seconds=\d+ log={log(place)}\n",
        done.stdout,
    )
    assert f"{stage} warns" in done.stderr


def test_each_day_of_a_range_has_a_line_and_one_without_files_does_not_prevent_the_next(place):
    done = daily(place, "2015-12-30", "2016-01-01", "--config", "a.toml", EMPTY="archive.since=2015-12-31", NIGHT="")
    assert done.returncode == 3
    words = [line.split()[1:4] for line in done.stdout.splitlines()]
    assert [(day, status) for day, status, _ in words] == [
        ("day=2015-12-30", "status=suspect"),
        ("day=2015-12-31", "status=failed"),
        ("day=2016-01-01", "status=suspect"),
    ]
    assert [call.split()[0] for call in calls(place)] == [
        "clean",
        "score",
        "report",
        "clean",
        "clean",
        "score",
        "report",
    ]
    assert log(place, "2016-01-01").exists()


def test_any_other_failure_ends_a_range(place):
    done = daily(place, "2015-12-30", "2016-01-01", FAILING="clean", STATUS="2")
    assert (done.returncode, len(calls(place)), done.stdout.count("\n")) == (2, 1, 1)


def test_earlier_days_are_cleaned_and_scored_again_for_late_tweets(place):
    done = daily(place, "2015-12-10", TONALITY_RECLEAN="2")
    assert GOOD.fullmatch(done.stdout)
    days = [re.search(r"since=(\S+)", call) for call in calls(place)]
    assert [found[1] for found in days if found] == [f"2015-12-{day:02}" for day in (8, 8, 9, 9, 10, 10)]
    assert calls(place)[-1] == "report"


def test_an_earlier_day_without_files_is_skipped_and_any_other_error_is_reported(place):
    assert daily(place, "2015-12-10", TONALITY_RECLEAN="1", EMPTY="archive.since=2015-12-09").returncode == 0
    done = daily(place, "2015-12-10", TONALITY_RECLEAN="1", FAILING="score", STATUS="1")
    assert done.returncode == 1
    assert done.stdout.startswith("tonality day=2015-12-10 status=failed stage=score exit=1 of=2015-12-09 seconds=")


def test_a_second_run_finds_the_lock_and_stops(place):
    (place / "logs").mkdir()
    with (place / "logs" / "daily.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = daily(place, "2015-12-10")
    assert (done.returncode, calls(place)) == (75, [])
    assert done.stdout == f"tonality day=2015-12-10 status=locked lock={place}/logs/daily.lock\n"
    assert daily(place, "2015-12-10").returncode == 0


def start(place, **others):
    command = ["bash", f"{place}/jobs/daily.sh", "2015-12-10"]
    return subprocess.Popen(command, env=environment(place, **others), cwd=place, stdout=subprocess.PIPE, text=True)


def test_a_run_waits_for_the_lock_on_request(place):
    (place / "logs").mkdir()
    with (place / "logs" / "daily.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        blocked = start(place, TONALITY_WAIT="60")
        time.sleep(0.5)
        assert (blocked.poll(), calls(place)) == (None, [])
    output, _ = blocked.communicate(timeout=60)
    assert GOOD.fullmatch(output)


@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "TERM"), (signal.SIGINT, "INT"), (signal.SIGHUP, "HUP")])
def test_a_signal_ends_the_stage_is_reported_and_frees_the_lock(place, number, name):
    process = start(place, HANGING="score")
    while not (place / "calls.hangs").exists():
        assert process.poll() is None
        time.sleep(0.02)
    child = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout.split()
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert re.fullmatch(
        rf"tonality day=2015-12-10 status=killed signal={name} stage=score seconds=\d+ log={log(place)}\n", output
    )
    assert not [pid for pid in child if Path("/proc", pid).exists()]
    assert calls(place)[-1].startswith("score")
    assert daily(place, "2015-12-10").returncode == 0


def test_only_old_logs_are_removed(place):
    logs = place / "logs"
    logs.mkdir()
    ages = {"daily-2015-08-01.log": 91.5, "daily-2015-12-01.log": 9, "mine-2015-08-01.log": 400, "daily-notes.log": 400}
    for name, days in ages.items():
        (logs / name).touch()
        os.utime(logs / name, (time.time() - days * 86400,) * 2)
    daily(place, "2015-12-10", TONALITY_KEEP_LOGS="0")
    assert {file.name for file in logs.iterdir()} == {*ages, "daily.lock", "daily-2015-12-10.log"}
    daily(place, "2015-12-10")
    assert {file.name for file in logs.iterdir()} == {*ages, "daily.lock", "daily-2015-12-10.log"} - {
        "daily-2015-08-01.log"
    }


@pytest.mark.parametrize(
    ("arguments", "others", "message"),
    [
        (["2015-02-31"], {}, "2015-02-31 is not a day, expected for example 2015-12-10"),
        (["2015-12-1"], {}, "2015-12-1 is not a day"),
        (["2015-12-10", "yesterday"], {}, "yesterday is not a day"),
        (["2015-12-10", "2015-12-09"], {}, "the first day, 2015-12-10, is after the last, 2015-12-09"),
        (["2015-12-10"], {"TONALITY_MAX_REJECTS": "1.5"}, "TONALITY_MAX_REJECTS is 1.5, expected a whole number"),
        (["2015-12-10"], {"TONALITY_LOGS": "/dev/null/logs"}, "/dev/null/logs cannot be written: name another folder"),
    ],
)
def test_a_run_that_cannot_start_is_a_failed_day_too(place, arguments, others, message):
    done = daily(place, *arguments, **others)
    assert (done.returncode, calls(place)) == (2, [])
    assert re.fullmatch(r"tonality day=\S+ status=failed stage=none exit=2\n", done.stdout)
    assert f"daily.sh: {message}" in done.stderr


def test_an_argument_or_a_folder_adds_no_line_and_no_terminal_code(place):
    done = daily(place, "2015-12-10\ntonality day=2015-12-10 status=ok\x1b[2J")
    assert (
        done.stdout == "tonality day=2015-12-10?tonality day=2015-12-10 status=ok?[2J status=failed stage=none exit=2\n"
    )
    assert len(done.stderr.splitlines()) == 1
    done = daily(place, "2015-12-10", TONALITY_LOGS=f"{place}/a\nb")
    assert done.stdout.endswith(f" log={place}/a?b/daily-2015-12-10.log\n")
    assert len(done.stdout.splitlines()) == 1


def test_a_reversed_range_is_reported_by_its_first_day(place):
    assert (
        daily(place, "2015-12-10", "2015-12-09").stdout == "tonality day=2015-12-10 status=failed stage=none exit=2\n"
    )


def test_stages_go_through_spark_submit_on_request(place):
    submit = place / "bin" / "submit"
    submit.write_text('#!/usr/bin/env bash\necho "$*" >>"$CALLS"\n')
    submit.chmod(0o755)
    daily(place, "2015-12-10", TONALITY_SUBMIT="submit --master yarn")
    assert calls(place)[2] == f"--master yarn {place}/jobs/report.py"


def test_the_command_may_be_another_program(place):
    shutil.move(place / "bin" / "tonality", place / "bin" / "packed")
    done = daily(place, "2015-12-10", TONALITY_COMMAND=f"{place}/bin/packed")
    assert GOOD.fullmatch(done.stdout)
    done = daily(place, "2015-12-10", PATH="/usr/bin:/bin")
    assert done.stdout.startswith("tonality day=2015-12-10 status=failed stage=clean exit=127 ")


def test_the_environment_beside_the_script_comes_before_path_and_cron_s_path_is_enough(place):
    (place / ".venv").mkdir()
    shutil.move(place / "bin", place / ".venv" / "bin")
    assert GOOD.fullmatch(daily(place, "2015-12-10", PATH="/bin").stdout)
    assert len(calls(place)) == 3


def test_help_explains_and_runs_nothing(place):
    done = daily(place, "--help")
    assert (done.returncode, calls(place)) == (0, [])
    assert "jobs/daily.sh [FIRST-DAY [LAST-DAY]]" in done.stdout
    assert "TONALITY_KEEP_LOGS=90" in done.stdout
    assert "set -" not in done.stdout


def test_the_script_parses():
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing():
    done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.slow
def test_a_real_night_prints_the_numbers_of_its_records(place):
    """With the command itself, from raw files to the page, by cron's environment."""
    write_archive(place / "archive", 1)
    write_model(place / "out", 1)
    settings = {"archive": f"{place}/archive/{{day:%d}}.json.gz", "root": f"{place}/out"}
    lines = [f'{key} = "{value}"' for key, value in settings.items()]
    (place / "mine.toml").write_text("\n".join(["[paths]", *lines, "[spark]", 'master = "local[2]"', 'memory = "1g"']))
    (place / ".venv").symlink_to(Path(sys.executable).parent.parent)
    known = {name: os.environ[name] for name in INHERITED if name in os.environ}
    night = {"PATH": "/usr/bin:/bin", "HOME": str(place), **known}
    done = daily(place, "2015-12-05", "--config", "mine.toml", **night)
    assert done.returncode == 0, done.stderr + log(place, "2015-12-05").read_text()
    words = dict(word.split("=", 1) for word in done.stdout.split()[1:])
    assert (words["status"], words["tweets"], words["scored"], words["rejects"]) == ("ok", "251", "251", "2")
    records = {file.name.partition("-")[0]: json.loads(file.read_text()) for file in (place / "out" / "runs").iterdir()}
    assert records.keys() == {"clean", "score", "report"}
    assert len({record["part_of"] for record in records.values()}) == 1
    assert int(words["positive"]) == records["score"]["counts"]["positive"]
    assert (place / "out" / "report" / "index.html").exists()

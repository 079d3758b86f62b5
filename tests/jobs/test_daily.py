"""jobs/daily.sh with a `tonality` that only writes down how it was called."""

import fcntl
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "jobs" / "daily.sh"

TONALITY = """#!/usr/bin/env bash
echo "$*" >>"$CALLS"
echo "$1 says so"
echo "$1 warns" >&2
echo "summary of $1"
[ "$1" != "${FAILING:-}" ] || exit "$STATUS"
"""


@pytest.fixture
def place(tmp_path):
    """A copy of the script far from any environment, and a folder to put on PATH."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(SCRIPT, tmp_path / "jobs")
    fake = tmp_path / "bin" / "tonality"
    fake.write_text(TONALITY)
    fake.chmod(0o755)
    return tmp_path


def daily(place, *arguments, **environment):
    known = {"PATH": f"{place}/bin:{os.environ['PATH']}", "CALLS": f"{place}/calls", "TONALITY_LOGS": f"{place}/logs"}
    return subprocess.run(
        ["bash", f"{place}/jobs/daily.sh", *arguments],
        env=known | environment,
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )


def calls(place):
    return (place / "calls").read_text().splitlines() if (place / "calls").exists() else []


def test_a_day_is_cleaned_scored_and_reported_in_that_order_with_the_settings_given(place):
    done = daily(place, "2015-12-10", "--config", "my settings.toml")
    assert done.returncode == 0
    assert calls(place) == [
        "clean --config my settings.toml --set archive.since=2015-12-10 --set archive.until=2015-12-10",
        "score --config my settings.toml --set score.since=2015-12-10 --set score.until=2015-12-10",
        "report --config my settings.toml",
    ]


def test_the_last_line_says_how_it_went_and_the_log_holds_everything(place):
    done = daily(place, "2015-12-10")
    assert done.stdout.startswith("tonality 2015-12-10: done in ")
    assert done.stdout.endswith(" s, summary of report\n")
    assert done.stdout.count("\n") == 1
    log = (place / "logs" / "daily-2015-12-10.log").read_text()
    assert [line for line in log.splitlines() if "says" in line or "warns" in line] == [
        f"{stage} {does}" for stage in ("clean", "score", "report") for does in ("says so", "warns")
    ]


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
    assert done.stdout.startswith(f"tonality 2015-12-10: {stage} failed with status {status} after ")
    assert done.stdout.endswith(f" s, see {place}/logs/daily-2015-12-10.log\n")
    assert f"{stage} warns" in done.stderr


def test_a_second_run_finds_the_lock_and_stops(place):
    (place / "logs").mkdir()
    with (place / "logs" / "daily.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = daily(place, "2015-12-10")
    assert (done.returncode, calls(place)) == (75, [])
    assert done.stdout == f"tonality 2015-12-10: another run holds {place}/logs/daily.lock\n"
    assert daily(place, "2015-12-10").returncode == 0


def test_stages_go_through_spark_submit_where_it_is_asked_for(place):
    submit = place / "bin" / "submit"
    submit.write_text('#!/usr/bin/env bash\necho "$*" >>"$CALLS"\n')
    submit.chmod(0o755)
    daily(place, "2015-12-10", TONALITY_SUBMIT="submit --master yarn")
    assert calls(place)[2] == f"--master yarn {place}/jobs/report.py"


def test_the_environment_beside_the_script_comes_before_path(place):
    (place / ".venv").mkdir()
    shutil.move(place / "bin", place / ".venv" / "bin")
    assert daily(place, "2015-12-10").returncode == 0
    assert len(calls(place)) == 3


def test_help_explains_and_runs_nothing(place):
    done = daily(place, "--help")
    assert (done.returncode, calls(place)) == (0, [])
    assert "jobs/daily.sh [YYYY-MM-DD]" in done.stdout
    assert "set -" not in done.stdout


def test_the_script_is_sound():
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing():
    done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True, check=False)
    assert done.stdout == ""

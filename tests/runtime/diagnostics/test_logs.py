"""Log lines on stderr: their levels and formats, and what never appears in them."""

import io
import json
import logging
import sys
import warnings
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta

import pytest

from tonality.runtime.diagnostics.logs import JSON, TRANSIENT, keep_stderr, log_context, log_to_stderr

LOG = logging.getLogger("tonality.tests")


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (logging.DEBUG, ["detail", "news", "odd"]),
        (logging.INFO, ["news", "odd"]),
        (logging.WARNING, ["odd"]),
    ],
)
def test_messages_are_shown_from_the_requested_level_on(level, shown, capsys):
    log_to_stderr(level)
    LOG.debug("detail")
    LOG.info("news")
    LOG.warning("odd")
    assert capsys.readouterr().err.splitlines() == [f"tonality: {message}" for message in shown]


def test_other_packages_are_heard_from_their_warnings_on(capsys):
    log_to_stderr(logging.DEBUG)
    logging.getLogger("py4j").info("chatter")
    logging.getLogger("py4j").warning("odd")
    assert capsys.readouterr().err == "tonality: odd\n"


def test_lines_name_the_stage_and_in_json_the_run_too(capsys):
    log_to_stderr()
    with log_context(stage="pipeline", run="pipeline-1"):
        with log_context(stage="clean", run="clean-1"):
            LOG.info("reading")
        LOG.info("done")
        log_to_stderr(form=JSON)
        LOG.info("done")
    LOG.info("after")
    first, second, third, fourth = capsys.readouterr().err.splitlines()
    assert (first, second) == ("tonality clean: reading", "tonality pipeline: done")
    content = json.loads(third)
    assert abs(datetime.fromisoformat(content.pop("time")) - datetime.now(UTC)) < timedelta(minutes=1)
    assert content == {
        "level": "INFO", "logger": "tonality.tests", "stage": "pipeline", "run": "pipeline-1", "message": "done",
    }  # fmt: skip
    assert json.loads(fourth).keys() == {"time", "level", "logger", "message"}


@pytest.mark.parametrize("form", ["text", JSON])
def test_no_line_holds_a_secret_or_a_control_character_even_of_an_exception(form, capsys):
    log_to_stderr(form=form)
    hostile = "s3://key:geheim@bucket/\x1b[2J\x07\u202e.json"
    try:
        raise ValueError(hostile)
    except ValueError:
        LOG.exception("cannot read %s", hostile)
    output = capsys.readouterr().err
    assert "geheim" not in output
    assert not {"\x1b", "\x07", "\u202e"} & set(output)
    assert r"s3://***@bucket/\u001b[2J\u0007\u202e.json" in output
    assert output.count("ValueError") == 2, "the source line and the exception"
    if form == JSON:
        content = json.loads(output)
        assert content["message"] == "cannot read s3://***@bucket/\x1b[2J\x07\u202e.json"
        assert content["exception"].startswith("Traceback")


def test_the_lines_of_an_unexpected_exception_are_indented_so_that_none_passes_for_a_message(capsys):
    log_to_stderr()
    try:
        raise ValueError("a\ntonality clean: done")
    except ValueError:
        LOG.exception("unexpected error")
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "tonality: unexpected error"
    assert others[0] == "  Traceback (most recent call last):"
    assert others[-2:] == ["  ValueError: a", "  tonality clean: done"]
    assert all(line.startswith("  ") for line in others)


def test_a_line_feed_in_a_message_starts_no_line_of_its_own_in_json(capsys):
    log_to_stderr(form=JSON)
    LOG.error("first\nsecond")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "first\nsecond"


def test_on_a_terminal_progress_is_overwritten_by_the_next_message():
    log_to_stderr()
    with redirect_stderr(Terminal()) as terminal:
        LOG.info("a long line of progress", extra=TRANSIENT)
        LOG.info("short", extra=TRANSIENT)
        LOG.info("done")
        LOG.info("and on")
    text = terminal.getvalue()
    *progress, last = text.split("\r")[1:]
    assert [line.rstrip() for line in progress] == ["tonality: a long line of progress", "tonality: short"]
    assert {len(line) for line in progress} == {99}, "shorter lines must cover longer ones"
    assert last == f"{'tonality: done':<99}\ntonality: and on\n"


@pytest.mark.parametrize("form", ["text", JSON])
def test_in_a_file_and_in_json_each_message_of_progress_is_a_line(form):
    stream = Terminal() if form == JSON else io.StringIO()
    log_to_stderr(form=form)
    with redirect_stderr(stream):
        LOG.info("1 of 2", extra=TRANSIENT)
        LOG.info("2 of 2", extra=TRANSIENT)
    assert len(stream.getvalue().splitlines()) == 2
    assert "\r" not in stream.getvalue()


@pytest.mark.parametrize("stream", [None, Full()])
def test_a_closed_or_full_stderr_ends_nothing(stream, monkeypatch, capsys):
    log_to_stderr()
    monkeypatch.setattr(sys, "stderr", stream)
    LOG.error("unheard")
    monkeypatch.undo()
    LOG.error("heard")
    assert capsys.readouterr().err == "tonality: heard\n"


def test_warnings_of_packages_are_lines_of_the_log(capsys):
    log_to_stderr(form=JSON)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("soon gone", FutureWarning, stacklevel=1)
    content = json.loads(capsys.readouterr().err)
    assert (content["level"], content["logger"]) == ("WARNING", "py.warnings")
    assert "FutureWarning: soon gone" in content["message"]


def test_messages_reach_the_user_while_stderr_is_redirected(capsys):
    log_to_stderr()
    redirected = io.StringIO()
    with keep_stderr(), redirect_stderr(redirected):
        LOG.info("for the user")
    assert redirected.getvalue() == ""
    assert capsys.readouterr().err == "tonality: for the user\n"

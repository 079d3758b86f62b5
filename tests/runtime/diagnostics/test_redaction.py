"""Secrets of locations and options never reach messages, records or tables."""

import json
import logging
import pickle
import subprocess
import sys

import pytest

from tonality.runtime.diagnostics.console import to_stdout
from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError
from tonality.runtime.diagnostics.logs import log_to_stderr
from tonality.runtime.diagnostics.redaction import redacted, redacted_values
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load

URL = "ftp://anna:geheim@host/tweets?token=geheim"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:secret@bucket/a", "s3://***@bucket/a"),
        ("s3://AKIA:ab/c+d/e=@bucket/a b", "s3://***@bucket/a b"),
        ("https://anna:p@ss@host/x, s3://k:s@b", "https://***@host/x, s3://***@b"),
        ("https://ghp_token@host/x", "https://***@host/x"),
        ("simplecache::s3://a:b@c/{day}.gz", "simplecache::s3://***@c/{day}.gz"),
        ("https://h/a?X-Amz-Credential=AK%2F1&X-Amz-Signature=9f&part=1", "https://h/a?X-Amz-Credential=***&X-Amz-Signature=***&part=1"),
        ("https://h/a?sv=1&sig=a%2Bb: gone", "https://h/a?sv=1&sig=***: gone".replace(": gone", "") + " gone"),
        ("{'key': 'AKIA', 'secret': 'xyz'}", "{'key': 'AKIA', 'secret': '***'}"),
        ('{"password": "abc def ghi", "a": "b c"}', '{"password": "***", "a": "b c"}'),
        ("s3://AKIA:12345/abcd@bucket/a@b", "s3://***@bucket/a@b"),
        ("s3a://key:se@cret@bucket/x", "s3a://***@bucket/x"),
        (r'{"password": "ab\"cd"}', '{"password": "***"}'),
        ("password = '''a'b''' and", "password = '''***''' and"),
        ("fs.azure.account.key.acct.dfs.core.windows.net=QUJD==", "fs.azure.account.key.acct.dfs.core.windows.net=***"),
        ("fs.azure.sas.container.acct=sv=1 fs.s3a.access.key=AK", "fs.azure.sas.container.acct=*** fs.s3a.access.key=***"),
        ("fs.gs.auth.service.account.private.key: abc, private_key=abc", "fs.gs.auth.service.account.private.key: ***, private_key=***"),
        ("Authorization: Bearer ab.cd and on", "Authorization: Bearer *** and on"),
        ("a header of bearer 0123456789abcdef", "a header of bearer ***"),
        ("fs.s3a.secret.key=abc AWS_SESSION_TOKEN=def", "fs.s3a.secret.key=*** AWS_SESSION_TOKEN=***"),
    ],
)  # fmt: skip
def test_a_secret_is_not_shown(text, shown):
    assert redacted(text) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s3://bucket/a@b.json",
        "hdfs://node:8020/a@b",
        "http://host:8080/a?day=2015-12-10&keywords=кино",
        "abfss://container@account.dfs.core.windows.net/tweets",
        "write to anna@example.org: tokens: 12, tokens=5",
        "the bearer of news, an author is not authorization",
        "key: /secure/tonality.key",
        "authorization: failed for user x",
        "model db9094c4c8c9, epoch 1 of 1; 10:30 @anna",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert redacted(text) == text


@pytest.mark.parametrize("text", ["token" + "_a" * 500, "token" + "_" * 500, "token." * 500, "a." * 5000])
def test_odd_names_cost_no_time(text):
    code = f"from tonality.runtime.diagnostics.redaction import redacted; assert redacted({text!r}) == {text!r}"
    assert subprocess.run([sys.executable, "-c", code], timeout=20, check=False).returncode == 0


def test_a_document_is_redacted_text_by_text_and_by_its_names():
    document = {"paths": {"archive": [URL, 5, None]}, "s3://a:b@c": True, "db": {"password": "geheim", "tokens": 5}}
    assert redacted_values(document) == {
        "paths": {"archive": ["ftp://***@host/tweets?token=***", 5, None]},
        "s3://a:b@c": True,
        "db": {"password": "***", "tokens": 5},
    }


@pytest.mark.parametrize("kind", [UserError, SettingsError, InputError])
def test_an_error_never_contains_a_secret_even_from_another_process(kind):
    error = pickle.loads(pickle.dumps(kind(f"no file found at {URL}")))
    assert str(error) == "no file found at ftp://***@host/tweets?token=***"


def test_output_on_either_stream_contains_none(capsys):
    to_stdout(f"report at {URL}")
    log_to_stderr()
    logging.getLogger("tonality.a").info("reading %s", URL)
    shown = "ftp://***@host/tweets?token=***\n"
    assert capsys.readouterr() == (f"report at {shown}", f"tonality: reading {shown}")


def test_a_record_contains_none_in_settings_facts_or_error(tmp_path):
    settings = load([], [f"paths.root={tmp_path}", f'paths.archive=["{URL}"]', f"survey.title={URL}"])
    with pytest.raises(ValueError, match="geheim"), Run("clean", settings) as run:
        run.add(archive=URL, reads={"archive": {"first": [URL]}})
        raise ValueError(URL)
    [file] = (tmp_path / "runs").iterdir()
    assert "geheim" not in file.read_text()
    record = json.loads(file.read_text())
    assert record["settings"]["paths"]["archive"] == ["ftp://***@host/tweets?token=***"]
    assert record["fault"] == "ValueError: ftp://***@host/tweets?token=***"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["clean", "sample", "train"])
def test_a_command_shows_none_whatever_goes_wrong(tmp_path, stage):
    """An invalid setting, an unknown store, an unexpected exception."""
    code = (
        "import sys; from tonality.cli.main import main; from tonality.stages import train;"
        f"train.run = lambda *_: [][0 if '{URL}' else 1]; sys.exit(main())"
    )
    options = [f"paths.root={tmp_path}/out", f"paths.archive={URL.replace('ftp', 'nowhere')}", f"paths.corpus={URL}"]
    options += [f"train.epochs={URL}"] * (stage == "sample")
    command = [sys.executable, "-c", code, stage, *(part for option in options for part in ("--set", option))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == (1 if stage == "train" else 2)
    assert ("Traceback" in done.stderr) == (stage == "train")
    assert "geheim" not in done.stdout + done.stderr
    assert stage == "train" or "***@host" in done.stderr

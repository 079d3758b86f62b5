"""`tonality score-text`, from the command line to what it writes."""

import bz2
import dataclasses
import gzip
import io
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pytest

from tonality.cli import score_text
from tonality.cli.main import main
from tonality.ingest.formats.text_files import format_from_name
from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.scorer import Scorer
from tonality.model.inference.text_scorer import TextScorer
from tonality.model.registry import artifact_store
from tonality.model.registry.artifact import CONFIG
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.settings.load import text_rules
from tonality.runtime.settings.sections import TextSettings

RULES = text_rules(TextSettings(language="en"))
COMMAND = [sys.executable, "-c", "import sys; from tonality.cli.main import main; sys.exit(main())", "score-text"]


@pytest.fixture(scope="module")
def english(artifact):
    """A model that knows the words w0 to w49 and carries the rules of English."""
    return dataclasses.replace(artifact, rules=RULES.model_dump(mode="json"), rules_fingerprint=RULES.fingerprint)


@pytest.fixture(scope="module")
def model(english, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "model"
    artifact_store.write(english, str(folder))
    return folder


@pytest.fixture(scope="module")
def probabilities(english):
    """The model's probabilities of stems."""
    scorer = Scorer(PackedModel.of(english))
    return lambda *stems: scorer.probabilities(pa.array(stems, pa.string())).to_numpy()


@pytest.fixture(scope="module")
def digits(probabilities):
    """The probability of stems, as written."""
    return lambda stems: str(probabilities(stems)[0])


@pytest.fixture
def score(model, tmp_path, capsysbinary):
    """Runs the command on the content of a file and returns its exit status, stdout and stderr, without the folder."""

    def run(content, *options, name="texts.txt"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        status = main(["score-text", str(file), "--model", str(model), *options])
        captured = capsysbinary.readouterr()
        return (
            status,
            captured.out,
            captured.err.decode().replace(f"{tmp_path}/", ""),
        )

    return run


def test_each_line_is_written_with_its_probability_and_tone_in_order_and_counted(score, english, digits):
    everything = ("--set", "survey.positive=0.0001", "--set", "survey.negative=0")
    status, out, err = score("w1 w2\nw3\n", *everything)
    assert (status, out) == (0, f"{digits('w1 w2')}\tpositive\tw1 w2\n{digits('w3')}\tpositive\tw3\n".encode())
    assert (
        err
        == f"tonality score-text: 2 texts scored by model {english.fingerprint}: 2 positive, 0 neutral, 0 negative, 0 none\n"
    )


def test_the_settings_thresholds_decide_the_tone(score):
    def tone(positive, negative):
        return score("w1", "--set", f"survey.positive={positive}", "--set", f"survey.negative={negative}")[1].split()[1]

    probability = float(score("w1")[1].split()[0])
    assert tone(probability, 0) == b"positive"
    assert tone(1, probability) == b"negative"
    assert tone(probability + 0.001, probability - 0.001) == b"neutral"


def test_the_digits_parse_to_the_same_float32(score, probabilities):
    texts = [f"w{n} w{n * 7 % 50} w{n * 3 % 11}" for n in range(50)]
    written = [float(line.split(b"\t")[0]) for line in score("\n".join(texts))[1].splitlines()]
    expected = probabilities(*texts)
    assert len(set(expected)) > 40
    np.testing.assert_array_equal(np.array(written, np.float32), expected)


@pytest.mark.parametrize(
    "text", ["W1,  w2!", "w1 https://example.com/w3 w2", "@w3 w1 w2", "w1 &amp; w2", "w1&#32;w2 =D"]
)
def test_a_text_is_cleaned_like_a_tweet(text, score, digits):
    assert score(text)[1].split(b"\t")[0].decode() == digits("w1 w2")


def test_a_text_without_stems_has_no_probability_and_the_tone_none(score):
    status, out, err = score("\n:)\n  \n")
    assert (status, out) == (0, b"\tnone\t\n\tnone\t:)\n\tnone\t  \n")
    assert err.endswith("0 positive, 0 neutral, 0 negative, 3 none\n")


def test_tabs_and_carriage_returns_of_a_text_do_not_break_its_row(score, digits):
    out = score("w1\tw2\rw3\r\nw4")[1]
    fields = [line.split(b"\t") for line in out.split(b"\n")]
    assert [len(row) for row in fields] == [3, 3, 1]
    assert (fields[0][0].decode(), fields[0][2], fields[1][2]) == (digits("w1 w2 w3"), b"w1 w2 w3\r", b"w4")


def test_a_table_is_returned_unchanged_with_two_more_columns(score, digits):
    table = '\ufeffid,text,"a ""note"""\r\n007,"w1, ""w2""","two\r\nlines"\r\n\r\n8,"w3\r\n\r\nw4",\r\n9,"",5" screen'
    assert score(table, name="table.csv")[:2] == (
        0,
        (
            '\ufeffid,text,"a ""note""",probability,tonality\r\n'
            f'007,"w1, ""w2""","two\r\nlines",{digits("w1 w2")},neutral\r\n'
            f'8,"w3\r\n\r\nw4",,{digits("w3 w4")},neutral\r\n'
            '9,"",5" screen,,none\n'
        ).encode(),
    )


def test_a_quoted_text_may_have_hundreds_of_lines(score, digits):
    text = f'"w1{250 * chr(10)}w2"'
    status, out, _ = score(f"text\n{text}\n", name="table.csv")
    assert (status, out.decode()) == (0, f"text,probability,tonality\n{text},{digits('w1 w2')},neutral\n")


def test_a_table_of_tabs_may_hold_commas(score, digits):
    out = score("id\ttweet\n1\tw1, w2\n", "--text", "tweet", name="table.tsv")[1]
    assert out == f"id\ttweet\tprobability\ttonality\n1\tw1, w2\t{digits('w1 w2')}\tneutral\n".encode()


def test_an_object_is_returned_unchanged_with_two_more_keys(score, digits):
    line = r'{"id": 12345678901234567890123, "x": 1.0, "x": [], "text": "w1 \ud83d\ude00 w2", "y": "\ud83d" }'
    status, out, _ = score(f"\ufeff{line}\r\n\n  \n{line}", name="tweets.jsonl")
    assert status == 0
    expected = f'{line[:-2]},"probability":{digits("w1 w2")},"tonality":"neutral"}}'
    assert out.decode() == f"{expected}\r\n{expected}\n"
    assert json.loads(expected)["probability"] == float(digits("w1 w2"))


def test_null_is_a_text_without_stems(score):
    assert score('{"text":null}\n', name="tweets.jsonl")[:2] == (
        0,
        b'{"text":null,"probability":null,"tonality":"none"}\n',
    )


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.csv", "csv"), ("a.CSV.gz", "csv"), ("a.tsv", "tsv"), ("a.jsonl", "jsonl"), ("a.ndjson.zst", "jsonl"),
     ("s3://b/a.json", "jsonl"), ("a.txt", "lines"), ("csv", "lines"), ("-", "lines"), ("a.gz", "lines")],
)  # fmt: skip
def test_the_name_of_a_file_implies_its_format(name, form):
    assert format_from_name(name) == form


def test_a_requested_format_overrides_the_name(score):
    assert score("text\nw1\n", "--format", "lines", name="a.csv")[1].count(b"\t") == 4


@pytest.mark.parametrize(
    ("name", "good", "bad", "message"),
    [
        ("a.txt", "w1", b"w2 \xe9 w3", "not UTF-8 ('utf-8' codec can't decode byte 0xe9 in position 3"),
        ("a.txt", "w1", b"w\0", "found a NUL byte, expected UTF-8"),
        ("a.jsonl", '{"text":"w1"}', b'{"text":"w2"', "not JSON: unexpected end of data"),
        ("a.jsonl", '{"text":"w1"}', b'["w2"]', "found an array, expected a JSON object"),
        ("a.jsonl", '{"text":"w1"}', b'{"text":["w2"]}', "text is an array, expected a string"),
        ("a.jsonl", '{"text":"w1"}', b'{"test":"w2","n":1}', "no column text; the columns are test, n; did you mean --text test?"),
        ("a.jsonl", '{"text":"w1"}', b'{"body":"w2"}', "no column text; the columns are body; name the column of texts with --text"),
        ("a.jsonl", '{"text":"w1"}', b'{"text":"w2","tonality":1}', "found a column tonality, which would be written twice"),
        ("a.csv", "text,n", b"w1", "found 1 fields, expected 2 as in the header"),
        ("a.csv", "text,n", b"w1,2,3", "found 3 fields, expected 2 as in the header"),
        ("a.csv", "text,n", b'"w1,2\n3,4', "not a CSV row: a quoted field that never ends"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_named_once_all_before_it_are_written(name, good, bad, message, score):
    status, out, err = score(good.encode() + b"\n" + bad + b"\nw4\n", name=name)
    assert status == 3
    assert out.count(b"\n") == 1
    assert good.removesuffix("}") in out.decode()
    assert err.startswith(f"tonality score-text: {name}: line 2: {message}")


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ("id,tekst\n1,w1\n", [], "line 1: no column text; the columns are id, tekst; did you mean --text tekst?"),
        ("id,text\n1,w1\n", ["--text", "body"], "line 1: no column body; the columns are id, text; name the column of texts"),
        ("id;text\n1;w1\n", [], "line 1: the header is one field, 'id;text'; expected commas (csv) or tabs (tsv) between fields"),
        ("text,probability,tonality\n", [], "line 1: found a column probability and a column tonality, which would be written twice"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_scored_is_refused_with_what_it_has(table, options, message, score):
    status, out, err = score(table, *options, name="a.csv")
    assert (status, out) == (3, b"")
    assert err.startswith(f"tonality score-text: a.csv: {message}")


@pytest.mark.parametrize(
    ("name", "content", "written"),
    [("a.txt", "", ""), ("a.csv", "", ""), ("a.jsonl", "", ""), ("a.jsonl", "\n\n", ""), ("a.csv", "\ufeff\n", ""),
     ("a.csv", "text\n", "text,probability,tonality\n"), ("a.csv", "text", "text,probability,tonality\n")],
)  # fmt: skip
def test_an_empty_input_gives_an_empty_output(name, content, written, score):
    status, out, err = score(content, name=name)
    assert (status, out.decode()) == (0, written)
    assert err.startswith("tonality score-text: 0 texts scored")


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, "gz"), (bz2.compress, "bz2")])
def test_a_compressed_file_is_decompressed(pack, suffix, score):
    expected = score("text\nw1\nw2\n", name="a.csv")
    assert score(pack(b"text\nw1\nw2\n"), name=f"a.csv.{suffix}") == expected


def test_a_truncated_compressed_file_is_an_error(score):
    whole = gzip.compress(b"".join(b"w%d w%d\n" % (n % 50, n * 7 % 43) for n in range(30_000)))
    status, out, err = score(whole[: len(whole) // 2], name="a.gz")
    assert (status, err.startswith("tonality score-text: a.gz: gzip stream cut off at compressed byte")) == (3, True)
    assert out.endswith(b"\n")
    assert 1000 < out.count(b"\n") < 30_000


def test_the_batch_size_does_not_change_the_output(score, monkeypatch):
    texts = "\n".join(f"w{n % 50} w{n % 7}" * (n % 3) for n in range(100))
    expected = score(texts)
    monkeypatch.setattr(score_text, "_BATCH_TEXTS", 7)
    assert score(texts) == expected
    monkeypatch.setattr(score_text, "_BATCH_BYTES", 20)
    assert score(texts) == expected


def test_batches_are_bounded_in_texts_and_bytes(score, monkeypatch):
    sizes = []

    def record(self, texts):
        sizes.append(len(list(texts)))
        return pa.nulls(sizes[-1], pa.float32())

    monkeypatch.setattr(TextScorer, "probabilities", record)
    score("w1\n" * 10_000)
    assert (max(sizes), sum(sizes)) == (4096, 10_000)
    sizes.clear()
    score(("w" * 2**20 + "\n") * 20)
    assert max(sizes) <= 9


def test_a_line_may_be_very_long(score, digits):
    out = score("w1 " * 1_000_000 + "\nw2\n")[1]
    assert out.count(b"\n") == 2
    assert out.split(b"\t")[0].decode() == digits("w1 " * 10)


def test_a_line_longer_than_the_memory_is_for_is_refused(score, monkeypatch):
    monkeypatch.setattr(score_text, "_LONGEST_LINE", 100)
    status, out, err = score("w1\n" + "w2" * 100)
    assert (status, out.count(b"\n")) == (3, 1)
    assert err == "tonality score-text: texts.txt: line 2: 200 bytes, at most 100\n"


@pytest.fixture
def refused(capsys):
    """Runs the command, which must write nothing, and returns its exit status and message."""

    def run(*arguments):
        status = main(["score-text", *map(str, arguments)])
        message = capsys.readouterr()
        assert message.out == ""
        return status, message.err.removeprefix("tonality score-text: ")

    return run


def test_all_that_is_wrong_with_the_command_line_is_one_message(model, tmp_path, refused):
    near, nearby = tmp_path / "tweets.txt", model.with_name("modle")
    near.touch()
    assert refused(tmp_path / "tweats.txt", "--text", "body", "--model", nearby) == (
        2,
        f"nothing at {tmp_path}/tweats.txt; did you mean {near}?\n"
        "--text body names a column, but lines have none: use --format csv, tsv or jsonl\n"
        f"--model: nothing at {nearby}; did you mean {model}?\n",
    )


def test_a_folder_is_not_a_file_of_texts(model, tmp_path, refused):
    assert refused(tmp_path, "--model", model) == (2, f"{tmp_path} is a folder, expected a file of texts\n")


def test_the_production_model_is_the_default(english, tmp_path, capsys, refused):
    texts = tmp_path / "texts.txt"
    texts.write_text("w1\n")
    ModelRegistry(str(tmp_path / "out")).add(english)
    assert main(["score-text", str(texts), "--set", f"paths.root={tmp_path}/out"]) == 0
    assert capsys.readouterr().out.endswith("w1\n")
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "models"], "it left a record"
    status, message = refused(texts, "--set", f"paths.root={tmp_path}")
    assert (status, message.startswith(f"no production model: nothing in {tmp_path}/models.")) == (3, True)
    assert message.endswith("; or name a model's folder with --model\n")


def test_a_model_of_another_format_is_refused(english, tmp_path, refused):
    config = json.loads(english.files()[CONFIG]) | {"format": 99}
    artifact_store.write(english, str(tmp_path / "model"))
    (tmp_path / "model" / CONFIG).write_text(json.dumps(config))
    (tmp_path / "texts.txt").touch()
    status, message = refused(tmp_path / "texts.txt", "--model", tmp_path / "model")
    assert status == 3
    assert message.startswith(f"{tmp_path}/model: {CONFIG}: format 99 found, 1 expected; install the tonality")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules_fingerprint": "0ddba11"}, f"the model's text rules were 0ddba11, here they are {RULES.fingerprint}"),
        ({"rules": RULES.model_dump(mode="json") | {"links": "keep"}}, "the model's text rules were"),
        ({"rules": {"name": "en"}}, "rules: language: Field required"),
    ],
)
def test_a_model_whose_text_rules_cannot_be_followed_here_is_refused(change, message, english, tmp_path, refused):
    artifact_store.write(dataclasses.replace(english, **change), str(tmp_path / "model"))
    (tmp_path / "texts.txt").write_text("w1\n")
    status, error = refused(tmp_path / "texts.txt", "--model", tmp_path / "model")
    assert status == 3
    assert error.startswith(f"{tmp_path}/model: {CONFIG}: {message}")


@pytest.fixture
def feed(monkeypatch, tmp_path):
    """Makes stdin a file with these bytes, like < in a shell."""

    with ExitStack() as opened:

        def fill(content):
            (tmp_path / "stdin").write_bytes(content)
            monkeypatch.setattr(sys, "stdin", opened.enter_context((tmp_path / "stdin").open()))

        yield fill


def test_a_glob_is_not_a_file(model, tmp_path, refused):
    assert refused(tmp_path / "*.txt", "--model", model) == (
        3,
        f"{tmp_path}/*.txt: no such file; expected the full name of one file\n",
    )


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_without_a_file_stdin_is_read(arguments, model, feed, capsys):
    feed(b"text\nw1\n")
    assert main(["score-text", *arguments, "--format", "csv", "--model", str(model)]) == 0
    assert capsys.readouterr().out.startswith("text,probability,tonality\nw1,0.")


def test_compressed_bytes_on_stdin_are_named(model, feed, refused):
    feed(gzip.compress(b"w1\n"))
    assert refused("--model", model) == (
        3,
        "stdin: compressed by gzip: only files are decompressed, so name the file\n",
    )


def test_a_closed_stdin_or_stdout_is_named(model, monkeypatch, refused):
    monkeypatch.setattr(sys, "stdin", None)
    assert refused("--model", model) == (2, "stdin is closed: name a file of texts\n")
    with monkeypatch.context() as closed:
        closed.setattr(sys, "stdout", None)
        assert main(["score-text", "--model", str(model)]) == 2


def test_a_named_pipe_is_read(model, tmp_path, capsys):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with subprocess.Popen(["/bin/sh", "-c", f'printf "text\nw1\n" > {pipe}']):
        assert main(["score-text", str(pipe), "--model", str(model)]) == 0
    assert capsys.readouterr().out.startswith("text,probability,tonality\nw1,0.")


def test_a_reader_that_exits_ends_it_quietly(model, tmp_path, monkeypatch, capsys):
    (tmp_path / "texts.txt").write_text("w1\n" * 100)
    reading, writing = os.pipe()
    os.close(reading)
    with io.TextIOWrapper(os.fdopen(writing, "wb")) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["score-text", str(tmp_path / "texts.txt"), "--model", str(model)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is always full")  # noqa: PTH110
def test_a_full_disk_is_named(model, tmp_path, monkeypatch, capsys):
    (tmp_path / "texts.txt").write_text("w1\n")
    with open("/dev/full", "w") as stdout:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["score-text", str(tmp_path / "texts.txt"), "--model", str(model)]) == 1
    assert capsys.readouterr().err == "tonality score-text: stdout cannot be written to: No space left on device\n"


@pytest.fixture
def spark_less(tmp_path):
    """An environment whose Pythons cannot import pyspark, on a PATH with nothing to run."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pyspark'] = sys.modules['py4j'] = None\n")
    without = {name: value for name, value in os.environ.items() if name not in ("JAVA_HOME", "SPARK_HOME")}
    return without | {"PYTHONPATH": str(tmp_path), "PATH": str(tmp_path / "nothing")}


def test_texts_are_scored_as_they_arrive_without_spark_until_ctrl_c(model, digits, spark_less):
    table = [*COMMAND, "--format", "csv", "--model", str(model)]
    pipe = subprocess.PIPE
    with subprocess.Popen(table, env=spark_less, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1) as running:
        try:
            running.stdin.write('id,text\n1,w1\n2,"w2')  # half a row delays nothing
            running.stdin.flush()
            assert running.stdout.readline() == "id,text,probability,tonality\n"
            assert running.stdout.readline() == f"1,w1,{digits('w1')},neutral\n"
            running.stdin.write(' w3"\n')
            assert running.stdout.readline() == f'2,"w2 w3",{digits("w2 w3")},neutral\n'
            running.send_signal(signal.SIGINT)
            assert running.wait(120) == 130
            assert running.stdout.read() == ""
            message = running.stderr.read()
        finally:
            running.kill()
    assert message.startswith("tonality score-text: interrupted: 2 texts scored by model")
    assert "Traceback" not in message

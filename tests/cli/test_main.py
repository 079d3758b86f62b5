import json
import re
import subprocess
import sys
from contextlib import contextmanager
from types import ModuleType

import pytest

import tonality.runtime.spark.session
from tonality.cli.main import main, run_job
from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError
from tonality.runtime.settings.sections import SparkSettings
from tonality.runtime.spark.session import check_session
from tonality.stages import STAGES, Stage


@pytest.fixture
def root(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def invent(monkeypatch, root):
    """Runs the command with an invented stage."""

    def invented(run, spark=False, check=None, arguments=(), plan=None):
        module = ModuleType("tonality.stages.invented")
        module.run = run
        if check:
            module.check = check
        if plan:
            module.plan = plan
        monkeypatch.setitem(sys.modules, module.__name__, module)
        stage = Stage("invented", "Tries.", "nothing", "nothing", spark=spark, plan=plan is not None)
        monkeypatch.setitem(STAGES, "invented", stage)
        return main(["invented", "--set", f"paths.root={root}", *arguments])

    return invented


@pytest.fixture
def no_spark(monkeypatch):
    def refuse(*_):
        pytest.fail("a Spark session was started")

    monkeypatch.setattr(tonality.runtime.spark.session, "spark_session", refuse)


@pytest.fixture
def lent_spark(monkeypatch, spark):
    @contextmanager
    def lend(*_):
        yield spark

    monkeypatch.setattr(tonality.runtime.spark.session, "spark_session", lend)


def fail(error):
    def run(*_):
        raise error

    return run


@pytest.fixture
def output(capsys):
    """The command's stdout and stderr, without the first line of stderr, which must name the run."""

    def read(stage="invented"):
        captured = capsys.readouterr()
        first, _, rest = captured.err.partition("\n")
        assert re.fullmatch(rf"tonality {stage}: run {stage}-\d{{8}}T\d{{6}}Z-[0-9a-f]{{4}}", first)
        return captured.out, rest

    return read


def records(root):
    return [json.loads(file.read_text()) for file in root.glob("runs/*.json")]


def test_a_stage_that_is_done_prints_its_summary_and_exits_0(invent, root, output):
    def run(settings, record):
        record.add(counts={"tweets": 3})
        return "3 tweets"

    assert invent(run) == 0
    assert output() == ("3 tweets\n", "")
    (record,) = records(root)
    assert (record["counts"], record["fault"]) == ({"tweets": 3}, None)


@pytest.mark.parametrize(("error", "status"), [(SettingsError, 2), (InputError, 3), (UserError, 1)])
def test_an_error_is_one_message_and_its_exit_status(invent, root, output, error, status):
    assert invent(fail(error("what to do"))) == status
    assert output() == ("", "tonality invented: what to do\n")
    assert [record["fault"] for record in records(root)] == ([] if status == 2 else [f"{error.__name__}: what to do"])


def test_quiet_leaves_only_errors_and_the_summary(invent, capsys):
    assert invent(lambda *_: "3 tweets", arguments=("-q",)) == 0
    assert invent(fail(InputError("no tweet")), arguments=("-q",)) == 3
    assert capsys.readouterr() == ("3 tweets\n", "tonality invented: no tweet\n")


def test_verbose_adds_the_exception_behind_an_error(invent, output):
    def run(*_):
        try:
            raise OSError("the cause")
        except OSError as error:
            raise InputError("no tweet") from error

    assert invent(run, arguments=("-v",)) == 3
    _, errors = output()
    first, second, *trace = errors.splitlines()
    assert (first, second) == ("tonality invented: no tweet", "tonality invented: the error in full")
    assert "  OSError: the cause" in trace


def test_messages_are_json_on_request_with_their_stage_and_run(invent, root, capsys, monkeypatch):
    assert invent(fail(InputError("no tweet")), arguments=("--log-format", "json")) == 3
    monkeypatch.setenv("TONALITY_LOG_FORMAT", "json")
    assert invent(fail(InputError("no tweet"))) == 3
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    runs = [record["run"] for record in records(root)]
    assert [(line["level"], line["message"], line["stage"]) for line in lines[1::2]] == [
        ("ERROR", "no tweet", "invented")
    ] * 2
    assert sorted(line["run"] for line in lines[1::2]) == sorted(runs)


def test_an_unknown_format_of_the_log_exits_2(invent, capsys, monkeypatch):
    monkeypatch.setenv("TONALITY_LOG_FORMAT", "xml")
    with pytest.raises(SystemExit) as ended:
        invent(lambda *_: "done")
    assert ended.value.code == 2
    assert "found 'xml', expected text or json" in capsys.readouterr().err


def test_an_interrupted_stage_exits_130_without_a_traceback(invent, root, output):
    assert invent(fail(KeyboardInterrupt())) == 130
    assert output() == ("", "tonality invented: interrupted\n")
    assert [record["fault"] for record in records(root)] == ["KeyboardInterrupt: "]


def test_an_unexpected_exception_shows_its_traceback_exits_1_and_is_recorded(root):
    code = (
        "import sys; from tonality.cli.main import main; from tonality.stages import train;"
        "train.run = lambda *_: 1 / 0; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "--set", f"paths.root={root}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.endswith("  ZeroDivisionError: division by zero\n")
    assert [record["fault"] for record in records(root)] == ["ZeroDivisionError: division by zero"]


@pytest.mark.parametrize("stage", [*sorted(STAGES), "score-text", "runs"])
def test_a_typo_in_the_settings_exits_2_without_starting_spark_or_writing(stage, root, no_spark, capsys):
    arguments = [stage, "--set", f"paths.root={root}", "--set", "trian.epochs=2", "--config", "missing.toml"]
    assert main(arguments) == 2
    assert capsys.readouterr().err == (
        f"tonality {stage}: missing.toml: no such settings file\ntrian: no such setting; did you mean train?\n"
    )
    assert not root.exists()


@pytest.mark.parametrize(
    ("stage", "messages"),
    [
        ("clean", ["paths.archive is empty"]),
        ("prepare", ["paths.corpus is empty and corpus.labelled is false"]),
        ("sample", ["sample writes one folder each"]),
        ("pipeline", ["paths.archive is empty", "paths.corpus is empty and corpus.labelled is false"]),
    ],
)  # fmt: skip
def test_settings_that_lack_what_a_stage_needs_are_refused_before_anything_is_started(
    stage, messages, root, no_spark, capsys
):
    assert main([stage, "--set", f"paths.root={root}"]) == 2
    lines = capsys.readouterr().err.removeprefix(f"tonality {stage}: ").splitlines()
    assert [line.startswith(message) for line, message in zip(lines, messages, strict=True)] == [True] * len(messages)
    assert not root.exists()


@pytest.mark.parametrize(
    ("stage", "missing"),
    [
        ("clean", ["archive"]),
        ("prepare", ["corpus"]),
        ("pipeline", ["archive", "corpus"]),
        ("label", []),
        ("sample", []),
    ],
)
def test_a_typo_a_wrong_type_and_a_missing_input_are_one_message_without_starting_or_writing_anything(
    stage, missing, root, tmp_path, no_spark, capsys
):
    (tmp_path / "tweets.csv").touch()
    options = [
        "paths.archive=tweats.csv",
        "paths.corpus=tweats.csv",
        "paths.rot=x",
        "train.epochs=many",
        "trian.epochs=2",
    ]
    options = [option.replace("=tweats", f"={tmp_path}/tweats") for option in [f"paths.root={root}", *options]]
    assert main([stage, *(part for option in options for part in ("--set", option))]) == 2
    near = f"nothing at {tmp_path}/tweats.csv; did you mean {tmp_path}/tweets.csv?"
    assert capsys.readouterr().err.removeprefix(f"tonality {stage}: ").splitlines() == [
        "paths.rot: no such setting; did you mean paths.root?",
        "train.epochs: found 'many', expected a whole number",
        "trian: no such setting; did you mean train?",
        *(f"paths.{key}: {near}" for key in missing),
    ]
    assert not root.exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("spark.master=yran", "spark.master: found 'yran', expected local[*], local[4], yarn, spark:// or k8s://"),
        ("spark.master=local[0]", "spark.master: found 'local[0]', expected local"),
        ("spark.memory=10m", "spark.memory: found 10m, expected 512m or more: Spark does not start with less"),
        ("spark.memory=9000t", "spark.memory: found 9000t, but this machine has "),
    ],
)
def test_impossible_session_settings_are_refused_before_anything_is_started(option, message, root, no_spark, capsys):
    arguments = ["--set", f"paths.root={root}", "--set", option]
    assert main(["label", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"tonality label: {message}")
    assert main(["clean", *arguments]) == 2
    assert [line.partition(" ")[0] for line in capsys.readouterr().err.splitlines()] == ["tonality", message.split()[0]]
    assert not root.exists()


def session_errors(settings):
    try:
        check_session(settings)
    except SettingsError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize(
    "master", ["local", "local[2]", "local[*]", "local[2,3]", "yarn", "spark://host:7077", "k8s://https://host"]
)
def test_masters_that_spark_knows_are_accepted(master):
    assert session_errors(SparkSettings(master=master)) == []


def test_under_spark_submit_master_and_memory_are_not_checked(monkeypatch):
    impossible = SparkSettings(master="yran", memory="1m")
    assert [error.partition(":")[0] for error in session_errors(impossible)] == ["spark.master", "spark.memory"]
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert session_errors(impossible) == []


@pytest.fixture
def java(monkeypatch, tmp_path):
    """Makes JAVA_HOME a folder whose java is this script, or has none."""

    def install(script, mode=0o755):
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        (tmp_path / "bin").mkdir()
        if script is not None:
            (tmp_path / "bin" / "java").write_text(script)
            (tmp_path / "bin" / "java").chmod(mode)

    return install


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "Spark needs Java 17 or 21: JAVA_HOME is {home}, which has no bin/java. Install one"),
        ('#!/bin/sh\necho \'openjdk version "1.8.0_292"\' >&2', "Spark needs Java 17 or 21: {home}/bin/java is version 1.8.0_292."),
        ('#!/bin/sh\necho \'openjdk version "11.0.2" 2019\' >&2', "Spark needs Java 17 or 21: {home}/bin/java is version 11.0.2."),
        ("#!/bin/sh\nexit 1", "Spark needs Java 17 or 21: {home}/bin/java -version prints nothing."),
        ("#!/bin/sh\necho Unrecognized option: -Xx >&2", "Spark needs Java 17 or 21: {home}/bin/java -version prints Unrecognized"),
        ("no program", "Spark needs Java 17 or 21: {home}/bin/java does not run: Exec format error."),
    ],
)  # fmt: skip
def test_a_java_that_spark_cannot_use_is_named_with_the_expected_one(script, message, java, tmp_path, root, output):
    java(script)
    assert main(["label", "--set", f"paths.root={root}"]) == 1
    assert output("label")[1].startswith(f"tonality label: {message.format(home=tmp_path)}")


def test_without_java_the_message_names_the_one_to_install(monkeypatch, root, output):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["label", "--set", f"paths.root={root}"]) == 1
    assert output("label")[1].startswith("tonality label: Spark needs Java 17 or 21: there is no java on PATH. Install")


def test_a_missing_archive_exits_3_and_is_recorded(root, lent_spark, output):
    arguments = ["clean", "--set", f"paths.root={root}", "--set", "paths.archive=/missing/*.json"]
    assert main(arguments) == 3
    assert output("clean") == ("", "tonality clean: no file found at /missing/*.json\n")
    (record,) = records(root)
    assert record["fault"] == "InputError: no file found at /missing/*.json"


@pytest.mark.parametrize("stage", ["evaluate", "label", "report", "score", "train"])
def test_a_stage_that_is_run_too_early_exits_3_and_names_the_stage_to_run_first(stage, root, lent_spark, capsys):
    assert main([stage, "--set", f"paths.root={root}"]) == 3
    assert "first" in capsys.readouterr().err


def test_a_root_that_cannot_be_written_exits_1_with_a_message_before_spark_starts(tmp_path, no_spark, capsys):
    (tmp_path / "file").write_text("in the way")
    arguments = ["clean", "--set", f"paths.root={tmp_path}/file", "--set", f"paths.archive={tmp_path}"]
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith(f"tonality clean: paths.root: cannot write to {tmp_path}/file: ")


def test_a_stage_gets_a_session_only_if_it_needs_one(invent, lent_spark, spark, capsys):
    assert invent(lambda settings, record, session: f"on Spark {session.version}", spark=True) == 0
    assert capsys.readouterr().out == f"on Spark {spark.version}\n"


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_help_lists_the_tables_that_a_stage_reads_and_writes(stage, capsys):
    for ask in (lambda: main([stage.name, "--help"]), lambda: run_job(stage.name, ["--help"])):
        with pytest.raises(SystemExit, match=r"^0$"):
            ask()
        output = " ".join(capsys.readouterr().out.split())
        assert f"Reads {stage.reads}. Writes {stage.writes}." in output
        assert "Exit status: 0 done" in output


def test_help_describes_the_formats_of_texts_and_the_exit_status(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["score-text", "--help"])
    output = " ".join(capsys.readouterr().out.split())
    for promise in (
        "lines one text per line",
        "csv a table",
        "tsv the same",
        "jsonl one object per line",
        "exit status 3",
    ):
        assert promise in output


def test_help_lists_every_stage_and_the_other_commands(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--help"])
    output = capsys.readouterr().out
    listed = [line.split()[0] for line in output.splitlines() if line[:4].isspace() and line[4:5].strip()]
    assert listed == [*STAGES, "score-text", "models", "runs"]


@pytest.mark.parametrize(
    "arguments", [[], ["cleen"], ["clean", "--confg", "x"], ["clean", "2015-12-10"], ["score-text", "--format", "xml"]]
)
def test_an_invalid_command_line_exits_2(arguments, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)
    assert "usage: tonality" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["clean", "a\nforged\x1b[2J\u202e"], ["a\nforged\x1b[2J\u202e"]])
def test_an_argument_in_the_message_about_it_adds_no_line(arguments, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)
    message = capsys.readouterr().err
    assert "forged" in message
    assert not {"\x1b", "\u202e"} & set(message)
    assert not [line for line in message.splitlines() if line.startswith("forged")]


def test_a_job_takes_the_same_options_as_the_command(invent, root, tmp_path, capsys):
    mine = tmp_path / "mine.toml"
    mine.write_text("[train]\nepochs = 5\nbatch_size = 5")
    options = ["--config", str(mine), "--set", "train.epochs=6", "--set", f"paths.root={root}"]
    run = lambda settings, record: f"{settings.train.epochs} {settings.train.batch_size}"  # noqa: E731
    assert invent(run, arguments=options) == 0
    assert run_job("invented", options) == 0
    assert capsys.readouterr().out == "6 5\n6 5\n"


def test_a_plan_is_printed_without_a_run_a_record_or_a_session(invent, root, no_spark, capsys):
    plan = lambda settings: f"3 files, {settings.train.epochs} epochs"  # noqa: E731
    options = ["--set", "train.epochs=6", "--plan"]
    run = fail(AssertionError("it ran"))
    assert invent(run, spark=True, arguments=options, plan=plan) == 0
    assert run_job("invented", ["--set", f"paths.root={root}", *options]) == 0
    assert capsys.readouterr() == ("3 files, 6 epochs\n" * 2, "")
    assert not root.exists()


def test_a_stage_with_a_plan_runs_unless_the_plan_is_requested(invent, capsys):
    assert invent(lambda *_: "ran", plan=lambda _: "planned") == 0
    assert capsys.readouterr().out == "ran\n"


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("no file found"), 3, "no file found"),
        (PermissionError(13, "Permission denied", "a.gz"), 1, "a.gz: permission denied: "),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_plan_fails_with_the_same_messages_as_a_run(error, status, message, invent, root, capsys):
    assert invent(None, arguments=["--plan"], plan=fail(error)) == status
    assert capsys.readouterr().err.startswith(f"tonality invented: {message}")
    assert not root.exists()


def test_settings_are_checked_before_a_plan_as_before_a_run(invent, capsys):
    def check(settings):
        raise SettingsError("nothing to read")

    options = ["--plan", "--set", "spark.master=yran"]
    assert invent(None, spark=True, check=check, arguments=options, plan=lambda _: "planned") == 2
    output = capsys.readouterr()
    assert output.err.startswith("tonality invented: nothing to read\nspark.master: found 'yran'")
    assert output.out == ""


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_only_stages_with_a_plan_have_the_option(stage, capsys):
    for ask in (lambda: main([stage, "--help"]), lambda: run_job(stage, ["--help"])):
        with pytest.raises(SystemExit, match=r"^0$"):
            ask()
        assert ("--plan" in capsys.readouterr().out) == (stage in ("clean", "forget"))
    if stage not in ("clean", "forget"):
        with pytest.raises(SystemExit, match=r"^2$"):
            main([stage, "--plan"])


# The list of runs


@pytest.fixture
def runs(root, no_spark, capsys):
    """The exit status, stdout and stderr of the command that lists the runs under the root."""

    def listed(*arguments):
        status = main(["runs", *arguments, "--set", f"paths.root={root}"])
        return status, *capsys.readouterr()

    return listed


def test_runs_are_listed_the_newest_last_with_how_they_ended(invent, root, runs, capsys):
    def count(settings, record):
        record.add(reads={"archive": {"records": 1200}}, writes={"tweets": {"rows": 1100}})
        return "done"

    invent(count)
    invent(fail(InputError("no file found")))
    capsys.readouterr()
    status, out, err = runs()
    head, *lines = out.splitlines()
    assert (status, err) == (0, "")
    assert head.split() == ["started", "(UTC)", "run", "read", "wrote", "took", "ended"]
    assert {line.rsplit("  ", 1)[1] for line in lines} == {"done", "failed: no file found"}
    assert any("archive 1,200  tweets 1,100" in line for line in lines)
    assert len(runs("--failed")[1].splitlines()) == 2
    assert [json.loads(line)["stage"] for line in runs("--json")[1].splitlines()] == ["invented"] * 2
    assert " state=failed " in runs("--logfmt", "--failed")[1]


def test_one_run_is_shown_in_full(invent, root, runs, capsys):
    invent(lambda settings, record: "done", arguments=["--set", "train.epochs=7"])
    capsys.readouterr()
    [record] = records(root)
    status, out, _ = runs(record["run"][-9:])
    assert status == 0
    assert out.startswith(f"{record['run']}\n")
    assert "train.epochs = 7" in out
    assert runs("nobody's")[0] == 2


def test_without_a_matching_run_there_is_a_message_and_no_error(invent, runs, capsys):
    invent(lambda *_: "done")
    capsys.readouterr()
    assert runs("--failed") == (0, "", "tonality runs: no run matches\n")
    assert runs("--stage", "clean", "--json") == (0, "", "tonality runs: no run matches\n")


def test_without_any_record_it_is_an_input_error_and_nothing_is_written(root, runs):
    status, out, err = runs()
    assert (status, out) == (3, "")
    assert err.startswith(f"tonality runs: no run records in {root}/runs: nothing at {root}")
    assert not root.exists()


@pytest.mark.parametrize(
    "arguments",
    [["--day", "10.12.2015"], ["--last", "0"], ["--last", "few"], ["--stage", "runs"], ["--json", "--logfmt"]],
)
def test_an_invalid_query_of_runs_exits_2(arguments, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["runs", *arguments])
    assert "usage: tonality runs" in capsys.readouterr().err


def test_the_command_is_a_module_too_and_lists_runs_without_spark_and_torch(root, invent, capsys):
    invent(lambda *_: "done")
    code = (
        "import runpy, sys; sys.argv[0] = 'tonality';"
        "sys.modules.update(dict.fromkeys(('pyspark', 'py4j', 'torch')));"  # importing one of these would raise
        "runpy.run_module('tonality', run_name='__main__', alter_sys=True)"
    )
    for command in ([sys.executable, "-m", "tonality"], [sys.executable, "-c", code]):
        listed = [*command, "runs", "--json", "--set", f"paths.root={root}"]
        done = subprocess.run(listed, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["stage"] == "invented"

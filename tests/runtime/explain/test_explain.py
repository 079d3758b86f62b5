"""What a full disk, a broken file or a lack of memory says to the one who runs a stage."""

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import botocore.exceptions
import pytest
import torch
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError
from tonality.runtime.explain.spark import translate_java_error
from tonality.runtime.explain.system import is_about_removed_file, translate_error, translated_errors
from tonality.runtime.settings.load import load
from tonality.runtime.storage.hadoop_fs import HadoopRoot

COMMAND = [sys.executable, "-c", "import sys; from tonality.cli.main import main; sys.exit(main())"]


@pytest.fixture
def settings(tmp_path):
    return load([], [f"paths.root={tmp_path}/out", "spark.memory=3g"])


@pytest.fixture
def said(settings):
    """The fault that explains what an action raises, as (kind, message)."""

    def run(action):
        with pytest.raises(Exception) as raised:
            action()
        fault = translate_error(raised.value, settings)
        return (type(fault), str(fault)) if fault else None

    return run


@pytest.fixture
def mounted(tmp_path):
    """Makes small file systems of memory; they go with the test."""
    mounts = []

    def mount(options):
        place = tmp_path / f"mount{len(mounts)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"a file system cannot be mounted here: {done.stderr.decode().strip()}")
        mounts.append(place)
        return place

    yield mount
    for place in mounts:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def run_command(*arguments, **options):
    # as people run it: what is printed waits in a buffer
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    chosen = {"capture_output": True, "env": buffered, **options}
    return subprocess.run([*COMMAND, *map(str, arguments)], text=True, check=False, **chosen)


def own_words(stderr):
    """stderr without the line in which Java greets."""
    own = (line for line in stderr.splitlines(keepends=True) if "incubator modules" not in line)
    return "".join(line for line in own if not re.match(r"tonality \w+: run \w+-", line))


# Python's own


def test_a_full_disk_is_named_with_what_to_do(settings, said):
    def fill():
        with Path("/dev/full").open("w") as disk:
            disk.write("more")

    kind, message = said(fill)
    assert kind is UserError
    assert message == (
        f"paths.root is {settings.paths.root}: no space left on device: "
        "free some space or name another disk, then run the stage again"
    )


@pytest.mark.parametrize(
    ("number", "what"),
    [(errno.EACCES, "permission denied: give"), (errno.EROFS, "read-only file system: give"), (errno.EMFILE, "ulimit -n")],
)  # fmt: skip
def test_what_the_system_refuses_is_said_with_the_file(said, number, what):
    def refuse():
        raise OSError(number, os.strerror(number), "/data/runs")

    kind, message = said(refuse)
    assert kind is UserError
    assert message.startswith("/data/runs: ")
    assert what in message


def test_a_file_system_that_is_read_only_is_said_to_be(said, mounted):
    place = mounted("ro")
    _, message = said(lambda: (place / "file").write_text("a"))
    assert message.startswith(f"{place}/file: read-only file system: ")


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (botocore.exceptions.NoCredentialsError(), "no credentials for this object store: set AWS_ACCESS_KEY_ID"),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="http://store"), 'does not answer: .*"http://store"'),
    ],
)
def test_an_object_store_that_lets_nobody_in_is_said_to_with_what_to_do(settings, said, error, what):
    def refuse():
        raise error

    kind, message = said(refuse)
    assert kind is UserError
    assert re.match(f"{settings.paths.root}: .*{what}", message)


def test_a_mishap_is_found_behind_what_failed_because_of_it(said):
    def fail():
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/data")
        finally:
            {}["on the way out"]

    assert said(fail)[1].startswith("/data: no space left on device")


def test_more_memory_than_there_is_is_said_to_be_too_much(said):
    kind, message = said(lambda: torch.empty(2**50))
    assert kind is UserError
    assert message.startswith("Python ran out of memory: ")
    assert "lower spark.memory, train.batch_size or network.hidden" in message


@pytest.mark.parametrize("bug", [KeyError("day"), FileNotFoundError(2, "No such file", "a"), RuntimeError("shape")])
def test_what_may_be_a_fault_of_ours_is_not_explained_away(settings, bug):
    assert translate_error(bug, settings) is None
    with pytest.raises(type(bug)), translated_errors(settings):
        raise bug


def test_who_interrupts_a_run_is_told_that_whatever_fails_on_the_way_out(settings):
    with pytest.raises(KeyboardInterrupt), translated_errors(settings):
        try:
            raise KeyboardInterrupt
        finally:
            {}["bug"]


def test_explaining_needs_neither_spark_nor_torch():
    code = "import sys, tonality.runtime.explain.system; sys.exit(bool({'pyspark', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Spark's


def parquet(spark, folder):
    spark.range(10).coalesce(1).write.parquet(f"file://{folder}")
    (file,) = folder.glob("*.parquet")
    return file, spark.read.schema("id long").parquet(f"file://{folder}")


def test_a_broken_file_of_a_table_is_named(spark, tmp_path, said):
    (tmp_path / "tweets").mkdir()
    (tmp_path / "tweets" / "a b.parquet").write_bytes(b"no Parquet at all")
    kind, message = said(spark.read.schema("id long").parquet(f"file://{tmp_path}/tweets").collect)
    assert kind is InputError
    assert "/tweets/a" in message
    assert "b.parquet: no readable Parquet file: run the stage that writes this table again" in message


def test_a_file_that_was_removed_while_it_was_read_is_said_to_be(spark, tmp_path, said):
    file, rows = parquet(spark, tmp_path / "tweets")
    file.unlink()
    kind, message = said(rows.collect)
    assert kind is UserError
    assert f"{file}: it was removed while it was read, as where another run replaces its day: run this stage" in message


def test_a_runs_own_file_that_is_not_there_was_not_replaced_by_another_run(spark, tmp_path, said):
    file, rows = parquet(spark, tmp_path / "_staging" / "score-1" / "scored")
    file.unlink()
    kind, message = said(rows.collect)
    assert kind is UserError
    assert f"{file}: this run has written it, and it is not there: on a cluster paths.root" in message
    with pytest.raises(Exception, match="FILE_NOT_EXIST") as raised:
        rows.collect()
    assert not is_about_removed_file(raised.value)


def test_a_column_of_another_type_is_named(spark, tmp_path, said):
    file, _ = parquet(spark, tmp_path / "tweets")
    _, message = said(spark.read.schema("id string").parquet(f"file://{file.parent}").collect)
    assert f"{file}: Data type mismatches when reading Parquet column [id]. Expected Spark type string" in message


def test_java_that_runs_out_of_memory_is_told_how_to_get_more(spark, said):
    kind, message = said(spark.range(1).select(F.length(F.repeat(F.lit("x" * 1000), 2_000_000))).collect)
    assert kind is UserError
    assert message.startswith("Java ran out of memory (Java heap space) with spark.memory = 3g: raise spark.memory")


@pytest.mark.parametrize("kind", [UserError, InputError, SettingsError])
def test_what_a_worker_finds_at_fault_is_said_in_its_words(spark, said, kind):
    def fail(_):
        raise kind("GPU 7 is not there: look for it\nor take another")

    assert said(lambda: spark.range(1).rdd.map(fail).collect()) == (
        kind,
        "GPU 7 is not there: look for it\nor take another",
    )


def test_a_worker_that_was_killed_is_said_to_be(spark, said):
    die = F.udf(lambda number: os.kill(os.getpid(), signal.SIGKILL), "int")
    kind, message = said(spark.range(2).select(die("id")).collect)
    assert kind is UserError
    assert message.startswith(
        "a Python worker was killed, most often by the system when memory runs out: lower spark.memory"
    )


def test_a_full_disk_that_a_worker_met_is_named(spark, said):
    def fill(number):
        raise OSError(errno.ENOSPC, "No space left on device", "/scratch/a")

    _, message = said(spark.range(2).select(F.udf(fill, "int")("id")).collect)
    assert message.startswith("/scratch/a: no space left on device: free some space")


def test_a_table_that_may_not_be_written_is_named(spark, said, mounted):
    place = mounted("ro")
    kind, message = said(lambda: spark.range(2).write.parquet(f"file://{place}/tweets"))
    assert kind is UserError
    assert message.startswith(f"file:{place}/tweets/")
    assert "give this user the right to" in message
    assert said(lambda: HadoopRoot(spark, str(place)).write_text("a", "b"))[1].startswith(f"{place}/a.part: read-only")


def test_a_file_in_the_place_of_the_root_is_named(spark, tmp_path, said):
    (tmp_path / "file").write_text("in the way")
    _, message = said(lambda: spark.range(2).write.parquet(f"file://{tmp_path}/file/tweets"))
    assert message.startswith(f"file:{tmp_path}/file: not a directory: ")


def test_a_python_that_spark_cannot_start_is_named(spark, said, monkeypatch):
    monkeypatch.setattr(spark.sparkContext, "pythonExec", "/no/python3")
    monkeypatch.setenv("PYSPARK_PYTHON", "/no/python3")
    _, message = said(spark.range(2).select(F.udf(lambda number: 1, "int")("id")).collect)
    assert message.startswith(
        "Spark cannot start its Python workers: cannot run /no/python3. PYSPARK_PYTHON is /no/python3"
    )


def test_a_master_that_does_not_answer_is_named():
    said = "java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext."
    away = load([], ["spark.master=spark://far:7077"])
    assert str(translate_java_error(said, away)).startswith("spark.master: no answer from spark://far:7077: start it")
    assert translate_java_error(said, load()) is None


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("java.io.IOException: Disk quota exceeded", "paths.root is out: disk quota exceeded: free some space"),
        ("org.apache.hadoop.security.AccessControlException: user=ann, path=/t", "user=ann, path=/t: permission denied: give"),
        ("Destination exists and is not a directory: /t/_journal", "/t/_journal: not a directory: give this user"),
        ("PythonException: Traceback\nMemoryError", "a Python worker ran out of memory: lower spark.memory (4g)"),
        ("ModuleNotFoundError: No module named 'tonality'", "Spark cannot start its Python workers: No module named"),
        ("[JAVA_GATEWAY_EXITED] Java gateway process exited", "Java did not start, and may have said why above."),
    ],
)  # fmt: skip
def test_what_a_cluster_says_of_itself_is_put_into_words(said, message):
    assert str(translate_java_error(said, load())).startswith(message)


@pytest.mark.parametrize("said", ["java.lang.NullPointerException", "PythonException: KeyError: 'day'"])
def test_a_java_exception_that_may_be_a_fault_of_ours_is_not_explained_away(said):
    assert translate_java_error(said, load()) is None


# Through the command


def words(rows):
    chance = random.Random(2016)
    letters = "абвгдежзиклмнопрст"
    lines = (f"2015-12-10,{' '.join(''.join(chance.choices(letters, k=9)) for _ in range(20))}\n" for _ in range(rows))
    return "created_at,text\n" + "".join(lines)


def test_a_disk_that_fills_while_spark_writes_is_one_message_and_exit_status_1(tmp_path, mounted):
    disk = mounted("size=512k")
    (tmp_path / "tweets.csv").write_text(words(3000))
    options = [
        f"paths.archive={tmp_path}/tweets.csv",
        f"paths.root={disk}/out",
        "archive.format=table",
        "spark.memory=1g",
    ]
    done = run_command("clean", *(part for option in options for part in ("--set", option)))
    assert (done.returncode, done.stdout) == (1, "")
    (message,) = own_words(done.stderr).splitlines()
    assert message.startswith(f"tonality clean: file:{disk}/out/_staging/")
    assert message.endswith(": no space left on device: free some space or name another disk, then run the stage again")


def run_label(root, work, **environment):
    """The command's `label` with other work to do in its session."""
    code = (
        "import os, sys; from tonality.cli.main import main; from tonality.stages import label;"
        f"label.run = lambda settings, record, spark: {work}; sys.exit(main())"
    )
    arguments = [sys.executable, "-c", code, "label", "--set", f"paths.root={root}", "--set", "spark.memory=1g"]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_a_scratch_disk_that_fills_is_one_message_that_says_how_to_name_another(tmp_path, mounted):
    shuffle = "spark.range(200_000).selectExpr('uuid() u').repartition(4).selectExpr('max(u)').collect()"
    done = run_label(tmp_path, shuffle, SPARK_LOCAL_DIRS=str(mounted("size=1m")))
    assert (done.returncode, done.stdout) == (1, "")
    (message,) = own_words(done.stderr).splitlines()
    assert message.startswith(
        "tonality label: Spark's scratch folder (spark.local.dir or SPARK_LOCAL_DIRS, else /tmp): no sp"
    )


def test_a_java_process_that_is_killed_is_one_message_and_exit_status_1(tmp_path):
    done = run_label(tmp_path, "(os.kill(spark.sparkContext._gateway.proc.pid, 9), spark.range(9).count())")
    assert (done.returncode, done.stdout) == (1, "")
    (message,) = own_words(done.stderr).splitlines()
    assert message.startswith(
        "tonality label: Spark's Java process ended in the middle of the run (exit status -9), most often killed by"
    )


def test_a_run_that_is_interrupted_in_the_middle_of_a_spark_job_says_no_more_than_that(tmp_path):
    work = (
        "(__import__('threading').Timer(2, os.kill, (os.getpid(), 2)).start(),"
        "spark.sql('select sum(hash(a.id, b.id)) from range(1000000) a cross join range(1000000) b').collect())"
    )
    done = run_label(tmp_path, work)
    assert (done.returncode, done.stdout, own_words(done.stderr)) == (130, "", "tonality label: interrupted\n")


@pytest.fixture
def sample_arguments(tmp_path):
    places = [f"paths.{name}={tmp_path}/{name}" for name in ("archive", "corpus", "root")]
    return [
        "sample",
        *(part for option in [*places, "sample.tweets=1000", "sample.labelled=100"] for part in ("--set", option)),
    ]


def test_a_pipe_that_nobody_reads_does_not_turn_a_stage_that_is_done_into_a_failure(sample_arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = run_command(*sample_arguments, capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, own_words(done.stderr)) == (0, "")


def test_a_summary_that_finds_the_disk_full_is_one_message(sample_arguments):
    with Path("/dev/full").open("w") as full:
        done = run_command(*sample_arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert own_words(done.stderr) == (
        "tonality sample: the stage is done, but its summary cannot be written to stdout: No space left on device\n"
    )


def test_a_terminal_without_the_letters_of_a_path_shows_their_codes(tmp_path, sample_arguments):
    done = run_command(
        *sample_arguments, "--set", f"paths.archive={tmp_path}/архив", env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, own_words(done.stderr)) == (0, "")
    assert "\\u0430" in done.stdout
    shutil.rmtree(tmp_path / "архив")

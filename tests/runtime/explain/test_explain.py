"""The messages of a full disk, a broken file or a lack of memory to the user of a stage."""

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
from tonality.runtime.explain.system import is_caused_by_removed_file, translate_error, translated_errors
from tonality.runtime.settings.load import load
from tonality.runtime.storage.hadoop_fs import HadoopRoot

COMMAND = [sys.executable, "-c", "import sys; from tonality.cli.main import main; sys.exit(main())"]


@pytest.fixture
def settings(tmp_path):
    return load([], [f"paths.root={tmp_path}/out", "spark.memory=3g"])


@pytest.fixture
def translated(settings):
    """The user error for the exception of an action, as (kind, message)."""

    def run(action):
        with pytest.raises(Exception) as raised:
            action()
        error = translate_error(raised.value, settings)
        return (type(error), str(error)) if error else None

    return run


@pytest.fixture
def mounted(tmp_path):
    """Mounts small file systems in memory and unmounts them after the test."""
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
    # as users run it, with buffered output
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    options = {"capture_output": True, "env": buffered, **options}
    return subprocess.run([*COMMAND, *map(str, arguments)], text=True, check=False, **options)


# Python


def test_a_full_disk_is_named_with_what_to_do(settings, translated):
    def fill():
        with Path("/dev/full").open("w") as disk:
            disk.write("more")

    kind, message = translated(fill)
    assert kind is UserError
    assert message == (
        f"paths.root is {settings.paths.root}: no space left on device: "
        "free some space or name another disk, then run the stage again"
    )


@pytest.mark.parametrize(
    ("number", "part"),
    [(errno.EACCES, "permission denied: give"), (errno.EROFS, "read-only file system: give"), (errno.EMFILE, "ulimit -n")],
)  # fmt: skip
def test_an_error_of_the_system_is_translated_with_the_file(translated, number, part):
    def refuse():
        raise OSError(number, os.strerror(number), "/data/runs")

    kind, message = translated(refuse)
    assert kind is UserError
    assert message.startswith("/data/runs: ")
    assert part in message


def test_a_read_only_file_system_is_reported(translated, mounted):
    place = mounted("ro")
    _, message = translated(lambda: (place / "file").write_text("a"))
    assert message.startswith(f"{place}/file: read-only file system: ")


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (botocore.exceptions.NoCredentialsError(), "no credentials for this object store: set AWS_ACCESS_KEY_ID"),
        (
            botocore.exceptions.EndpointConnectionError(endpoint_url="http://store"),
            'does not respond: .*"http://store"',
        ),
    ],
)
def test_an_inaccessible_object_store_is_reported_with_a_remedy(settings, translated, error, part):
    def refuse():
        raise error

    kind, message = translated(refuse)
    assert kind is UserError
    assert re.match(f"{settings.paths.root}: .*{part}", message)


def test_an_error_is_found_behind_its_consequences(translated):
    def fail():
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/data")
        finally:
            {}["during cleanup"]

    assert translated(fail)[1].startswith("/data: no space left on device")


def test_too_little_memory_is_reported(translated):
    kind, message = translated(lambda: torch.empty(2**50))
    assert kind is UserError
    assert message.startswith("Python ran out of memory: ")
    assert "lower spark.memory, train.batch_size or network.hidden" in message


@pytest.mark.parametrize("bug", [KeyError("day"), FileNotFoundError(2, "No such file", "a"), RuntimeError("shape")])
def test_what_may_be_a_bug_is_not_translated(settings, bug):
    assert translate_error(bug, settings) is None
    with pytest.raises(type(bug)), translated_errors(settings):
        raise bug


def test_an_interruption_is_reported_whatever_fails_during_cleanup(settings):
    with pytest.raises(KeyboardInterrupt), translated_errors(settings):
        try:
            raise KeyboardInterrupt
        finally:
            {}["bug"]


def test_translation_needs_neither_spark_nor_torch():
    code = "import sys, tonality.runtime.explain.system; sys.exit(bool({'pyspark', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Spark


def parquet(spark, folder):
    spark.range(10).coalesce(1).write.parquet(f"file://{folder}")
    (file,) = folder.glob("*.parquet")
    return file, spark.read.schema("id long").parquet(f"file://{folder}")


def test_a_broken_file_of_a_table_is_named(spark, tmp_path, translated):
    (tmp_path / "tweets").mkdir()
    (tmp_path / "tweets" / "a b.parquet").write_bytes(b"not Parquet at all")
    kind, message = translated(spark.read.schema("id long").parquet(f"file://{tmp_path}/tweets").collect)
    assert kind is InputError
    assert "/tweets/a" in message
    assert "b.parquet: not a readable Parquet file: run the stage that writes this table again" in message


def test_a_file_that_was_removed_while_it_was_read_is_reported(spark, tmp_path, translated):
    file, rows = parquet(spark, tmp_path / "tweets")
    file.unlink()
    kind, message = translated(rows.collect)
    assert kind is UserError
    assert f"{file}: removed while it was being read, as when another run replaces its day: run this stage" in message


def test_a_runs_own_missing_file_was_not_replaced_by_another_run(spark, tmp_path, translated):
    file, rows = parquet(spark, tmp_path / "_staging" / "score-1" / "scored")
    file.unlink()
    kind, message = translated(rows.collect)
    assert kind is UserError
    assert f"{file}: written by this run but missing: on a cluster paths.root" in message
    with pytest.raises(Exception, match="FILE_NOT_EXIST") as raised:
        rows.collect()
    assert not is_caused_by_removed_file(raised.value)


def test_a_column_of_another_type_is_named(spark, tmp_path, translated):
    file, _ = parquet(spark, tmp_path / "tweets")
    _, message = translated(spark.read.schema("id string").parquet(f"file://{file.parent}").collect)
    assert f"{file}: Data type mismatches when reading Parquet column [id]. Expected Spark type string" in message


def test_java_out_of_memory_is_reported_with_a_remedy(spark, translated):
    kind, message = translated(spark.range(1).select(F.length(F.repeat(F.lit("x" * 1000), 2_000_000))).collect)
    assert kind is UserError
    assert message.startswith("Java ran out of memory (Java heap space) with spark.memory = 3g: raise spark.memory")


@pytest.mark.parametrize("kind", [UserError, InputError, SettingsError])
def test_a_user_error_of_a_worker_keeps_its_message(spark, translated, kind):
    def fail(_):
        raise kind("GPU 7 is not there: look for it", "or take another")

    assert translated(lambda: spark.range(1).rdd.map(fail).collect()) == (
        kind,
        "GPU 7 is not there: look for it\nor take another",
    )


def test_a_worker_that_was_killed_is_reported(spark, translated):
    die = F.udf(lambda number: os.kill(os.getpid(), signal.SIGKILL), "int")
    kind, message = translated(spark.range(2).select(die("id")).collect)
    assert kind is UserError
    assert message.startswith(
        "a Python worker was killed, most likely by the system because memory ran out: lower spark.memory"
    )


def test_a_full_disk_that_a_worker_met_is_named(spark, translated):
    def fill(number):
        raise OSError(errno.ENOSPC, "No space left on device", "/scratch/a")

    _, message = translated(spark.range(2).select(F.udf(fill, "int")("id")).collect)
    assert message.startswith("/scratch/a: no space left on device: free some space")


def test_a_table_that_may_not_be_written_is_named(spark, translated, mounted):
    place = mounted("ro")
    kind, message = translated(lambda: spark.range(2).write.parquet(f"file://{place}/tweets"))
    assert kind is UserError
    assert message.startswith(f"file:{place}/tweets/")
    assert "give this user permission" in message
    assert translated(lambda: HadoopRoot(spark, str(place)).write_text("a", "b"))[1].startswith(
        f"{place}/a.part: read-only"
    )


def test_a_file_in_the_place_of_the_root_is_named(spark, tmp_path, translated):
    (tmp_path / "file").write_text("in the way")
    _, message = translated(lambda: spark.range(2).write.parquet(f"file://{tmp_path}/file/tweets"))
    assert message.startswith(f"file:{tmp_path}/file: not a directory: ")


def test_a_python_that_spark_cannot_start_is_named(spark, translated, monkeypatch):
    monkeypatch.setattr(spark.sparkContext, "pythonExec", "/no/python3")
    monkeypatch.setenv("PYSPARK_PYTHON", "/no/python3")
    _, message = translated(spark.range(2).select(F.udf(lambda number: 1, "int")("id")).collect)
    assert message.startswith(
        "Spark cannot start its Python workers: cannot run /no/python3. PYSPARK_PYTHON is /no/python3"
    )


def test_a_master_that_does_not_answer_is_named():
    text = "java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext."
    remote = load([], ["spark.master=spark://far:7077"])
    assert str(translate_java_error(text, remote)).startswith("spark.master: no answer from spark://far:7077: start it")
    assert translate_java_error(text, load()) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("java.io.IOException: Disk quota exceeded", "paths.root is out: disk quota exceeded: free some space"),
        ("org.apache.hadoop.security.AccessControlException: user=ann, path=/t", "user=ann, path=/t: permission denied: give"),
        ("Destination exists and is not a directory: /t/_journal", "/t/_journal: not a directory: give this user"),
        ("PythonException: Traceback\nMemoryError", "a Python worker ran out of memory: lower spark.memory (4g)"),
        ("ModuleNotFoundError: No module named 'tonality'", "Spark cannot start its Python workers: No module named"),
        ("[JAVA_GATEWAY_EXITED] Java gateway process exited", "Java did not start; its own message may be above."),
    ],
)  # fmt: skip
def test_an_error_of_a_cluster_is_translated(text, message):
    assert str(translate_java_error(text, load())).startswith(message)


@pytest.mark.parametrize("text", ["java.lang.NullPointerException", "PythonException: KeyError: 'day'"])
def test_a_java_exception_that_may_be_a_bug_is_not_translated(text):
    assert translate_java_error(text, load()) is None


# Through the command


def random_tweets(rows):
    rng = random.Random(2016)
    letters = "абвгдежзиклмнопрст"
    lines = (f"2015-12-10,{' '.join(''.join(rng.choices(letters, k=9)) for _ in range(20))}\n" for _ in range(rows))
    return "created_at,text\n" + "".join(lines)


@pytest.mark.slow
def test_a_disk_that_fills_while_spark_writes_is_one_message_and_exit_status_1(tmp_path, mounted):
    disk = mounted("size=512k")
    (tmp_path / "tweets.csv").write_text(random_tweets(3000))
    options = [
        f"paths.archive={tmp_path}/tweets.csv",
        f"paths.root={disk}/out",
        "archive.format=table",
        "spark.memory=1g",
    ]
    done = run_command("clean", "-q", *(part for option in options for part in ("--set", option)))
    assert (done.returncode, done.stdout) == (1, "")
    (message,) = done.stderr.splitlines()
    assert message.startswith(f"tonality clean: file:{disk}/out/_staging/")
    assert message.endswith(": no space left on device: free some space or name another disk, then run the stage again")


def run_label(root, work, **environment):
    """Run the command's `label` with other work in its session."""
    code = (
        "import os, sys; from tonality.cli.main import main; from tonality.stages import label;"
        f"label.run = lambda settings, record, spark: {work}; sys.exit(main())"
    )
    arguments = [sys.executable, "-c", code, "label", "-q", "--set", f"paths.root={root}", "--set", "spark.memory=1g"]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.slow
def test_a_full_temporary_disk_is_one_message_with_the_remedy(tmp_path, mounted):
    shuffle = "spark.range(200_000).selectExpr('uuid() u').repartition(4).selectExpr('max(u)').collect()"
    done = run_label(tmp_path, shuffle, SPARK_LOCAL_DIRS=str(mounted("size=1m")))
    assert (done.returncode, done.stdout) == (1, "")
    (message,) = done.stderr.splitlines()
    assert message.startswith(
        "tonality label: Spark's temporary folder (spark.local.dir or SPARK_LOCAL_DIRS, else /tmp): no sp"
    )


@pytest.mark.slow
def test_a_java_process_that_is_killed_is_one_message_and_exit_status_1(tmp_path):
    done = run_label(tmp_path, "(os.kill(spark.sparkContext._gateway.proc.pid, 9), spark.range(9).count())")
    assert (done.returncode, done.stdout) == (1, "")
    (message,) = done.stderr.splitlines()
    assert message.startswith(
        "tonality label: Spark's Java process ended during the run (exit status -9), most likely killed by"
    )


@pytest.mark.slow
def test_a_run_interrupted_during_a_spark_job_reports_only_that(tmp_path):
    work = (
        "(__import__('threading').Timer(2, os.kill, (os.getpid(), 2)).start(),"
        "spark.sql('select sum(hash(a.id, b.id)) from range(1000000) a cross join range(1000000) b').collect())"
    )
    done = run_label(tmp_path, work)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "tonality label: interrupted\n")


@pytest.fixture
def sample_arguments(tmp_path):
    places = [f"paths.{name}={tmp_path}/{name}" for name in ("archive", "corpus", "root")]
    return [
        "sample",
        "-q",
        *(part for option in [*places, "sample.tweets=1000", "sample.labelled=100"] for part in ("--set", option)),
    ]


def test_a_closed_pipe_does_not_turn_a_finished_stage_into_a_failure(sample_arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = run_command(*sample_arguments, capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_summary_on_a_full_disk_is_one_message(sample_arguments):
    with Path("/dev/full").open("w") as full:
        done = run_command(*sample_arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == (
        "tonality sample: the stage is done, but its summary cannot be written to stdout: No space left on device\n"
    )


def test_a_terminal_without_the_letters_of_a_path_shows_escapes(tmp_path, sample_arguments):
    done = run_command(
        *sample_arguments, "--set", f"paths.archive={tmp_path}/архив", env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u0430" in done.stdout
    shutil.rmtree(tmp_path / "архив")

"""Messages of Spark's Java process as log messages: their levels, and what is only a detail."""

import logging

import pytest

from tonality.runtime.spark.java_log import read_messages

TIME = "26/11/30 13:15:02"
TASK = f"{TIME} INFO [clean-1] tonality: task ends work=read rows=3"


def test_a_message_has_log4js_level_and_its_stack_trace_has_it_too_indented():
    lines = [TASK, f"{TIME} ERROR Executor: failed", "java.io.IOException: no", "\tat a.B.c", f"{TIME} DEBUG A: b"]
    assert list(read_messages(lines)) == [
        (logging.INFO, lines[0]),
        (logging.WARNING, lines[1]),
        (logging.WARNING, f"  {lines[2]}"),
        (logging.WARNING, f"  {lines[3]}"),
        (logging.DEBUG, lines[4]),
    ]


def test_a_line_feed_in_a_name_starts_no_message():
    name = "a.json\ntonality clean: every tweet was read"
    messages = [message for _, message in read_messages(f"{TIME} WARN Executor: no such file: {name}".split("\n"))]
    assert messages[1] == "  tonality clean: every tweet was read"


def test_a_line_that_no_log4j_wrote_is_a_warning():
    assert list(read_messages(["Error: Could not create the Java Virtual Machine."])) == [
        (logging.WARNING, "Error: Could not create the Java Virtual Machine.")
    ]


@pytest.mark.parametrize(
    "remark",
    [
        "WARNING: Using incubator modules: jdk.incubator.vector",
        "netlib-blas: JNI_OnLoad: dlopen(libblas.so.3) failed: libblas.so.3: cannot open shared object file",
        "Nov 30, 2026 1:15:02 PM dev.ludovic.netlib.blas.InstanceBuilder initializeJava",
        "WARNING: Failed to load implementation from:dev.ludovic.netlib.blas.JNIBLAS",
        f"{TIME} WARN NativeCodeLoader: Unable to load native-hadoop library for your platform",
    ],
)
def test_a_missing_accelerator_is_a_detail_and_hides_no_other_line(remark):
    lines = [f"{TIME} WARN A: odd", remark, "\tat a.B.c"]
    assert [level for level, _ in read_messages(lines)] == [logging.WARNING, logging.DEBUG, logging.WARNING]

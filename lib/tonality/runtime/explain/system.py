"""Translate low-level exceptions (full disk, no permission, no memory, no Java) into user errors.

Spark reports them in the text of a Java stack trace, Python and torch as an exception anywhere in the chain. Neither
pyspark nor torch is imported here, so that stages that do not need them never load them.
"""

import errno
import logging
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from tonality.runtime.diagnostics.errors import InputError, UserError, from_errno
from tonality.runtime.explain.spark import reports_removed_file, translate_java_error
from tonality.runtime.settings.sections import Settings

__all__ = ["is_caused_by_removed_file", "translate_error", "translated_errors"]

_BROKEN: Final = re.compile(
    r"[Cc]orrupt|decompress|magic bytes|[Tt]hrift|end of stream|end of file|page header|checksum"
)


@contextmanager
def translated_errors(settings: Settings) -> Iterator[None]:
    """Raise exceptions of the block as user errors, and any failure caused by an interruption as KeyboardInterrupt.

    Exceptions that `translate_error` does not know are raised unchanged.
    """
    root = logging.getLogger()
    root.addFilter(_is_not_repeated)
    try:
        yield
    except UserError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        for link in _chain(error):
            if isinstance(link, KeyboardInterrupt):  # the rest failed during cleanup
                raise KeyboardInterrupt(*link.args) from error
        if user_error := translate_error(error, settings):
            raise user_error from error
        raise
    finally:
        root.removeFilter(_is_not_repeated)


def _is_not_repeated(record: logging.LogRecord) -> bool:
    """False for py4j's log records of exceptions that it also raises."""
    return not (record.exc_info and record.module == "java_gateway")


def translate_error(error: BaseException, settings: Settings) -> UserError | None:
    """The user error behind an exception; None if it may be a bug of Tonality."""
    for translator in (_of_system, _of_memory, _of_java, _of_lost_java, _of_object_store, _of_parquet, _of_output):
        for link in _chain(error):
            if user_error := translator(link, settings):
                return user_error
    return None


def is_caused_by_removed_file(error: BaseException) -> bool:
    """True if a table's file was removed before Spark could read it, as when another run replaces its day."""
    return any(_is_java(link) and reports_removed_file(_text(link)) for link in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, followed by its causes and contexts."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _of_system(link: BaseException, settings: Settings) -> UserError | None:
    if not isinstance(link, OSError):
        return None
    return from_errno(link.errno, link.filename or link.filename2 or f"paths.root is {settings.paths.root}")


def _of_memory(link: BaseException, settings: Settings) -> UserError | None:  # noqa: ARG001
    kind, text = type(link), str(link) if not _is_java(link) else ""
    if isinstance(link, OSError) and link.errno == errno.ENOMEM:
        text = "can't allocate memory"
    if kind.__name__ == "OutOfMemoryError" and kind.__module__.startswith("torch"):
        return UserError(
            f"the GPU has too little memory: {_first_line(text)}: lower train.batch_size or network.hidden"
        )
    if isinstance(link, MemoryError) or "can't allocate memory" in text:
        reason = _first_line(text) or "no memory left"
        return UserError(f"Python ran out of memory: {reason}: lower spark.memory, train.batch_size or network.hidden")
    return None


def _of_java(link: BaseException, settings: Settings) -> UserError | None:
    return translate_java_error(_text(link), settings) if _is_java(link) else None


def _of_lost_java(link: BaseException, settings: Settings) -> UserError | None:
    """The end of the Java process, which shows in the next call to it."""
    refused = isinstance(link, ConnectionError) and _raised_in(link, "py4j")
    if type(link).__name__ != "Py4JNetworkError" and not refused:
        return None
    memory = settings.spark.memory
    match _java_status():
        case 52:  # SparkExitCode.OOM
            return UserError(f"Java ran out of memory and ended, with spark.memory = {memory}: raise spark.memory")
        case status:
            return UserError(
                f"Spark's Java process ended during the run (exit status {status}), most likely killed by the system "
                f"because memory ran out: lower spark.memory ({memory}) or free memory on this machine"
            )


def _java_status() -> int | None:
    """The exit status of the Java process that this one started, negative for a signal; None if there is none."""
    context = getattr(sys.modules.get("pyspark"), "SparkContext", None)
    process = getattr(getattr(context, "_gateway", None), "proc", None)
    with suppress(subprocess.TimeoutExpired):
        return process.wait(timeout=5) if process else None
    return None


def _of_object_store(link: BaseException, settings: Settings) -> UserError | None:
    """Errors of botocore, on which s3fs is based."""
    if not type(link).__module__.startswith("botocore"):
        return None
    root, message = settings.paths.root, _first_line(str(link))
    match type(link).__name__:
        case "NoCredentialsError" | "PartialCredentialsError":
            return UserError(
                f"{root}: no credentials for this object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                f"AWS_PROFILE, or assign this machine a role"
            )
        case "EndpointConnectionError" | "ConnectTimeoutError" | "ReadTimeoutError":
            return UserError(
                f"{root}: the object store does not respond: {message}: check AWS_ENDPOINT_URL and the network"
            )
    return None


def _of_parquet(link: BaseException, settings: Settings) -> UserError | None:
    """Errors of pyarrow about a broken file, which do not name the file."""
    if not isinstance(link, OSError | ValueError) or not _raised_in(link, "pyarrow") or not _BROKEN.search(str(link)):
        return None
    message = _first_line(str(link)).rstrip(".")
    return InputError(
        f"a Parquet file under {settings.paths.root} is broken: {message}: run the stage that writes it again"
    )


def _of_output(link: BaseException, settings: Settings) -> UserError | None:  # noqa: ARG001 - all translators have one signature
    if not isinstance(link, BrokenPipeError):
        return None
    return UserError("the program that read the output has ended: write it to a file, or read it to its end")


def _raised_in(link: BaseException, package: str) -> bool:
    frames = (frame for frame, _ in traceback.walk_tb(link.__traceback__))
    return any(frame.f_globals.get("__name__", "").partition(".")[0] == package for frame in frames)


def _is_java(link: BaseException) -> bool:
    return type(link).__module__.partition(".")[0] in ("py4j", "pyspark")


def _text(link: BaseException) -> str:
    """The exception's message with Java's stack trace, whose retrieval fails if the Java process has ended."""
    try:
        return f"{link}\n{getattr(link, '_stackTrace', '')}"
    except Exception:
        return str(getattr(link, "errmsg", ""))


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]

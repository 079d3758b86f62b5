"""Mishaps of the machine, found in an exception and put into words: a full disk, no permission, no memory, no Java.

Spark tells of them in the text of a Java stack trace, Python and torch in an exception somewhere down the chain.
Neither pyspark nor torch is imported here, so that the stages that do without them do without them in trouble too.
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

from tonality.runtime.diagnostics.errors import InputError, UserError, refusal
from tonality.runtime.explain.spark import reports_removed_file, translate_java_error
from tonality.runtime.settings.sections import Settings

__all__ = ["is_about_removed_file", "translate_error", "translated_errors"]

_BROKEN: Final = re.compile(
    r"[Cc]orrupt|decompress|magic bytes|[Tt]hrift|end of stream|end of file|page header|checksum"
)


@contextmanager
def translated_errors(settings: Settings) -> Iterator[None]:
    """Inside, a mishap becomes the UserError that explains it, and a run that was interrupted ends as one.

    Raises what `translate_error` knows nothing of as it is.
    """
    root = logging.getLogger()
    root.addFilter(_is_news)
    try:
        yield
    except UserError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        for link in _chain(error):
            if isinstance(link, KeyboardInterrupt):  # whatever failed on the way out
                raise KeyboardInterrupt(*link.args) from error
        if fault := translate_error(error, settings):
            raise fault from error
        raise
    finally:
        root.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether it tells what no exception does: py4j logs, with its stack trace, what it raises too."""
    return not (record.exc_info and record.module == "java_gateway")


def translate_error(error: BaseException, settings: Settings) -> UserError | None:
    """The fault that an exception comes from, which the user can mend; None where it may be a fault of ours."""
    for explainer in (_of_system, _of_memory, _of_java, _of_lost_java, _of_object_store, _of_parquet, _of_output):
        for link in _chain(error):
            if fault := explainer(link, settings):
                return fault
    return None


def is_about_removed_file(error: BaseException) -> bool:
    """Whether a file of a table was gone when Spark was to read it, as where another run has replaced its day."""
    return any(_is_java(link) and reports_removed_file(_text(link)) for link in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, what it was raised from, and what was being handled when it was raised."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _of_system(link: BaseException, settings: Settings) -> UserError | None:
    if not isinstance(link, OSError):
        return None
    return refusal(link.errno, link.filename or link.filename2 or f"paths.root is {settings.paths.root}")


def _of_memory(link: BaseException, settings: Settings) -> UserError | None:  # noqa: ARG001
    kind, text = type(link), str(link) if not _is_java(link) else ""
    if isinstance(link, OSError) and link.errno == errno.ENOMEM:
        text = "can't allocate memory"
    if kind.__name__ == "OutOfMemoryError" and kind.__module__.startswith("torch"):
        return UserError(
            f"the GPU has too little memory: {_first_line(text)}: lower train.batch_size or network.hidden"
        )
    if isinstance(link, MemoryError) or "can't allocate memory" in text:
        what = _first_line(text) or "no memory left"
        return UserError(f"Python ran out of memory: {what}: lower spark.memory, train.batch_size or network.hidden")
    return None


def _of_java(link: BaseException, settings: Settings) -> UserError | None:
    return translate_java_error(_text(link), settings) if _is_java(link) else None


def _of_lost_java(link: BaseException, settings: Settings) -> UserError | None:
    """Java's process is gone: what is asked of it next finds nobody."""
    refused = isinstance(link, ConnectionError) and _raised_in(link, "py4j")
    if type(link).__name__ != "Py4JNetworkError" and not refused:
        return None
    memory = settings.spark.memory
    match _java_status():
        case 52:  # SparkExitCode.OOM
            return UserError(f"Java ran out of memory and ended, with spark.memory = {memory}: raise spark.memory")
        case status:
            return UserError(
                f"Spark's Java process ended in the middle of the run (exit status {status}), most often killed by the "
                f"system when memory runs out: lower spark.memory ({memory}) or free memory on this machine"
            )


def _java_status() -> int | None:
    """How the Java process ended that this one had started, if it had: negative for a signal's number."""
    context = getattr(sys.modules.get("pyspark"), "SparkContext", None)
    process = getattr(getattr(context, "_gateway", None), "proc", None)
    with suppress(subprocess.TimeoutExpired):
        return process.wait(timeout=5) if process else None
    return None


def _of_object_store(link: BaseException, settings: Settings) -> UserError | None:
    """What Amazon's library, which s3fs stands on, says where it gets no answer."""
    if not type(link).__module__.startswith("botocore"):
        return None
    root, what = settings.paths.root, _first_line(str(link))
    match type(link).__name__:
        case "NoCredentialsError" | "PartialCredentialsError":
            return UserError(
                f"{root}: no credentials for this object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                f"AWS_PROFILE, or give this machine a role"
            )
        case "EndpointConnectionError" | "ConnectTimeoutError" | "ReadTimeoutError":
            return UserError(
                f"{root}: the object store does not answer: {what}: look at AWS_ENDPOINT_URL and the network"
            )
    return None


def _of_parquet(link: BaseException, settings: Settings) -> UserError | None:
    """What pyarrow says of a broken file; it does not say of which."""
    if not isinstance(link, OSError | ValueError) or not _raised_in(link, "pyarrow") or not _BROKEN.search(str(link)):
        return None
    what = _first_line(str(link)).rstrip(".")
    return InputError(
        f"a Parquet file under {settings.paths.root} is broken: {what}: run the stage that writes it again"
    )


def _of_output(link: BaseException, settings: Settings) -> UserError | None:  # noqa: ARG001 - explainers are called alike
    if not isinstance(link, BrokenPipeError):
        return None
    return UserError("whatever read the output has ended: send it to a file, or read it to its end")


def _raised_in(link: BaseException, package: str) -> bool:
    frames = (frame for frame, _ in traceback.walk_tb(link.__traceback__))
    return any(frame.f_globals.get("__name__", "").partition(".")[0] == package for frame in frames)


def _is_java(link: BaseException) -> bool:
    return type(link).__module__.partition(".")[0] in ("py4j", "pyspark")


def _text(link: BaseException) -> str:
    """What it says, with Java's stack trace, for which a Java that may be gone is asked."""
    try:
        return f"{link}\n{getattr(link, '_stackTrace', '')}"
    except Exception:
        return str(getattr(link, "errmsg", ""))


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]

"""Translate Java exceptions of Spark, by the text of their stack trace, into user errors."""

import errno
import os
import re
from collections.abc import Callable
from typing import Final

from tonality.runtime.diagnostics import errors
from tonality.runtime.diagnostics.errors import InputError, UserError, from_errno
from tonality.runtime.settings.sections import Settings

__all__ = ["reports_removed_file", "translate_java_error"]

_WRITING: Final = re.compile(r"writing rows to (\S.*?)\.\s")
_LOCAL_DIRS: Final = re.compile(
    r"/blockmgr-|/spark-[0-9a-f]{8}-|DiskBlockManager|DiskBlockObjectWriter|UnsafeSorterSpill"
)
_WORKER_ERRNO: Final = re.compile(r"\[Errno (\d+)\] [^:\n]+(?:: '([^'\n]*)')?")
_ACCESS_ERRORS: Final = (
    re.compile(r"(?P<path>[^\s:][^\n:]*) \((?P<reason>Permission denied|Read-only file system)\)"),
    re.compile(r"(?P<reason>Mkdirs failed) to create (?P<path>.+?) \(exists"),
    re.compile(r"(?:Parent path|Destination exists and) is (?P<reason>not a directory): (?P<path>.+)"),
    re.compile(r"(?P<reason>)Access(?:Control|Denied)Exception: (?:Permission denied: )?(?P<path>.+)"),
)
_WORKER_MEMORY: Final = re.compile(r"^(?:\w+\.)*(?:Arrow)?MemoryError\b|can't allocate memory", re.M)
_WORKER_ERROR: Final = re.compile(
    r"^tonality\.runtime\.diagnostics\.errors\.(\w+): "
    r"(.*?)(?=\n\s*\n|\n\s+at |\n(?:\w+\.){2,}\w+|\. SQLSTATE|\Z)",
    re.M | re.S,
)
"""A UserError raised on a worker. Its message may have several lines and ends before Java's own text."""
_UNREADABLE: Final = re.compile(r"\[FAILED_READ_FILE\.(\w+)\] [^\n]*?reading file (.+?)\.\s+([^\n]*)")
_FILE_REMOVED: Final = "FILE_NOT_EXIST"
_STAGING: Final = "/_staging/"
_MASTER: Final = re.compile(r"All masters are unresponsive|Failed to connect to master|a stopped SparkContext")


def translate_java_error(text: str, settings: Settings) -> UserError | None:
    """The user error behind a Java exception, given as text with its causes; None if it may be a bug of Tonality."""
    return next((error for translator in _TRANSLATORS if (error := translator(text, settings))), None)


def reports_removed_file(text: str) -> bool:
    """True if a file of a table was removed between listing and reading; staged files of the run do not count."""
    return any(found[1] == _FILE_REMOVED and _STAGING not in found[2] for found in _UNREADABLE.finditer(text))


def _worker_error(text: str, settings: Settings) -> UserError | None:  # noqa: ARG001 - one signature for all translators
    """The UserError that Tonality's own code raised on a worker."""
    found = _WORKER_ERROR.search(text)
    return getattr(errors, found[1], UserError)(*found[2].rstrip().split("\n")) if found else None


def _full_disk(text: str, settings: Settings) -> UserError | None:
    if "No space left on device" in text:
        number = errno.ENOSPC
    elif "Disk quota exceeded" in text:
        number = errno.EDQUOT
    else:
        return None
    if writing := _WRITING.search(text):
        return from_errno(number, writing[1])
    if _LOCAL_DIRS.search(text):
        return from_errno(number, "Spark's temporary folder (spark.local.dir or SPARK_LOCAL_DIRS, else /tmp)")
    return _worker_os_error(text, settings) or from_errno(number, f"paths.root is {settings.paths.root}")


def _access_denied(text: str, settings: Settings) -> UserError | None:
    if error := _worker_os_error(text, settings):
        return error
    for pattern in _ACCESS_ERRORS:
        if found := pattern.search(text):
            reason = (found["reason"] or "permission denied").lower()
            return UserError(f"{found['path'].strip()}: {reason}: give this user permission, or name another location")
    return None


def _worker_os_error(text: str, settings: Settings) -> UserError | None:
    """An OSError of a Python worker, quoted by Java."""
    for number, path in _WORKER_ERRNO.findall(text):
        if error := from_errno(int(number), path or f"paths.root is {settings.paths.root}"):
            return error
    return None


def _out_of_memory(text: str, settings: Settings) -> UserError | None:
    found = re.search(r"java\.lang\.OutOfMemoryError(?:: ([^\n]*))?", text)
    if not found and "SparkOutOfMemoryError" not in text:
        return None
    reason = found[1] if found and found[1] else "none left"
    return UserError(
        f"Java ran out of memory ({reason}) with spark.memory = {settings.spark.memory}: raise spark.memory, or under "
        "spark-submit its --driver-memory and --executor-memory"
    )


def _worker_start(text: str, settings: Settings) -> UserError | None:  # noqa: ARG001 - one signature for all translators
    not_run = re.search(r'Cannot run program "([^"]*)"[^\n]*', text)
    mismatch = re.search(r"PYTHON_VERSION_MISMATCH\][^\n]*", text)
    missing = re.search(r"ModuleNotFoundError: (No module named [^\n]*)", text)
    if not_run:
        reason = f"cannot run {not_run[1]}"
    elif mismatch:
        reason = mismatch[0].partition("] ")[2]
    elif missing:
        reason = missing[1]
    elif "Python worker failed to connect back" in text:
        reason = "one did not respond"
    else:
        return None
    return UserError(
        f"Spark cannot start its Python workers: {reason}. PYSPARK_PYTHON is "
        f"{os.environ.get('PYSPARK_PYTHON', 'not set')}: set it to the Python that Tonality is installed in, on every "
        "machine"
    )


def _worker_death(text: str, settings: Settings) -> UserError | None:
    if "Python worker exited unexpectedly" in text:
        event = "was killed, most likely by the system because memory ran out"
    elif _WORKER_MEMORY.search(text):
        event = "ran out of memory"
    else:
        return None
    return UserError(
        f"a Python worker {event}: lower spark.memory ({settings.spark.memory}) to leave more to the workers, or run "
        'fewer of them (spark.master = "local[1]")'
    )


def _unreadable_table(text: str, settings: Settings) -> UserError | None:
    found = _UNREADABLE.search(text)
    if not found:
        return None
    condition, file, rest = found.groups()
    if condition == _FILE_REMOVED and _STAGING in file:
        return UserError(
            f"{file}: written by this run but missing: on a cluster paths.root ({settings.paths.root}) must be shared "
            "by all machines; otherwise, was the file removed?"
        )
    if condition == _FILE_REMOVED:
        return UserError(
            f"{file}: removed while it was being read, as when another run replaces its day: run this stage again, or "
            "if no other run is active, first the stage that writes this table"
        )
    reason = {"PARQUET_COLUMN_DATA_TYPE_MISMATCH": rest.partition(" SQLSTATE")[0].rstrip(".")}.get(
        condition, "not a readable Parquet file"
    )
    return InputError(
        f"{file}: {reason}: run the stage that writes this table again, or restore the file from a backup"
    )


def _unreachable_master(text: str, settings: Settings) -> UserError | None:
    master = settings.spark.master
    if master.startswith("local") or not _MASTER.search(text):
        return None
    return UserError(f"spark.master: no answer from {master}: start it, or set spark.master to local[*]")


def _java_start(text: str, settings: Settings) -> UserError | None:
    if "JAVA_GATEWAY_EXITED" not in text:
        return None
    return UserError(
        "Java did not start; its own message may be above. Is spark.memory "
        f"({settings.spark.memory}) more than this machine has? Are JAVA_HOME and JAVA_TOOL_OPTIONS correct?"
    )


def _unsupported_store(text: str, settings: Settings) -> UserError | None:
    found = re.search(r'No FileSystem for scheme "?(\w+)"?|Class (org\.apache\.hadoop\.fs\.\S+) not found', text)
    if not found:
        return None
    return UserError(
        f"Spark cannot open paths.root = {settings.paths.root}: it lacks {found[1] or found[2]}. Add the package for "
        "that store (for s3://: --packages org.apache.hadoop:hadoop-aws), or name another location"
    )


_TRANSLATORS: Final[tuple[Callable[[str, Settings], UserError | None], ...]] = (
    _worker_error,
    _full_disk,
    _access_denied,
    _out_of_memory,
    _worker_start,
    _worker_death,
    _unreadable_table,
    _unsupported_store,
    _unreachable_master,
    _java_start,
)
"""Ordered from errors that name their own cause to those that may follow from another."""

"""Mishaps that Spark tells of in the text of a Java stack trace, put into words."""

import errno
import os
import re
from collections.abc import Callable
from typing import Final

from tonality.runtime.diagnostics import errors
from tonality.runtime.diagnostics.errors import InputError, UserError, refusal
from tonality.runtime.settings.sections import Settings

__all__ = ["reports_removed_file", "translate_java_error"]

_WRITING: Final = re.compile(r"writing rows to (\S.*?)\.\s")
_SCRATCH: Final = re.compile(r"/blockmgr-|/spark-[0-9a-f]{8}-|DiskBlockManager|DiskBlockObjectWriter|UnsafeSorterSpill")
_WORKER_ERRNO: Final = re.compile(r"\[Errno (\d+)\] [^:\n]+(?:: '([^'\n]*)')?")
_JAVA_REFUSALS: Final = (
    re.compile(r"(?P<place>[^\s:][^\n:]*) \((?P<why>Permission denied|Read-only file system)\)"),
    re.compile(r"(?P<why>Mkdirs failed) to create (?P<place>.+?) \(exists"),
    re.compile(r"(?:Parent path|Destination exists and) is (?P<why>not a directory): (?P<place>.+)"),
    re.compile(r"(?P<why>)Access(?:Control|Denied)Exception: (?:Permission denied: )?(?P<place>.+)"),
)
_WORKER_MEMORY: Final = re.compile(r"^(?:\w+\.)*(?:Arrow)?MemoryError\b|can't allocate memory", re.M)
_WORKER_FAULT: Final = re.compile(
    r"^tonality\.runtime\.diagnostics\.errors\.(\w+): "
    r"(.*?)(?=\n\s*\n|\n\s+at |\n(?:\w+\.){2,}\w+|\. SQLSTATE|\Z)",
    re.M | re.S,
)
"""The message may have several lines: it ends before Java's own."""
_UNREADABLE: Final = re.compile(r"\[FAILED_READ_FILE\.(\w+)\] [^\n]*?reading file (.+?)\.\s+([^\n]*)")
_REMOVED: Final = "FILE_NOT_EXIST"
_OWN: Final = "/_staging/"
_MASTER: Final = re.compile(r"All masters are unresponsive|Failed to connect to master|a stopped SparkContext")


def translate_java_error(text: str, settings: Settings) -> UserError | None:
    """The fault that a Java exception comes from, its causes included; None where it may be a fault of ours."""
    return next((fault for explainer in _EXPLAINERS if (fault := explainer(text, settings))), None)


def reports_removed_file(text: str) -> bool:
    """Whether a file of a table that Spark had listed was gone when it was to be read; a run's own is not replaced."""
    return any(found[1] == _REMOVED and _OWN not in found[2] for found in _UNREADABLE.finditer(text))


def _worker_fault(text: str, settings: Settings) -> UserError | None:  # noqa: ARG001 - explainers are called alike
    """What one of our own functions met on a worker, in its words."""
    found = _WORKER_FAULT.search(text)
    return getattr(errors, found[1], UserError)(found[2].rstrip()) if found else None


def _full_disk(text: str, settings: Settings) -> UserError | None:
    if "No space left on device" in text:
        number = errno.ENOSPC
    elif "Disk quota exceeded" in text:
        number = errno.EDQUOT
    else:
        return None
    if writing := _WRITING.search(text):
        return refusal(number, writing[1])
    if _SCRATCH.search(text):
        return refusal(number, "Spark's scratch folder (spark.local.dir or SPARK_LOCAL_DIRS, else /tmp)")
    return _refused_to_worker(text, settings) or refusal(number, f"paths.root is {settings.paths.root}")


def _refused(text: str, settings: Settings) -> UserError | None:
    if fault := _refused_to_worker(text, settings):
        return fault
    for pattern in _JAVA_REFUSALS:
        if found := pattern.search(text):
            why = (found["why"] or "permission denied").lower()
            return UserError(f"{found['place'].strip()}: {why}: give this user the right to, or name another place")
    return None


def _refused_to_worker(text: str, settings: Settings) -> UserError | None:
    """What the system refused a Python worker, which Java quotes."""
    for number, place in _WORKER_ERRNO.findall(text):
        if fault := refusal(int(number), place or f"paths.root is {settings.paths.root}"):
            return fault
    return None


def _memory(text: str, settings: Settings) -> UserError | None:
    found = re.search(r"java\.lang\.OutOfMemoryError(?:: ([^\n]*))?", text)
    if not found and "SparkOutOfMemoryError" not in text:
        return None
    what = found[1] if found and found[1] else "no more to be had"
    return UserError(
        f"Java ran out of memory ({what}) with spark.memory = {settings.spark.memory}: raise spark.memory, or where "
        "spark-submit runs the stage its --driver-memory and --executor-memory"
    )


def _worker_start(text: str, settings: Settings) -> UserError | None:  # noqa: ARG001 - explainers are called alike
    found = re.search(r'Cannot run program "([^"]*)"[^\n]*', text)
    mismatch = re.search(r"PYTHON_VERSION_MISMATCH\][^\n]*", text)
    missing = re.search(r"ModuleNotFoundError: (No module named [^\n]*)", text)
    if found:
        what = f"cannot run {found[1]}"
    elif mismatch:
        what = mismatch[0].partition("] ")[2]
    elif missing:
        what = missing[1]
    elif "Python worker failed to connect back" in text:
        what = "one did not answer"
    else:
        return None
    return UserError(
        f"Spark cannot start its Python workers: {what}. PYSPARK_PYTHON is "
        f"{os.environ.get('PYSPARK_PYTHON', 'not set')}: set it to the Python that Tonality is installed in, on every "
        "machine"
    )


def _worker_death(text: str, settings: Settings) -> UserError | None:
    if "Python worker exited unexpectedly" in text:
        what = "was killed, most often by the system when memory runs out"
    elif _WORKER_MEMORY.search(text):
        what = "ran out of memory"
    else:
        return None
    return UserError(
        f"a Python worker {what}: lower spark.memory ({settings.spark.memory}) to leave the workers more, or have "
        'fewer of them (spark.master = "local[1]")'
    )


def _unreadable_table(text: str, settings: Settings) -> UserError | None:
    found = _UNREADABLE.search(text)
    if not found:
        return None
    condition, file, rest = found.groups()
    if condition == _REMOVED and _OWN in file:
        return UserError(
            f"{file}: this run has written it, and it is not there: on a cluster paths.root ({settings.paths.root}) "
            "has to be one place for all machines; else, has somebody removed it?"
        )
    if condition == _REMOVED:
        return UserError(
            f"{file}: it was removed while it was read, as where another run replaces its day: run this stage again, "
            "or where nothing else runs, the stage that writes this table first"
        )
    why = {"PARQUET_COLUMN_DATA_TYPE_MISMATCH": rest.partition(" SQLSTATE")[0].rstrip(".")}.get(
        condition, "no readable Parquet file"
    )
    return InputError(f"{file}: {why}: run the stage that writes this table again, or bring the file back from a copy")


def _unreachable_master(text: str, settings: Settings) -> UserError | None:
    master = settings.spark.master
    if master.startswith("local") or not _MASTER.search(text):
        return None
    return UserError(f"spark.master: no answer from {master}: start it, or set spark.master to local[*]")


def _java_that_never_was(text: str, settings: Settings) -> UserError | None:
    if "JAVA_GATEWAY_EXITED" not in text:
        return None
    return UserError(
        "Java did not start, and may have said why above. Is spark.memory "
        f"({settings.spark.memory}) more than this machine has? Are JAVA_HOME and JAVA_TOOL_OPTIONS right?"
    )


def _unknown_store(text: str, settings: Settings) -> UserError | None:
    found = re.search(r'No FileSystem for scheme "?(\w+)"?|Class (org\.apache\.hadoop\.fs\.\S+) not found', text)
    if not found:
        return None
    return UserError(
        f"Spark cannot open paths.root = {settings.paths.root}: it lacks {found[1] or found[2]}. Give it the package "
        "of that store (for s3://: --packages org.apache.hadoop:hadoop-aws), or name another place"
    )


_EXPLAINERS: Final[tuple[Callable[[str, Settings], UserError | None], ...]] = (
    _worker_fault,
    _full_disk,
    _refused,
    _memory,
    _worker_start,
    _worker_death,
    _unreadable_table,
    _unknown_store,
    _unreachable_master,
    _java_that_never_was,
)
"""From what names its cause to what may be the consequence of another."""

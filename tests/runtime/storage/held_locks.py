"""Shared by the tests of locks and write locks: a file system without locks, and another process that holds one."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tonality.runtime.storage.hadoop_fs import HadoopRoot

_HOLD = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from tonality.runtime.storage.locks import lock
with lock(SimpleNamespace(local=lambda name: Path(sys.argv[1], name)), sys.argv[2], sys.argv[3]):
    print("held", flush=True)
    time.sleep(60)
"""


# Hadoop's local file system checks first and creates then; HDFS and the object stores do both atomically.
_ATOMIC: Final = threading.Lock()


class LocklessRoot(HadoopRoot):
    """A root on a file system that has no file locks."""

    def local(self, name: str) -> Path | None:
        return None

    def create(self, name: str, text: str) -> bool:
        with _ATOMIC:
            return super().create(name, text)


@contextmanager
def another_process_that_holds(folder: Path, name: str, text: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that holds the named lock below the folder, with the text in its file."""
    command = [sys.executable, "-c", _HOLD, str(folder), name, text]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()

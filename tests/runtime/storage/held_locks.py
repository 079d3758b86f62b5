"""What the tests of locks and of claims share: a file system without locks, and another process that holds one."""

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
from tonality.locks import lock
with lock(SimpleNamespace(local=lambda name: Path(sys.argv[1], name)), sys.argv[2], sys.argv[3]):
    print("held", flush=True)
    time.sleep(60)
"""


# Hadoop's local file system looks first and creates then; HDFS and the object stores do both atomically.
_ONE_STROKE: Final = threading.Lock()


class LocklessRoot(HadoopRoot):
    """HadoopRoot of a file system that has no file locks."""

    def local(self, name: str) -> Path | None:
        return None

    def create(self, name: str, text: str) -> bool:
        with _ONE_STROKE:
            return super().create(name, text)


@contextmanager
def another_process_that_holds(folder: Path, name: str, text: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of that name below the folder, with the text in its file."""
    command = [sys.executable, "-c", _HOLD, str(folder), name, text]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()

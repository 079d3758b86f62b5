"""HadoopRoot under one root on whatever file system Hadoop knows, by their names below the root."""

import ctypes
import os
from pathlib import Path
from typing import Any, Final

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage.urls import hadoop_url, join

__all__ = ["HadoopRoot"]

_LIBC: Final = ctypes.CDLL(None)
_EXCHANGE: Final = 2
"""RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS."""


class HadoopRoot:
    """The root's folders and small files, through Hadoop's FileSystem in the driver's JVM."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        self.root = hadoop_url(root)
        jvm: Any = spark._jvm
        self._jvm = jvm
        self._system = self._path("").getFileSystem(spark._jsc.hadoopConfiguration())

    def url(self, name: str) -> str:
        """The whole URL of a name below the root."""
        return join(self.root, name) if name else self.root

    def local(self, name: str) -> Path | None:
        """The path of a name where the root is on a local disk."""
        scheme, _, path = self.url(name).partition(":")
        return Path("/" + path.lstrip("/")) if scheme == "file" else None

    def exists(self, name: str) -> bool:
        """Whether there is such a folder or file."""
        return bool(self._system.exists(self._path(name)))

    def names(self, name: str) -> list[str]:
        """What stands directly in a folder, in order; nothing where there is no such folder."""
        if not self.exists(name):
            return []
        return sorted(status.getPath().getName() for status in self._system.listStatus(self._path(name)))

    def sizes(self, name: str) -> dict[str, int]:
        """The files that stand directly in a folder, each with its bytes; nothing where there is no such folder."""
        if not self.exists(name):
            return {}
        found = self._system.listStatus(self._path(name))
        return {status.getPath().getName(): int(status.getLen()) for status in found if status.isFile()}

    def rename(self, old: str, new: str) -> None:
        """Move a folder or file to a name that is free."""
        self._system.mkdirs(self._path(new).getParent())
        # Hadoop would move a folder into one that is there
        if self.exists(new) or not self._system.rename(self._path(old), self._path(new)):
            raise UserError(
                f"could not rename {self.url(old)} to {self.url(new)}: is the name free, the disk writable?"
            )

    def exchange(self, one: str, other: str) -> bool:
        """Put two folders on a local disk in each other's place, in one step; False where that cannot be done.

        Hadoop has no such thing. Linux and macOS have, for most of their file systems.
        """
        first, second = self.local(one), self.local(other)
        rename = getattr(_LIBC, "renameat2", None) or getattr(_LIBC, "renameatx_np", None)
        if first is None or second is None or rename is None:
            return False
        anywhere = 0  # where relative paths would begin
        status: int = rename(anywhere, os.fsencode(first), anywhere, os.fsencode(second), _EXCHANGE)
        return status == 0

    def make(self, name: str) -> None:
        """Make an empty folder."""
        self._system.mkdirs(self._path(name))

    def delete(self, name: str) -> None:
        """Remove a folder or file with all in it, if it is there."""
        self._system.delete(self._path(name), True)

    def read_text(self, name: str) -> str:
        """A small text file."""
        stream = self._system.open(self._path(name))
        try:
            return str(self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def write_text(self, name: str, text: str) -> None:
        """A small text file of a name that is free, whole or not at all; what a kill leaves ends in .part."""
        part = f"{name}.part"
        if (place := self.local(part)) is not None:  # without a checksum, a file more that a kill may leave behind
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        else:
            self._write(part, text, overwrite=True)
        self.rename(part, name)

    def create(self, name: str, text: str) -> bool:
        """Create a small text file; False where it exists. Raises UserError where it cannot be written."""
        try:
            self._write(name, text, overwrite=False)
        except Py4JJavaError as error:
            kind = error.java_exception.getClass().getSimpleName()
            # by its kind too: whoever made the file may have removed it by now (a parent that is a file has that kind)
            was_there = kind == "FileAlreadyExistsException" and self._system.isDirectory(self._path(name).getParent())
            if was_there or self.exists(name):
                return False
            raise UserError(f"cannot write {self.url(name)}: {error.java_exception.getMessage()}") from error
        return True

    def _write(self, name: str, text: str, overwrite: bool) -> None:
        stream = self._system.create(self._path(name), overwrite)
        try:
            stream.write(text.encode("utf-8"))
        finally:
            stream.close()

    def _path(self, name: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(self.url(name))

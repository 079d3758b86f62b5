"""The root's folders and small files through Hadoop's FileSystem, on any file system that Hadoop supports."""

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
    """Files and folders below one root, named relative to it, through Hadoop's FileSystem in the driver's JVM."""

    def __init__(self, spark: SparkSession, location: str) -> None:
        self.location = hadoop_url(location)
        jvm: Any = spark._jvm
        self._jvm = jvm
        self._system = self._path("").getFileSystem(spark._jsc.hadoopConfiguration())

    def url(self, name: str) -> str:
        """The full URL of a name below the root."""
        return join(self.location, name) if name else self.location

    def local(self, name: str) -> Path | None:
        """The local path of a name; None if the root is not on a local disk."""
        scheme, _, path = self.url(name).partition(":")
        return Path("/" + path.lstrip("/")) if scheme == "file" else None

    def exists(self, name: str) -> bool:
        """True if the file or folder exists."""
        return bool(self._system.exists(self._path(name)))

    def names(self, name: str) -> list[str]:
        """The names in a folder, sorted; empty if the folder does not exist."""
        if not self.exists(name):
            return []
        return sorted(status.getPath().getName() for status in self._system.listStatus(self._path(name)))

    def sizes(self, name: str) -> dict[str, int]:
        """The files in a folder with their sizes in bytes; empty if the folder does not exist."""
        if not self.exists(name):
            return {}
        found = self._system.listStatus(self._path(name))
        return {status.getPath().getName(): int(status.getLen()) for status in found if status.isFile()}

    def rename(self, old: str, new: str) -> None:
        """Move a file or folder to an unused name. Raises UserError if that fails."""
        self._system.mkdirs(self._path(new).getParent())
        # Hadoop would move a folder into an existing one
        if self.exists(new) or not self._system.rename(self._path(old), self._path(new)):
            raise UserError(
                f"could not rename {self.url(old)} to {self.url(new)}: is the name free, the disk writable?"
            )

    def exchange(self, one: str, other: str) -> bool:
        """Swap two folders on a local disk atomically; return False if that is not possible.

        Hadoop has no such operation; Linux and macOS have, on most of their file systems.
        """
        first, second = self.local(one), self.local(other)
        rename = getattr(_LIBC, "renameat2", None) or getattr(_LIBC, "renameatx_np", None)
        if first is None or second is None or rename is None:
            return False
        any_folder = 0  # the base of relative paths, unused here
        status: int = rename(any_folder, os.fsencode(first), any_folder, os.fsencode(second), _EXCHANGE)
        return status == 0

    def make(self, name: str) -> None:
        """Create an empty folder."""
        self._system.mkdirs(self._path(name))

    def delete(self, name: str) -> None:
        """Remove a file or folder with all its content, if it exists."""
        self._system.delete(self._path(name), True)

    def read_text(self, name: str) -> str:
        """Read a small text file."""
        stream = self._system.open(self._path(name))
        try:
            return str(self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def write_text(self, name: str, text: str) -> None:
        """Write a small text file atomically under an unused name. A kill leaves at most a file that ends in .part."""
        part = f"{name}.part"
        if (path := self.local(part)) is not None:  # not through Hadoop, whose checksum file might outlive a kill
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        else:
            self._write(part, text, overwrite=True)
        self.rename(part, name)

    def create(self, name: str, text: str) -> bool:
        """Create a small text file; return False if it exists. Raises UserError if it cannot be written."""
        try:
            self._write(name, text, overwrite=False)
        except Py4JJavaError as error:
            kind = error.java_exception.getClass().getSimpleName()
            # checked by the exception too: the file may be gone again (a parent that is a file raises the same)
            existed = kind == "FileAlreadyExistsException" and self._system.isDirectory(self._path(name).getParent())
            if existed or self.exists(name):
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

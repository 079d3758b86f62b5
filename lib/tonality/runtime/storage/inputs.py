"""Input files: the files that a path, folder or glob matches, and helpful messages if there are none."""

import difflib
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from tonality.runtime.diagnostics.errors import InputError, MissingInputError
from tonality.runtime.storage.urls import filesystem, unknown_scheme

__all__ = ["expand", "missing_reason"]

_GLOB: Final = re.compile(r"[*?\[]")
_SHOWN: Final = 5
"""The number of names that a message lists."""


def expand(location: str) -> dict[str, int]:
    """The URLs of the files that a path, folder or glob matches, in order, each with its size in bytes.

    Below a folder or a glob's fixed part, names that begin with . or _ are skipped, as is anything that is not a file,
    such as a pipe. The name of an existing file is not a glob, even if it contains * ? [. Raises MissingInputError if
    no file matches, listing the folder's content, and InputError for links to nothing or to folders, whose data would
    be missed silently.
    """
    system, path = filesystem(location)
    roots, base = [path], path
    if (wildcard := _GLOB.search(path)) and not system.exists(path):
        roots, base = system.glob(path), posixpath.dirname(path[: wildcard.start()] + "*")
    found: dict[str, int] = {}
    bad_links: list[str] = []
    for root in roots:
        for name, details in _below(system, root).items():
            if _is_hidden(posixpath.relpath(name, base)):
                continue
            if details["type"] == "file" or not isinstance(system, LocalFileSystem) or os.path.isfile(name):  # noqa: PTH113
                found[system.unstrip_protocol(name)] = details["size"]
            elif os.path.islink(name) and (os.path.isdir(name) or not os.path.exists(name)):  # noqa: PTH110, PTH112, PTH114
                bad_links.append(name)
    if bad_links:
        raise InputError(*_describe_links(sorted(set(bad_links))))
    if not found:
        folder = posixpath.join(base, "") if wildcard else path
        raise MissingInputError(f"no file found at {location}{_content(system, folder)}")
    return dict(sorted(found.items()))


def _below(system: AbstractFileSystem, root: str) -> dict[str, dict[str, Any]]:
    """Everything at or below a root except folders; a root that is a broken local link is included."""
    found: dict[str, dict[str, Any]] = system.find(root, detail=True)
    if not found and isinstance(system, LocalFileSystem) and os.path.islink(root) and not os.path.exists(root):  # noqa: PTH110, PTH114
        return {root: {"type": "other"}}
    return found


def _describe_links(links: Sequence[str]) -> Iterator[str]:
    for link in links[:_SHOWN]:
        target = "a folder, which is not followed" if os.path.isdir(link) else "nothing"  # noqa: PTH112
        yield f"a link to {target}: {link} -> {os.readlink(link)}"  # noqa: PTH115
    if (more := len(links) - _SHOWN) > 0:
        yield f"and {more} more such links"


def missing_reason(location: str) -> str | None:
    """An error message if a local file or folder does not exist, else None.

    Globs and files on other file systems are not checked here.
    """
    if unknown := unknown_scheme(location):
        return unknown
    if not location.startswith("file:") and "://" in location:
        return None
    system, path = filesystem(location)
    if not isinstance(system, LocalFileSystem) or system.exists(path) or _GLOB.search(path):
        return None
    return f"nothing at {location}{_suggestion(Path(path), location)}"


def _suggestion(path: Path, typed: str) -> str:
    """A similar existing name, written in the same form as the typed one; else the content of the nearest folder."""
    # os.path, since pathlib raises if a folder is not accessible or a name too long
    folder = next(parent for parent in path.parents if os.path.exists(parent))  # noqa: PTH110
    if not os.path.isdir(folder):  # noqa: PTH112
        return f"; {folder} is a file, not a folder"
    if not os.access(folder, os.R_OK | os.X_OK):
        return f"; this user may not read {folder}"
    if folder != path.parent:
        return f"; there is no {path.parent} either, the nearest existing folder is {folder}"
    names = [file.name for file in folder.iterdir()]
    similar = difflib.get_close_matches(path.name, names, n=1)
    if not similar:
        return f"; {folder} contains {_few(names)}"
    prefix = typed.rstrip("/").removesuffix(path.name)
    name = f"{prefix}{similar[0]}" if f"{prefix}{path.name}" == typed.rstrip("/") else folder / similar[0]
    return f"; did you mean {name}?"


def _content(system: AbstractFileSystem, folder: str) -> str:
    """The content of a folder in which no file matched; empty if there is no such folder."""
    if not system.isdir(folder):
        return ""
    names = [posixpath.basename(name.rstrip("/")) for name in system.ls(folder, detail=False)]
    hidden = ", hidden by a leading . or _" if names and all(map(_is_hidden, names)) else ""
    return f"; {folder.rstrip('/') or '/'} contains {_few(names)}{hidden}"


def _few(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _SHOWN
    return ", ".join(ordered[:_SHOWN]) + (f" and {more} more" if more > 0 else "") if ordered else "nothing"


def _is_hidden(relative: str) -> bool:
    return relative != "." and any(part.startswith((".", "_")) for part in relative.split("/"))

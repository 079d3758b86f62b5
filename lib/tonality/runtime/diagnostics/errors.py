"""Errors that a user can cause, sorted by whose they are; the command turns them into a message and an exit status."""

import errno
import os
from collections.abc import Callable, Iterable
from typing import Final

from tonality.runtime.diagnostics.redaction import redacted


class UserError(Exception):
    """Something the user can mend. The message says what was found, what was expected and what to do.

    It may quote a location, and end in logs: what is secret in it is taken out.
    """

    exit_status = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(redacted(message))


class SettingsError(UserError):
    """The settings are wrong: nothing was started."""

    exit_status = 2


class InputError(UserError):
    """The settings are right but nothing usable was found in the input."""

    exit_status = 3


class MissingInputError(InputError):
    """Nothing is there where input was looked for."""


def run_checks(checks: Iterable[Callable[[], None]]) -> None:
    """Ask every check, and raise the SettingsFaults of all as one."""
    faults: list[str] = []
    for check in checks:
        try:
            check()
        except SettingsError as fault:
            faults.append(str(fault))
    if faults:
        raise SettingsError("\n".join(faults))


_NO_ROOM: Final = "free some space or name another disk, then run the stage again"
_NO_RIGHT: Final = "give this user the right to, or name another place"
_REMEDIES: Final = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: _NO_ROOM,
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: _NO_RIGHT,
    errno.EIO: "the disk or its connection is broken",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files",
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ENOTDIR: "a file is in the way of a folder: name another place",
    errno.EISDIR: "a folder is in the way of a file: name another place",
    errno.ELOOP: "a symbolic link leads back to itself",
}
"""What to do where the system refuses. Others, a missing file among them, may be faults of ours."""


def refusal(number: int | None, place: object) -> UserError | None:
    """The fault of what the operating system refused at a place, by its errno; None where it may be a fault of ours."""
    if number not in _REMEDIES:
        return None
    return UserError(f"{place}: {os.strerror(number).lower()}: {_REMEDIES[number]}")

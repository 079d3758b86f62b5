"""Errors that a user can fix, sorted by cause; the command turns them into a message and an exit status."""

import errno
import os
from collections.abc import Callable, Iterable
from typing import Final

from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.diagnostics.redaction import redacted


class UserError(Exception):
    """An error that the user can fix. The message states what was found, what was expected and what to do.

    Each argument is a line of the message. It may quote names and URLs and appear on terminals and in logs: secrets are
    redacted, and control characters escaped, so that no name adds a line of its own.
    """

    exit_status = 1

    def __init__(self, *lines: str) -> None:
        super().__init__(*(redacted(escaped_name(line)) for line in lines))

    def __str__(self) -> str:
        return "\n".join(self.lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the message."""
        return self.args


class SettingsError(UserError):
    """Invalid settings: nothing was started."""

    exit_status = 2


class InputError(UserError):
    """Valid settings but no usable input."""

    exit_status = 3


class MissingInputError(InputError):
    """An input that does not exist."""


def run_checks(checks: Iterable[Callable[[], None]]) -> None:
    """Run all checks and raise their SettingsErrors as one."""
    errors: list[str] = []
    for check in checks:
        try:
            check()
        except SettingsError as error:
            errors.extend(error.lines)
    if errors:
        raise SettingsError(*errors)


_NO_SPACE: Final = "free some space or name another disk, then run the stage again"
_NO_PERMISSION: Final = "give this user permission, or name another location"
_REMEDIES: Final = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EFBIG: _NO_SPACE,
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.EROFS: _NO_PERMISSION,
    errno.EIO: "the disk or its connection is broken",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files",
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ENOTDIR: "a file is in the way of a folder: name another location",
    errno.EISDIR: "a folder is in the way of a file: name another location",
    errno.ELOOP: "a symbolic link leads back to itself",
}
"""Remedies by errno. Other errors, such as a missing file, may be bugs of Tonality."""


def from_errno(number: int | None, location: object) -> UserError | None:
    """The user error for an errno of the operating system; None if it may be a bug of Tonality."""
    if number not in _REMEDIES:
        return None
    return UserError(f"{location}: {os.strerror(number).lower()}: {_REMEDIES[number]}")

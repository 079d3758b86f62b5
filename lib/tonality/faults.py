"""Faults that a user can cause, sorted by whose they are. The command turns them into a message and an exit status."""


class Fault(Exception):
    """Something the user can mend. The message says what was found, what was wanted and what to do."""

    exit_status = 1


class SettingsFault(Fault):
    """The settings are wrong: nothing was started."""

    exit_status = 2


class InputFault(Fault):
    """The settings are right but nothing usable was found in the input."""

    exit_status = 3

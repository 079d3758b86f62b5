"""runs: what ran, from the records under paths.root. No table, no record of its own, no Spark."""

import shutil
import sys
from typing import Literal

from tonality.runtime.diagnostics.console import to_stderr
from tonality.runtime.runs.format import as_json, as_logfmt, as_story, as_table
from tonality.runtime.runs.query import RunQuery, find
from tonality.runtime.settings.sections import Settings


def run(settings: Settings, expected: RunQuery, form: Literal["text", "json", "logfmt"]) -> str:
    """The runs that are asked for, each line with its line break; nothing where none is of that kind.

    Raises InputError where there is no record at all, and SettingsError where the id is no run's, or several's.
    """
    found = find(settings.paths.root, expected)
    if not found:
        to_stderr("no run is of that kind")
    if form == "json":
        return as_json(found)
    if form == "logfmt":
        return as_logfmt(found)
    if expected.run is not None:
        return "\n".join(map(as_story, found))
    return as_table(found, shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else None)

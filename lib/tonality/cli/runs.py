"""runs: past and present runs, from the records under paths.root. Reads no table, writes no record, needs no Spark."""

import logging
import shutil
import sys
from typing import Final, Literal

from tonality.runtime.runs.format import as_details, as_json, as_logfmt, as_table
from tonality.runtime.runs.query import RunQuery, find
from tonality.runtime.settings.sections import Settings

_LOG: Final = logging.getLogger(__name__)


def run(settings: Settings, query: RunQuery, form: Literal["text", "json", "logfmt"]) -> str:
    """The matching runs, each line with its line break; empty if none matches.

    Raises InputError if there is no record at all, and SettingsError if no run or several have the id.
    """
    found = find(settings.paths.root, query)
    if not found:
        _LOG.warning("no run matches")
    if form == "json":
        return as_json(found)
    if form == "logfmt":
        return as_logfmt(found)
    if query.run is not None:
        return "\n".join(map(as_details, found))
    return as_table(found, shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else None)

"""Totals of a pass over an archive: its summary, and the refusal of a pass that found nothing or lost records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tonality.ingest.writing.overwrite_guard import DateRange
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import InputError

__all__ = ["OUTCOMES", "TABLE_HINT", "PassSummary"]

OUTCOMES: Final = ("tweets", "notices", "filtered", "duplicates", "rejects")
"""Outcomes of a record: every record has exactly one."""
TABLE_HINT: Final = 'Is it a table? Then set archive.format = "table" and name its columns in [archive.columns].'


@dataclass(frozen=True)
class PassSummary:
    """Totals over all files of the archive."""

    totals: dict[str, int]
    """Records by outcome; `lines`, all records; `deleted`, of the filtered, and `forgotten`, of the deleted; `damaged`
    files; `skipped` tar entries."""
    reasons: Mapping[str, int]
    """Rejects by reason."""
    damage: Sequence[str]
    """The first damaged files, each with its damage."""
    window: DateRange

    def refuse_empty(self) -> None:
        """Raise InputError if there is no tweet. Only a run with both ends of its range may publish empty days."""
        totals = self.totals
        if totals["tweets"] or (self.window.bounded and totals["lines"] > totals["rejects"]):
            return
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items()) or "none"
        lines = [
            f"no tweet found among {totals['lines']:,} records: {totals['filtered']:,} filtered (archive.languages, "
            f"since, until, retweets, hashtags, keywords), {totals['notices']:,} notices, rejected: {reasons}, "
            f"{totals['damaged']:,} damaged files. Nothing was published.",
            *self.damage,
        ]
        if "malformed-json" in self.reasons:
            lines.append(TABLE_HINT)
        raise InputError(*lines)

    def refuse_loss(self, files: int) -> None:
        """Raise InputError if any record was rejected or any file is damaged, as archive.strict requires."""
        if self.totals["rejects"] or self.totals["damaged"]:
            raise InputError(
                f"archive.strict: {self.totals['rejects']:,} rejects and {self.totals['damaged']:,} damaged files; see "
                "rejects/ and accounts/. Everything that could be read was published.",
                *self._lines(files),
            )

    def text(self, files: int) -> str:
        """The summary for people, of a run that read this many files."""
        return "\n".join(self._lines(files))

    def _lines(self, files: int) -> list[str]:
        totals = self.totals
        days = self.window.name if self.window.since or self.window.until else "all days"
        lines = [f"{counted(totals['lines'], 'record')} of {counted(files, 'file')}, {days}:"]
        lines += [_line(totals[name], name) for name in OUTCOMES]
        lines += [_line(count, f"{reason} (of the rejects)") for reason, count in sorted(self.reasons.items())]
        erased = totals.get("forgotten", 0)
        if by_notice := totals["deleted"] - erased:
            lines.append(_line(by_notice, "deleted by a notice in the archive (of the filtered)"))
        if erased:
            lines.append(_line(erased, "erased earlier by `forget` (of the filtered)"))
        if totals["damaged"]:
            first = f"; the first {len(self.damage)}" if totals["damaged"] > len(self.damage) else ""
            lines.append(_line(totals["damaged"], f"damaged files; see accounts/, column damage{first}:"))
            lines += [f"  {'':>12} {damage}" for damage in self.damage]
        if totals["skipped"]:
            lines.append(_line(totals["skipped"], "tar entries were not read; see accounts/, column skipped"))
        return lines


def _line(count: int, what: str) -> str:
    return f"  {count:>12,} {what}"

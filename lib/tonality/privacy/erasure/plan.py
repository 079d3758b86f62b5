"""What a search has found that must go, counted and put into words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pyspark.sql import DataFrame

__all__ = ["ErasurePlan", "Lines", "in_words"]

_SHOWN: Final = 20
"""Kinds of lines that are named."""
_OF_DAYS: Final = ("tweets", "scored", "labelled")


@dataclass(frozen=True)
class Lines:
    """Lines of the lists, by what they are."""

    events: Mapping[str, int]
    """Those that name what must go."""
    nothing_goes: Mapping[str, int]
    """Those that ask for no removal."""
    unknown: int


@dataclass
class ErasurePlan:
    """What must go, by table: rows with their places, and how many; nothing of a table that is not there."""

    lines: Lines
    salt: str
    """Of the digests, in hex."""
    new_digests: DataFrame
    removed: dict[str, DataFrame]
    """Rows of tables of days."""
    rejects: DataFrame | None = None
    """Places of rejects that lose what they say."""
    dataset: dict[str, DataFrame] = field(default_factory=dict)
    """Places of rows, by the part of dataset/."""
    reports: tuple[str, ...] = ()
    """Files, below the root."""
    counts: dict[str, int] = field(default_factory=dict)
    days: dict[str, int] = field(default_factory=dict)
    """How many days lose rows."""
    retweets: dict[str, int] = field(default_factory=dict)
    """Of the rows, those that go only as retweets of what goes."""
    remembered: int = 0
    """SaltedDigests that are new."""
    remarks: list[str] = field(default_factory=list)
    """What could not be found, and why."""

    def count(self) -> None:
        """Count what was found."""
        for table, rows in self.removed.items():
            self.counts[table] = rows.count()
            self.days[table] = rows.select("part").distinct().count()
            if "repeats" in rows.columns:
                self.retweets[table] = rows.where("repeats").count()
        if self.dataset:
            self.counts["dataset"] = sum(places.count() for places in self.dataset.values())
        if self.rejects is not None:
            self.counts["rejects"] = self.rejects.count()
        self.remembered = self.new_digests.count()

    @property
    def has_work(self) -> bool:
        """Whether anything has to be written."""
        return bool(self.remembered or self.reports or any(self.counts.values()))

    def facts(self) -> dict[str, Any]:
        """For a record, which names nothing that goes."""
        return {
            "events": dict(self.lines.events),
            "nothing_goes": dict(self.lines.nothing_goes),
            "unknown": self.lines.unknown,
            "removed": self.counts,
            "days": self.days,
            "retweets": self.retweets,
            "remembered": self.remembered,
            "reports": list(self.reports),
        }


def in_words(found: ErasurePlan, what: str) -> str:
    """The summary that people read; `what` says what became of the rows."""
    lines, counts = found.lines, found.counts
    said = [f"{sum(lines.events.values()):,} lines of the lists name what must go:"]
    said += [_line(count, event) for event, count in _commonest(lines.events)]
    said += [_line(count, f"{event}: nothing goes for it") for event, count in _commonest(lines.nothing_goes)]
    if lines.unknown:
        said.append(_line(lines.unknown, "lines of no known form were passed by"))
    said.append(f"{what}:")
    for table in filter(counts.__contains__, _OF_DAYS):
        repeats = found.retweets.get(table, 0)
        of_them = f", {repeats:,} of them retweets of what goes" if repeats else ""
        said.append(_line(counts[table], f"of {table}/, on {found.days[table]:,} days{of_them}"))
    if "dataset" in counts:
        said.append(_line(counts["dataset"], "of dataset/; models that learned from them stay"))
    if "rejects" in counts:
        said.append(_line(counts["rejects"], "of rejects/: what they say; the reason and the place stay"))
    if found.reports:
        said.append(
            _line(len(found.reports), "files of report/, which shows what goes or has gone, or may: run `report` again")
        )
    said.append(f"{found.remembered:,} digests more, in forgotten/, of what `clean` leaves out from now on")
    return "\n".join([*said, *found.remarks])


def _line(count: int, what: str) -> str:
    return f"  {count:>12,} {what}"


def _commonest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])[:_SHOWN]

"""The erasure plan: everything to remove, with its counts and summary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pyspark.sql import DataFrame

from tonality.runtime.diagnostics.console import counted

__all__ = ["ErasurePlan", "ListCounts", "summarize"]

_MAX_EVENTS: Final = 20
"""The most kinds of lines in the summary."""
_DAY_TABLES: Final = ("tweets", "scored", "labelled")


@dataclass(frozen=True)
class ListCounts:
    """Numbers of the lists' lines."""

    events: Mapping[str, int]
    """By kind, the lines that request an erasure."""
    no_action: Mapping[str, int]
    """By kind, the lines that request none."""
    unknown: int


@dataclass
class ErasurePlan:
    """The rows to remove and their numbers, by table; tables that do not exist are absent."""

    lines: ListCounts
    salt: str
    """The salt of the digests, in hex."""
    new_digests: DataFrame
    removed: dict[str, DataFrame]
    """Rows with their locations, by table with a partition per day."""
    rejects: DataFrame | None = None
    """Locations of the rejects whose content is removed."""
    dataset: dict[str, DataFrame] = field(default_factory=dict)
    """Locations of rows, by partition of dataset/."""
    reports: tuple[str, ...] = ()
    """Files, relative to the root."""
    counts: dict[str, int] = field(default_factory=dict)
    days: dict[str, int] = field(default_factory=dict)
    """Numbers of days that lose rows."""
    retweets: dict[str, int] = field(default_factory=dict)
    """Numbers of rows removed only as retweets of erased tweets."""
    remembered: int = 0
    """The number of new digests."""
    remarks: list[str] = field(default_factory=list)
    """Requests that could not be fully served, with the reason."""

    def count(self) -> None:
        """Count the rows to remove."""
        for table, rows in self.removed.items():
            self.counts[table] = rows.count()
            self.days[table] = rows.select("part").distinct().count()
            if "repeats" in rows.columns:
                self.retweets[table] = rows.where("repeats").count()
        if self.dataset:
            self.counts["dataset"] = sum(locations.count() for locations in self.dataset.values())
        if self.rejects is not None:
            self.counts["rejects"] = self.rejects.count()
        self.remembered = self.new_digests.count()

    @property
    def has_work(self) -> bool:
        """True if anything has to be written."""
        return bool(self.remembered or self.reports or any(self.counts.values()))

    def facts(self) -> dict[str, Any]:
        """Return the facts for the run record, without any of the erased data."""
        return {
            "events": dict(self.lines.events),
            "nothing_goes": dict(self.lines.no_action),
            "unknown": self.lines.unknown,
            "removed": self.counts,
            "days": self.days,
            "retweets": self.retweets,
            "remembered": self.remembered,
            "reports": list(self.reports),
        }


def summarize(plan: ErasurePlan, action: str) -> str:
    """Summarise a plan for people; `action` says what happens to the rows: removed, or to be removed."""
    lists, counts = plan.lines, plan.counts
    lines = [f"erasures requested by the lists: {sum(lists.events.values()):,}"]
    lines += [_line(count, event) for event, count in _most_frequent(lists.events)]
    lines += [_line(count, f"{event}: requests no erasure") for event, count in _most_frequent(lists.no_action)]
    if lists.unknown:
        lines.append(_line(lists.unknown, "lines of an unknown form were skipped"))
    lines.append(f"{action}:")
    for table in filter(counts.__contains__, _DAY_TABLES):
        retweets = plan.retweets.get(table, 0)
        of_them = f", {retweets:,} of them retweets of erased tweets" if retweets else ""
        lines.append(_line(counts[table], f"rows of {table}/, on {counted(plan.days[table], 'day')}{of_them}"))
    if "dataset" in counts:
        lines.append(_line(counts["dataset"], "rows of dataset/; models that were trained on them remain"))
    if "rejects" in counts:
        lines.append(_line(counts["rejects"], "rows of rejects/: their content; reason and position remain"))
    if plan.reports:
        lines.append(
            _line(len(plan.reports), "files of report/, which shows erased tweets or may do so: run `report` again")
        )
    lines.append(f"{plan.remembered:,} new digests in forgotten/, by which `clean` drops erased tweets from now on")
    return "\n".join([*lines, *plan.remarks])


def _line(count: int, text: str) -> str:
    return f"  {count:>12,} {text}"


def _most_frequent(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])[:_MAX_EVENTS]

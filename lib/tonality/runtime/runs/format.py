"""Formats of runs: a table of several, the details of one, and lines for programs."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.diagnostics.redaction import redacted_values
from tonality.runtime.runs.past_run import PastRun, State
from tonality.runtime.settings.sections import Settings

__all__ = ["as_details", "as_json", "as_logfmt", "as_table"]

_HEADER: Final = ("started (UTC)", "run", "days", "read", "wrote", "counted", "took", "ended")
_RIGHT_ALIGNED: Final = {"took"}
_GAP: Final = "  "
_OPTIONAL: Final = ("counted", "read", "wrote", "days")
"""Columns in the order in which they are dropped on a narrow terminal."""
_MIN_LAST_WIDTH: Final = 24
"""The smallest width of the last column in characters."""
_SHOWN_COUNTS: Final = {
    "clean": ("filtered", "duplicates", "rejects", "damaged"), "pipeline": (), "sample": ("tweets",)
}  # fmt: skip
"""The counts that show a stage's success; of other stages the first few are shown."""
_FEW: Final = 3
_DEFAULTS: Final[dict[str, Any]] = {
    "part_of": None, "host": None, "user": None, "python": None, "spark": None, "asked": {}, "days": None, "reads": {},
    "writes": {}, "counts": {},
}  # fmt: skip
"""Keys that every JSON line has, even if the record's version did not write them."""
_FORMATTED: Final = {
    *_DEFAULTS, "run", "stage", "tonality", "process", "locked", "started", "seconds", "fault", "settings",
    "seconds_by_stage",
}  # fmt: skip
"""Keys with a format of their own in the details."""
_NOT_IN_NAMES: Final = re.compile(r"[^\w.]+")
_PLAIN: Final = re.compile(r"[^\s\"=]+")


def as_table(runs: Sequence[PastRun], width: int | None) -> str:
    """A table with a line per run, of fewer columns on a narrow terminal; empty if there are no runs."""
    if not runs:
        return ""
    rows = [_HEADER, *(tuple(map(escaped_name, _row(run))) for run in runs)]
    widths = {n: max(len(row[n]) for row in rows) for n in range(len(_HEADER) - 1) if any(row[n] for row in rows[1:])}
    for title in _OPTIONAL:
        if width and _total(widths) + _MIN_LAST_WIDTH > width:
            widths.pop(_HEADER.index(title), None)
    last = max(_MIN_LAST_WIDTH, width - _total(widths)) if width else None
    return "".join(f"{_line(row, widths, last)}\n" for row in rows)


def _total(widths: Mapping[int, int]) -> int:
    return sum(width + len(_GAP) for width in widths.values())


def _line(row: Sequence[str], widths: Mapping[int, int], last: int | None) -> str:
    cells = [
        row[n].rjust(width) if _HEADER[n] in _RIGHT_ALIGNED else row[n].ljust(width) for n, width in widths.items()
    ]
    return _GAP.join([*cells, _truncated(row[-1], last) if last else row[-1]]).rstrip()


def _row(run: PastRun) -> tuple[str, ...]:
    return (
        f"{run.started:%Y-%m-%d %H:%M}" if run.started else "",
        run.id,
        _days(run.table("asked")),
        ", ".join(_amount(name, facts) for name, facts in run.table("reads").items()),
        ", ".join(_amount(name, facts) for name, facts in run.table("writes").items()),
        _main_counts(run),
        _duration(run.seconds),
        _outcome(run, whole=False),
    )


def _days(requested: Mapping[str, Any]) -> str:
    since, until = requested.get("since"), requested.get("until")
    if since is None and until is None:
        return "all" if requested else ""
    return str(since) if since == until else f"{since or 'start'}..{until or 'end'}"


def _amount(name: str, facts: object) -> str:
    """The amount read or written of one table, as short as possible."""
    known = facts if isinstance(facts, dict) else {}
    numbers = {key: value for key, value in known.items() if _is_number(value)}
    amounts = [f"{numbers[key]:,}" for key in ("records", "rows") if key in numbers]
    amounts += [counted(numbers[f"{unit}s"], unit) for unit in ("file", "day") if f"{unit}s" in numbers]
    size = [f"({_size(numbers['bytes'])})"] if "bytes" in numbers else []
    return " ".join([name, *amounts[:1], *size])


def _main_counts(run: PastRun) -> str:
    counts = {name: count for name, count in run.table("counts").items() if _is_number(count) and count}
    if run.stage in _SHOWN_COUNTS:
        return _counts((name, counts[name]) for name in _SHOWN_COUNTS[run.stage] if name in counts)
    return _counts(list(counts.items())[:_FEW])


def _counts(counts: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)


def _outcome(run: PastRun, whole: bool) -> str:
    """The state and its reason, in one line or in full."""
    reason = run.why if whole else run.why.strip().partition("\n")[0]
    if run.state is State.LOST:
        host = run.record.get("host")
        reason = f"not ended as of its record, {f'on {host}' if host else 'on an unknown host'}"
    return f"{run.state}: {reason}" if reason else str(run.state)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _size(number: float) -> str:
    unit = "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{number:,.0f} {unit}" if unit == "bytes" or number >= 10 else f"{number:.1f} {unit}"


def _truncated(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_details(run: PastRun) -> str:
    """All details of one run."""
    lines = [run.id, *(f"  {title:<9} {text}".rstrip() for title, text in _details(run))]
    return "".join(f"{escaped_name(line)}\n" for line in lines)


def _details(run: PastRun) -> Iterator[tuple[str, str]]:
    record = run.record
    if part_of := record.get("part_of"):
        yield "part of", str(part_of)
    if run.started:
        yield "started", f"{run.started:%Y-%m-%d %H:%M:%S} UTC"
    if run.seconds is not None:
        yield "took", _duration(run.seconds)
    yield from _lines("ended", _outcome(run, whole=True).split("\n"))
    if requested := _days(run.table("asked")):
        yield "days", requested
    if environment := _environment(run):
        yield "by", environment
    for title, name in (("read", "reads"), ("wrote", "writes")):
        yield from _lines(title, (f"{table}: {_amounts(facts)}" for table, facts in run.table(name).items()))
    yield from _lines("counted", _aligned(run.table("counts")))
    yield from _lines(
        "stages", (f"{_duration(seconds):>10} {name}" for name, seconds in _numbers(run, "seconds_by_stage"))
    )
    others = {name: value for name, value in record.items() if name not in _FORMATTED}
    yield from _lines("other", (f"{name} = {_json(value)}" for name, value in others.items()))
    yield from _lines("settings", _changed_settings(run.table("settings")))


def _lines(title: str, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        yield title, text
        title = ""


def _environment(run: PastRun) -> str:
    """The versions, Spark application, user, host and process."""
    record, spark = run.record, run.table("spark")
    versions = [("Tonality", record.get("tonality")), ("Python", record.get("python")), ("Spark", spark.get("version"))]
    parts = [", ".join(f"{name} {version}" for name, version in versions if version)]
    if spark:
        parts.append(f"on {spark.get('master')} as {spark.get('application')}")
    if host := record.get("host"):
        user = record.get("user")
        parts.append(f"{f'for {user} ' if user else ''}on {host}, process {record.get('process')}")
    return "; ".join(parts)


def _amounts(facts: object) -> str:
    known = facts if isinstance(facts, dict) else {}
    parts = [
        _size(value) if name == "bytes" else counted(value, name.removesuffix("s"))
        for name, value in known.items()
        if _is_number(value)
    ]
    return ", ".join(parts)


def _aligned(counts: Mapping[str, Any]) -> Iterator[str]:
    numbers = {name: f"{count:,}" for name, count in counts.items() if _is_number(count)}
    width = max(map(len, numbers.values()), default=0)
    return (f"{number:>{width}} {name}" for name, number in numbers.items())


def _numbers(run: PastRun, name: str) -> list[tuple[str, float]]:
    return [(key, float(value)) for key, value in run.table(name).items() if _is_number(value)]


def _changed_settings(settings: Mapping[str, Any]) -> Iterator[str]:
    """The settings that differ from the present defaults, in TOML's form."""
    defaults = dict(_flat(Settings().model_dump(mode="json")))
    for key, value in _flat(settings):
        if value != defaults.get(key):
            yield f"{key} = {_json(value)}"


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def as_json(runs: Iterable[PastRun]) -> str:
    """A line of JSON per run: the record with the state and its reason."""
    return "".join(
        f"{_json({'run': run.id, **_DEFAULTS, **run.record, 'state': run.state, 'why': run.why})}\n" for run in runs
    )


def _json(value: object) -> str:
    return json.dumps(redacted_values(value), ensure_ascii=False)


def as_logfmt(runs: Iterable[PastRun]) -> str:
    """A line of key=value pairs per run: its id, state, days and numbers, counts without a prefix."""
    return "".join(" ".join(f"{_key(name)}={_word(value)}" for name, value in _facts(run)) + "\n" for run in runs)


def _facts(run: PastRun) -> Iterator[tuple[str, object]]:
    yield from (("run", run.id), ("stage", run.stage), ("state", str(run.state)))
    for name in ("started", "part_of", "days"):
        if (value := run.record.get(name)) is not None:
            yield name, value
    if run.seconds is not None:
        yield "seconds", round(run.seconds, 1)
    yield from ((name, day) for name, day in run.table("asked").items() if day is not None)
    for prefix in ("reads", "writes", "counts"):
        for name, value in _flat(run.table(prefix)):
            if _is_number(value):
                yield name if prefix == "counts" else f"{prefix}.{name}", value
    if run.why:
        yield "why", run.why


def _key(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name)


def _word(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)

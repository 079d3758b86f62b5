"""Settings loaded from TOML files and overrides, all faults reported together."""

import difflib
import tomllib
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.settings.sections import ArchiveSettings, PathSettings, Settings, TextSettings
from tonality.runtime.settings.types import WORDS
from tonality.runtime.storage.day_paths import fixed_part, has_day
from tonality.runtime.storage.urls import missing_reason, unknown_scheme
from tonality.text.language import load_language
from tonality.text.rules import Rules

__all__ = ["conf_directory", "load", "text_rules"]


def text_rules(text: TextSettings) -> Rules:
    """The text rules that the settings ask for. Raises SettingsError where the language's file is missing or wrong."""
    try:
        language = load_language(text.language, conf_directory() / "languages")
    except ValueError as error:
        raise SettingsError(str(error)) from error
    return Rules(name=text.language, language=language, links=text.links, mentions=text.mentions)


def conf_directory() -> Path:
    """The folder of default.toml and languages/: inside an installed package, beside lib/ in a checkout."""
    package = Path(__file__).parents[2]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent.parent / "conf"


def load(
    files: Iterable[str | Path] = (), overrides: Iterable[str] = (), inputs: Collection[str] | None = None
) -> Settings:
    """Settings from TOML files and `section.key=value` overrides, the later over the earlier.

    The inputs are keys of [paths] that are about to be read: what they name on this machine must be there, {day} must
    have its days, and root must be of a kind that can be opened; None where nothing is about to happen. Raises
    SettingsError, which names every fault found: unreadable files, unknown keys, wrong types, contradictions, missing
    inputs.
    """
    faults: list[str] = []
    merged: dict[str, Any] = {}
    for file in files:
        _merge(merged, _read_toml(Path(file), faults))
    for override in overrides:
        _merge(merged, _parse_override(override, faults))
    wrong: set[tuple[int | str, ...]] = set()
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        faults.extend(_in_words(detail) for detail in error.errors())
        wrong = {detail["loc"][:2] for detail in error.errors()}
    faults.extend(_hidden_contradictions(merged, wrong))
    faults.extend(_language_faults(TextSettings.model_validate(_right(merged, "text", wrong))))
    if inputs is not None:
        paths = PathSettings.model_validate(_right(merged, "paths", wrong))
        faults.extend(_path_faults(paths, inputs))
        if "archive" in inputs:
            faults.extend(_day_faults(paths, merged, wrong))
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


def _right(merged: Mapping[str, Any], section: str, wrong: Container[tuple[int | str, ...]]) -> dict[str, Any]:
    """The keys of a section that are right by themselves: faults of the others hide none of these."""
    table = merged.get(section)
    return (
        {key: value for key, value in table.items() if (section, key) not in wrong} if isinstance(table, dict) else {}
    )


def _hidden_contradictions(merged: Mapping[str, Any], wrong: Iterable[tuple[int | str, ...]]) -> Iterator[str]:
    """Contradictions that keys of the wrong type hide in their section: looked for without those keys."""
    places = set(wrong)
    for section in sorted({str(place[0]) for place in places if len(place) > 1}):
        try:
            _model([section]).model_validate(_right(merged, section, places))
        except ValidationError as hidden:
            yield from (_in_words(detail) for detail in hidden.errors() if detail["type"] == "value_error")


def _language_faults(text: TextSettings) -> list[str]:
    try:
        text_rules(text)
    except SettingsError as fault:
        return [str(fault)]
    return []


def _path_faults(paths: PathSettings, inputs: Iterable[str]) -> list[str]:
    named = [(key, location) for key in inputs for location in getattr(paths, key)]
    # what stands before {day} is there on every day; what stands on some of them is for the stage to find
    looked = [(key, fixed_part(place) if key == "archive" and has_day(place) else place) for key, place in named]
    missing = [("root", unknown_scheme(paths.root)), *((key, missing_reason(location)) for key, location in looked)]
    return [f"paths.{key}: {what}" for key, what in missing if what]


def _day_faults(paths: PathSettings, merged: Mapping[str, Any], wrong: Collection[tuple[int | str, ...]]) -> list[str]:
    """What {day} in paths.archive and the days of [archive] have against each other, as far as they are right."""
    if ("paths", "archive") in wrong:
        return []
    right = _right(merged, "archive", wrong)
    # each by itself, since a contradiction among them must not hide this one
    days = {
        key: getattr(ArchiveSettings.model_validate({key: right[key]} if key in right else {}), key)
        for key in ("since", "until", "lookback", "lookahead")
    }
    if any(map(has_day, paths.archive)):
        unknown = [key for key in ("since", "until") if days[key] is None and ("archive", key) not in wrong]
        needs = "paths.archive holds {day}, which needs both archive.since and archive.until"
        return [f"{needs}: there is no archive.{' and no archive.'.join(unknown)}"] if unknown else []
    return [
        f"archive.{key} is {days[key]}, but paths.archive holds no {{day}}: it is for files that are found by their day"
        for key in ("lookback", "lookahead")
        if days[key]
    ]


def _read_toml(file: Path, faults: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        faults.append(f"{file}: no such settings file{_near_file(file)}")
    except OSError as error:
        faults.append(f"{file}: cannot be read: {error.strerror}; a TOML file of settings is expected")
    except UnicodeDecodeError as error:
        faults.append(f"{file}: cannot be read: no text in UTF-8 ({error.reason} at byte {error.start})")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        faults.append(f"{file}: not valid TOML: {error}")
    return {}


def _near_file(file: Path) -> str:
    if not file.parent.is_dir():
        return f"; there is no folder {file.parent} either"
    near = difflib.get_close_matches(file.name, [f.name for f in file.parent.glob("*.toml")], n=1)
    return f"; did you mean {file.parent / near[0]}?" if near else ""


def _parse_override(override: str, faults: list[str]) -> dict[str, Any]:
    """`section.key=value` as nested tables; a value that is no TOML is a bare word, a string."""
    name, equals, text = override.partition("=")
    path = [part.strip() for part in name.split(".")]
    if not equals or len(path) < 2 or not all(path):
        faults.append(f"--set {override}: expected section.key=value, as in --set train.epochs=2")
        return {}
    nested: Any = _parse_value(text.strip(), _annotation(path))
    for part in reversed(path):
        nested = {part: nested}
    return dict(nested)


def _parse_value(text: str, expected: object) -> Any:
    """The TOML value; where words are expected, a number or date stays as it was typed."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return text if expected in WORDS and not isinstance(value, str | list | dict) else value


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _in_words(detail: ErrorDetails) -> str:
    # the place in a list is no part of the key
    name = ".".join(part for part in detail["loc"] if isinstance(part, str))
    if detail["type"] == "extra_forbidden":
        return f"{name}: no such setting{_near_key(detail['loc'])}"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "each":
        return "\n".join(f"{name}: {fault}" for fault in detail["msg"].splitlines())
    expected = detail["msg"].removeprefix("Input should be ").replace("String should have", "a string with")
    expected = (
        expected.partition(", unable to parse")[0]
        .replace("a valid tuple", "a list")
        .replace("a valid integer", "a whole number")
    )
    if detail["type"] == "model_type":
        expected = f"a section: [{name}] in a file, {name}.key=value with --set"
    return f"{name}: found {_as_typed(detail['input'])}, expected {expected}"


def _as_typed(value: object) -> str:
    """The value as the settings write it, near enough."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, date) else repr(value)


def _near_key(location: tuple[int | str, ...]) -> str:
    """What may have been meant: a similar key of the section, the same key elsewhere; else every key of the section."""
    *sections, key = map(str, location)
    known = list(_model(sections).model_fields)
    near = [".".join([*sections, match]) for match in difflib.get_close_matches(key, known, n=1, cutoff=0.6)]
    near = near or [other for other in _every_key() if other.endswith(f".{key}")]
    return f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(known)}"


def _model(sections: Iterable[str]) -> type[BaseModel]:
    model: type[BaseModel] = Settings
    for section in sections:
        inner = model.model_fields[section].annotation
        assert isinstance(inner, type) and issubclass(inner, BaseModel)
        model = inner
    return model


def _every_key(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _every_key(field.annotation, f"{prefix}{name}.")


def _annotation(path: list[str]) -> object:
    """The type of a key; None where there is no such key."""
    return _model(path[:-1]).model_fields[path[-1]].annotation if ".".join(path) in _every_key() else None

"""Settings from TOML files and overrides; all errors are reported together."""

import difflib
import tomllib
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.settings.sections import ArchiveSettings, PathSettings, Settings, TextSettings
from tonality.runtime.settings.types import WORDS
from tonality.runtime.storage.day_paths import fixed_part, has_day
from tonality.runtime.storage.inputs import missing_reason
from tonality.runtime.storage.urls import unknown_scheme
from tonality.text.rules import Rules, load_language

__all__ = ["conf_directory", "load", "text_rules"]


def text_rules(text: TextSettings) -> Rules:
    """The text rules of the settings. Raises SettingsError if the language's file is missing or invalid."""
    try:
        language = load_language(text.language, conf_directory() / "languages")
    except ValueError as error:
        raise SettingsError(*map(str, error.args)) from error
    return Rules(name=text.language, language=language, links=text.links, mentions=text.mentions)


def conf_directory() -> Path:
    """The folder of default.toml and languages/: in the package if installed, beside lib/ in a checkout."""
    package = Path(__file__).parents[2]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent.parent / "conf"


def load(
    files: Iterable[str | Path] = (), overrides: Iterable[str] = (), inputs: Collection[str] | None = None
) -> Settings:
    """Load settings from TOML files and `section.key=value` overrides; later ones override earlier ones.

    `inputs` are the keys of [paths] that are about to be read, or None if no stage is about to run: local inputs must
    then exist, {day} must have its days, and the scheme of root must be supported. Raises SettingsError with all
    errors: unreadable files, unknown keys, wrong types, contradictions, missing inputs.
    """
    errors: list[str] = []
    merged: dict[str, Any] = {}
    for file in files:
        _merge(merged, _read_toml(Path(file), errors))
    for override in overrides:
        _merge(merged, _parse_override(override, errors))
    invalid: set[tuple[int | str, ...]] = set()
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        errors.extend(line for detail in error.errors() for line in _lines(detail))
        invalid = {detail["loc"][:2] for detail in error.errors()}
    errors.extend(_hidden_contradictions(merged, invalid))
    errors.extend(_language_errors(TextSettings.model_validate(_valid_keys(merged, "text", invalid))))
    if inputs is not None:
        paths = PathSettings.model_validate(_valid_keys(merged, "paths", invalid))
        errors.extend(_path_errors(paths, inputs))
        if "archive" in inputs:
            errors.extend(_day_errors(paths, merged, invalid))
    if errors:
        raise SettingsError(*errors)
    return settings


def _valid_keys(merged: Mapping[str, Any], section: str, invalid: Container[tuple[int | str, ...]]) -> dict[str, Any]:
    """The keys of a section that are valid on their own, so that they are checked despite errors in the others."""
    table = merged.get(section)
    return (
        {key: value for key, value in table.items() if (section, key) not in invalid} if isinstance(table, dict) else {}
    )


def _hidden_contradictions(merged: Mapping[str, Any], invalid: Iterable[tuple[int | str, ...]]) -> Iterator[str]:
    """Contradictions within sections whose validation stopped at invalid keys, found by leaving those keys out."""
    locations = set(invalid)
    for section in sorted({str(location[0]) for location in locations if len(location) > 1}):
        try:
            _model([section]).model_validate(_valid_keys(merged, section, locations))
        except ValidationError as error:
            for detail in error.errors():
                if detail["type"] == "value_error":
                    yield from _lines(detail)


def _language_errors(text: TextSettings) -> Sequence[str]:
    try:
        text_rules(text)
    except SettingsError as error:
        return error.lines
    return ()


def _path_errors(paths: PathSettings, inputs: Iterable[str]) -> list[str]:
    locations = [(key, location) for key in inputs for location in getattr(paths, key)]
    # only the part before {day} must exist on every day; the stage itself checks the files of each day
    fixed = [(key, fixed_part(path) if key == "archive" and has_day(path) else path) for key, path in locations]
    reasons = [("root", unknown_scheme(paths.root)), *((key, missing_reason(path)) for key, path in fixed)]
    return [f"paths.{key}: {reason}" for key, reason in reasons if reason]


def _day_errors(
    paths: PathSettings, merged: Mapping[str, Any], invalid: Collection[tuple[int | str, ...]]
) -> list[str]:
    """Contradictions between {day} in paths.archive and the days of [archive], as far as these are valid."""
    if ("paths", "archive") in invalid:
        return []
    valid = _valid_keys(merged, "archive", invalid)
    # key by key, since a contradiction between them must not hide this one
    days = {
        key: getattr(ArchiveSettings.model_validate({key: valid[key]} if key in valid else {}), key)
        for key in ("since", "until", "lookback", "lookahead")
    }
    if any(map(has_day, paths.archive)):
        missing = [key for key in ("since", "until") if days[key] is None and ("archive", key) not in invalid]
        needs = "paths.archive contains {day}, which needs both archive.since and archive.until"
        return [f"{needs}: there is no archive.{' and no archive.'.join(missing)}"] if missing else []
    return [
        f"archive.{key} is {days[key]}, but paths.archive contains no {{day}}: it is for files located by their day"
        for key in ("lookback", "lookahead")
        if days[key]
    ]


def _read_toml(file: Path, errors: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        errors.append(f"{file}: no such settings file{_similar_file(file)}")
    except OSError as error:
        errors.append(f"{file}: cannot be read: {error.strerror}; expected a TOML file of settings")
    except UnicodeDecodeError as error:
        errors.append(f"{file}: cannot be read: not UTF-8 text ({error.reason} at byte {error.start})")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        errors.append(f"{file}: not valid TOML: {error}")
    return {}


def _similar_file(file: Path) -> str:
    if not file.parent.is_dir():
        return f"; there is no folder {file.parent} either"
    similar = difflib.get_close_matches(file.name, [f.name for f in file.parent.glob("*.toml")], n=1)
    return f"; did you mean {file.parent / similar[0]}?" if similar else ""


def _parse_override(override: str, errors: list[str]) -> dict[str, Any]:
    """Parse `section.key=value` into nested tables; a value that is not valid TOML is a bare string."""
    name, equals, text = override.partition("=")
    path = [part.strip() for part in name.split(".")]
    if not equals or len(path) < 2 or not all(path):
        errors.append(f"--set {override}: expected section.key=value, as in --set train.epochs=2")
        return {}
    nested: Any = _parse_value(text.strip(), _annotation(path))
    for part in reversed(path):
        nested = {part: nested}
    return dict(nested)


def _parse_value(text: str, expected: object) -> Any:
    """Parse a TOML value; if text is expected, a number or date keeps the form in which it was typed."""
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


def _lines(detail: ErrorDetails) -> list[str]:
    """The lines of a validation error."""
    # an index in a list is not part of the key
    name = ".".join(part for part in detail["loc"] if isinstance(part, str))
    if detail["type"] == "value_error":
        return [str(line) for line in detail["ctx"]["error"].args]
    if detail["type"] == "each":
        return [f"{name}: {line}" for line in detail["ctx"]["errors"]]
    return [f"{name}: {_message(detail, name)}"]


def _message(detail: ErrorDetails, name: str) -> str:
    if detail["type"] == "extra_forbidden":
        return f"no such setting{_similar_key(detail['loc'])}"
    expected = detail["msg"].removeprefix("Input should be ").replace("String should have", "a string with")
    expected = (
        expected.partition(", unable to parse")[0]
        .replace("a valid tuple", "a list")
        .replace("a valid integer", "a whole number")
    )
    if detail["type"] == "model_type":
        expected = f"a section: [{name}] in a file, {name}.key=value with --set"
    return f"found {_as_typed(detail['input'])}, expected {expected}"


def _as_typed(value: object) -> str:
    """The value approximately as written in the settings."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, date) else repr(value)


def _similar_key(location: tuple[int | str, ...]) -> str:
    """A suggestion: a similar key of the section, else the same key of other sections, else all keys of the section."""
    *sections, key = map(str, location)
    known = list(_model(sections).model_fields)
    similar = [".".join([*sections, match]) for match in difflib.get_close_matches(key, known, n=1, cutoff=0.6)]
    similar = similar or [other for other in _all_keys() if other.endswith(f".{key}")]
    return f"; did you mean {' or '.join(similar)}?" if similar else f"; there are {', '.join(known)}"


def _model(sections: Iterable[str]) -> type[BaseModel]:
    model: type[BaseModel] = Settings
    for section in sections:
        inner = model.model_fields[section].annotation
        assert isinstance(inner, type) and issubclass(inner, BaseModel)
        model = inner
    return model


def _all_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _all_keys(field.annotation, f"{prefix}{name}.")


def _annotation(path: list[str]) -> object:
    """The type of a key; None if there is no such key."""
    return _model(path[:-1]).model_fields[path[-1]].annotation if ".".join(path) in _all_keys() else None

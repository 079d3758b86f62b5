"""Models as releases: side by side under `models/`, each in a folder named by its fingerprint, one of them current.

    models/<fingerprint>/   a model, of network.storage
    models/current.json     which of them scores, since when, and which ones did before: the way back
    models/latest.json      which of them was trained last: the one to evaluate

A release is never changed: another training is another release. What scores is changed by replacing current.json, in
one stroke on a local disk.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fsspec.implementations.local import LocalFileSystem

from tonality.documents import to_json
from tonality.faults import InputFault
from tonality.locations import filesystem, join, replace_file
from tonality.network import storage
from tonality.network.artifact import CONFIG, METRICS, Artifact

__all__ = ["Release", "Releases"]

_MODELS: Final = "models"
_CURRENT: Final = "current.json"
_LATEST: Final = "latest.json"
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{12}")
_KEPT_FORMER: Final = 50


@dataclass(frozen=True)
class Release:
    """A release as it is listed, without its weights."""

    model: str
    written: datetime
    metrics: dict[str, Any]
    """metrics.json; empty where it cannot be read."""


class Releases:
    """The releases under a root: a local folder, or any URL that fsspec knows."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._place = join(root, _MODELS)
        self._system, self._path = filesystem(self._place)

    def check_place(self) -> None:
        """Refuse, before anything is trained for it, a place where no release can be written. Raises InputFault."""
        if self._system.exists(self._path) and not self._system.isdir(self._path):
            raise InputFault(f"{self._place} is a file, a folder of models is wanted: move it, or name another root")

    def add(self, artifact: Artifact) -> bool:
        """Write a release, unless it is there, as the latest. The first one becomes current: whether it did."""
        model = artifact.fingerprint
        if not self._holds(model):
            storage.write(artifact, self.location(model))
        self._point(_LATEST, {"model": model})
        if self.current_if_any() is not None:
            return False
        self._let_score(model, [])
        return True

    def read(self, model: str) -> Artifact:
        """The release of that name. Raises InputFault where there is none, or its content is another's."""
        artifact = storage.read(self.location(model))
        if artifact.fingerprint != model:
            raise InputFault(
                f"{self.location(model)} holds model {artifact.fingerprint}: its files were changed or mixed. Copy the "
                "model again, or train anew"
            )
        return artifact

    def read_current(self) -> Artifact:
        """The model that scores. Raises InputFault where there is none, or it cannot be read."""
        return self.read(self.current())

    def location(self, model: str) -> str:
        """The folder of a release."""
        return join(self._place, model)

    def current(self) -> str:
        """The model that scores. Raises InputFault where there is none yet."""
        if model := self.current_if_any():
            return model
        raise InputFault(f"no current model: {self._way_to_one()}")

    def current_if_any(self) -> str | None:
        """The model that scores; None where there is none yet."""
        pointer = self._pointer(_CURRENT)
        return pointer["model"] if pointer else None

    def since(self) -> str:
        """When the current model became it, ISO 8601 in UTC; nothing where there is none."""
        return str((self._pointer(_CURRENT) or {}).get("since", ""))

    def former(self) -> list[str]:
        """The models that were current before, the last one first."""
        return [str(model) for model in (self._pointer(_CURRENT) or {}).get("former", [])]

    def latest(self) -> str:
        """The model that was trained, or added, last. Raises InputFault where there is none."""
        if pointer := self._pointer(_LATEST):
            return str(pointer["model"])
        raise InputFault(f"no model to evaluate: {self._way_to_one()}")

    def use(self, model: str) -> None:
        """Let a release score from now on. Raises InputFault where it cannot be read."""
        self.read(model)
        if (current := self.current_if_any()) != model:
            self._let_score(model, [current, *self.former()] if current else [])

    def roll_back(self) -> str:
        """Let the model score that did before the current one, and forget that the current one did: its name.

        Raises InputFault where there was none, or it is gone.
        """
        former = self.former()
        if not former:
            raise InputFault(f"no model was current before {self.current()}: name one, of those that `models` lists")
        back, *before = former
        self.read(back)
        self._let_score(back, before)
        return back

    def remove(self, model: str) -> None:
        """Delete a release. Raises InputFault for the current one."""
        if model == self.current_if_any():
            raise InputFault(f"model {model} is the current one: let another score first, with `models use`")
        self._system.rm(join(self._path, model), recursive=True)

    def resolve(self, beginning: str) -> str:
        """The one release whose name begins so. Raises InputFault where none does, or several do."""
        names = [release.model for release in self.listed()]
        found = [name for name in names if name.startswith(beginning)] if beginning else []
        if len(found) == 1:
            return found[0]
        there = ", ".join(found or names) or "none"
        raise InputFault(f"{beginning!r} names {len(found)} models under {self._place}, wanted one of: {there}")

    def listed(self) -> list[Release]:
        """Every release, by the time when it was written."""
        return sorted(self._listed(), key=lambda release: release.written)

    def _listed(self) -> Iterator[Release]:
        if not self._system.isdir(self._path):
            return
        for folder in self._system.ls(self._path, detail=False):
            model = folder.rstrip("/").rpartition("/")[2]
            config = join(folder, CONFIG)
            if _FINGERPRINT.fullmatch(model) and self._system.isfile(config):
                yield Release(model, self._system.modified(config), self._metrics(join(folder, METRICS)))

    def _metrics(self, path: str) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            metrics = json.loads(self._system.cat_file(path))
            return metrics if isinstance(metrics, dict) else {}
        return {}

    def _holds(self, model: str) -> bool:
        try:
            return bool(self.read(model))
        except InputFault:
            return False

    def _pointer(self, name: str) -> dict[str, Any] | None:
        """The content of a pointer; None where there is none. Raises InputFault where it is broken."""
        place = join(self._path, name)
        if not self._system.isfile(place):
            return None
        try:
            content = json.loads(self._system.cat_file(place))
            if _FINGERPRINT.fullmatch(content["model"]):
                return dict(content)
        except (ValueError, TypeError, KeyError):
            pass
        raise InputFault(f"{join(self._place, name)} names no model: let one score with `models use`, or train anew")

    def _let_score(self, model: str, former: list[str]) -> None:
        since = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self._point(_CURRENT, {"model": model, "since": since, "former": former[:_KEPT_FORMER]})

    def _point(self, name: str, content: dict[str, Any]) -> None:
        if isinstance(self._system, LocalFileSystem):
            self._system.makedirs(self._path, exist_ok=True)
        replace_file(join(self._place, name), to_json(content).encode())

    def _way_to_one(self) -> str:
        """What to do where there is no model; before there were releases, the only one stood in model/."""
        former = join(self._root, "model")
        system, path = filesystem(former)
        if system.isfile(join(path, CONFIG)):
            return f"{former} holds one of an earlier version: take it over with `tonality models add {former}`"
        listed = ", ".join(release.model for release in self.listed())
        if listed:
            return f"{self._place} has {listed}. Choose one with `tonality models use`"
        return f"nothing in {self._place}. Run `train` first, or take a model over with `tonality models add FOLDER`"

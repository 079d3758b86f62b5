"""Models as releases: side by side under `models/`, each in a folder named by its fingerprint, one of them current.

    models/<fingerprint>/   a model, of network.storage
    models/current.json     which of them scores, since when, and which ones did before: the way back; and which ones
                            were rolled back from
    models/latest.json      which of them was trained last: the one to evaluate

A release is never changed: another training is another release. What scores is changed by replacing current.json, in
one stroke on a local disk, where whoever changes it keeps others waiting. One that is damaged is put right by the next
model that is used or added; until then nobody knows what scored, or did before.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fsspec.implementations.local import LocalFileSystem

from tonality.model.registry import artifact_store
from tonality.model.registry.artifact import CONFIG, METRICS, Artifact
from tonality.model.registry.pointer import FINGERPRINT, Pointer, names
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["ModelRegistry", "RegisteredModel"]

_MODELS: Final = "models"
_LOCK: Final = ".lock"
_KEPT_FORMER: Final = 50
_USE: Final = "`tonality models use MODEL`"


@dataclass(frozen=True)
class RegisteredModel:
    """A release as it is listed, without its weights."""

    model: str
    written: datetime
    metrics: dict[str, Any]
    """metrics.json; empty where it cannot be read."""


class ModelRegistry:
    """The releases under a root: a local folder, or any URL that fsspec knows."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._place = join(root, _MODELS)
        self._system, self._path = filesystem(self._place)
        self._add_again = f"`tonality models add {self.location('MODEL')}`"
        remove = "or remove the file: the next one that is trained or added will"
        self._current = Pointer(self._place, "current.json", f"let one score with {_USE}, {remove}")
        self._latest = Pointer(self._place, "latest.json", f"name one with {self._add_again}, or train again")
        self._is_alone = False

    def check_place(self) -> None:
        """Refuse, before anything is trained for it, a place that takes no release, or where what scores is unknown.

        Raises InputError.
        """
        if self._system.exists(self._path) and not self._system.isdir(self._path):
            raise InputError(f"{self._place} is a file, a folder of models is expected: move it, or name another root")
        self.production_if_any()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from changing what scores meanwhile: they wait. On a local disk that knows locks, not elsewhere.

        Whatever changes it does so alone; who decides by what scores now, and changes it then, does both alone.
        """
        if self._is_alone or not isinstance(self._system, LocalFileSystem) or not self._system.isdir(self._path):
            yield
            return
        handle = os.open(join(self._path, _LOCK), os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            self._is_alone = True
            yield
        finally:
            self._is_alone = False
            os.close(handle)

    def add(self, artifact: Artifact) -> bool:
        """Write a release, unless it is there, as the latest. Where none is known to score it does: whether it does."""
        model = artifact.fingerprint
        if not self._holds(model):
            artifact_store.write(artifact, self.location(model))
        with self.alone():
            self._latest.write(model=model)
            if self._current.read_if_whole():
                return False
            self._let_score(model, [], [])
            return True

    def read(self, model: str) -> Artifact:
        """The release of that name. Raises InputError where there is none, or its content is another's."""
        artifact = artifact_store.read(self.location(model))
        if artifact.fingerprint != model:
            raise InputError(
                f"{self.location(model)} holds model {artifact.fingerprint}: its files were changed or mixed. Copy the "
                "model again, or train again"
            )
        return artifact

    def read_production(self) -> Artifact:
        """The model that scores. Raises InputError where there is none, or it cannot be read."""
        return self.read(self.production())

    def location(self, model: str) -> str:
        """The folder of a release."""
        return join(self._place, model)

    def production(self) -> str:
        """The model that scores. Raises InputError where there is none yet."""
        if model := self.production_if_any():
            return model
        raise InputError(f"no current model: {self._way_to_one(_USE)}")

    def production_if_any(self) -> str | None:
        """The model that scores; None where there is none yet."""
        return self._current.model()

    def since(self) -> str:
        """When the current model became it, ISO 8601 in UTC; nothing where there is none."""
        return str((self._current.read() or {}).get("since", ""))

    def former(self) -> list[str]:
        """The models that were current before, the last one first."""
        return names(self._current.read(), "former")

    def rejected(self) -> list[str]:
        """The models that were rolled back from, the last one first, and not used since."""
        return names(self._current.read(), "rejected")

    def candidate(self) -> str:
        """The model that was trained, or added, last. Raises InputError where there is none."""
        if model := self.candidate_if_any():
            return model
        raise InputError(f"no model to evaluate: {self._way_to_one(self._add_again)}")

    def candidate_if_any(self) -> str | None:
        """The model that was trained, or added, last; None where there is none, or nobody noted which."""
        return self._latest.model()

    def use(self, model: str) -> str | None:
        """Let a release score from now on: the model that did before, if any is known to.

        Raises InputError where the release cannot be read.
        """
        with self.alone():
            self.read(model)
            known = self._current.read_if_whole()
            current = known["model"] if known else None
            if current != model:
                rejected = [name for name in names(known, "rejected") if name != model]
                self._let_score(model, [current, *names(known, "former")] if current else [], rejected)
            return current

    def roll_back(self) -> str:
        """Let the model score that did before the current one, which is one that was rolled back from then: its name.

        Raises InputError where there was none, or it is gone.
        """
        with self.alone():
            former, current = self.former(), self.production()
            if not former:
                raise InputError(f"no model was current before {current}: name one, of those that `models` lists")
            back, *before = former
            self.read(back)
            rejected = [name for name in self.rejected() if name not in (back, current)]
            self._let_score(back, before, [current, *rejected])
            return back

    def remove(self, model: str) -> None:
        """Delete a release. Raises InputError for the current one, and where nobody knows which that is."""
        with self.alone():
            if model == self.production_if_any():
                raise InputError(f"model {model} is the current one: let another score first, with `models use`")
            self._system.rm(join(self._path, model), recursive=True)

    def resolve(self, beginning: str) -> str:
        """The one release whose name begins so. Raises InputError where none does, or several do."""
        models = [release.model for release in self.listed()]
        found = [model for model in models if model.startswith(beginning)] if beginning else []
        if len(found) == 1:
            return found[0]
        there = ", ".join(found or models) or "none"
        raise InputError(f"{beginning!r} names {len(found)} models under {self._place}, expected one of: {there}")

    def listed(self) -> list[RegisteredModel]:
        """Every release, by the time when it was written."""
        return sorted(self._listed(), key=lambda release: release.written)

    def _listed(self) -> Iterator[RegisteredModel]:
        if not self._system.isdir(self._path):
            return
        for folder in self._system.ls(self._path, detail=False):
            model = folder.rstrip("/").rpartition("/")[2]
            config = join(folder, CONFIG)
            if FINGERPRINT.fullmatch(model) and self._system.isfile(config):
                yield RegisteredModel(model, self._system.modified(config), self._metrics(join(folder, METRICS)))

    def _metrics(self, path: str) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            metrics = json.loads(self._system.cat_file(path))
            return metrics if isinstance(metrics, dict) else {}
        return {}

    def _holds(self, model: str) -> bool:
        try:
            return bool(self.read(model))
        except InputError:
            return False

    def _let_score(self, model: str, former: list[str], rejected: list[str]) -> None:
        since = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self._current.write(model=model, since=since, former=former[:_KEPT_FORMER], rejected=rejected)

    def _way_to_one(self, choose: str) -> str:
        """What to do where no model is named, `choose` one or get one; earlier versions had a single one in model/."""
        former = join(self._root, "model")
        system, path = filesystem(former)
        if system.isfile(join(path, CONFIG)):
            return f"{former} holds one of an earlier version: take it over with `tonality models add {former}`"
        listed = ", ".join(release.model for release in self.listed())
        if listed:
            return f"{self._place} has {listed}. Choose one with {choose}"
        return f"nothing in {self._place}. Run `train` first, or take a model over with `tonality models add FOLDER`"

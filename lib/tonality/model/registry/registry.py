"""The model registry: models side by side under `models/`, each in a folder of its fingerprint, one in production.

    models/<fingerprint>/   a model, see artifact_store
    models/current.json     the production alias: the model that scores, since when, its predecessors for rolling back,
                            and the models that were rolled back
    models/latest.json      the candidate alias: the model that was trained or added last, to be evaluated

A registered model is immutable: training again registers another model. The production model is changed by replacing
current.json; on a local disk that is atomic, and a lock makes concurrent changes wait. A damaged current.json is
replaced when the next model is put into production or added; until then the production model and its predecessors are
unknown.
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
from tonality.model.registry.alias import FINGERPRINT, Alias, models_in
from tonality.model.registry.artifact import CONFIG, METRICS, Artifact
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["ModelRegistry", "RegisteredModel"]

_MODELS: Final = "models"
_LOCK: Final = ".lock"
_MAX_FORMER: Final = 50
_USE: Final = "`tonality models use MODEL`"


@dataclass(frozen=True)
class RegisteredModel:
    """An entry of the registry, without its weights."""

    fingerprint: str
    written: datetime
    metrics: dict[str, Any]
    """metrics.json; empty if it cannot be read."""


class ModelRegistry:
    """The models under a root: a local folder, or any URL that fsspec knows."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folder = join(root, _MODELS)
        self._system, self._path = filesystem(self._folder)
        self._add_again = f"`tonality models add {self.location('MODEL')}`"
        remove = "or remove the file, and the next model that is trained or added will be"
        self._production = Alias(self._folder, "current.json", f"put one into production with {_USE}, {remove}")
        self._candidate = Alias(self._folder, "latest.json", f"name one with {self._add_again}, or train again")
        self._is_locked = False

    def check_usable(self) -> None:
        """Refuse, before training starts, a registry that cannot take its model.

        Raises InputError if a file is in the folder's place, or the production model is unknown.
        """
        if self._system.exists(self._path) and not self._system.isdir(self._path):
            raise InputError(f"{self._folder} is a file, a folder of models is expected: move it, or name another root")
        self.production_if_any()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the registry's lock, so that other processes wait before they change an alias.

        Every method that changes an alias takes it; take it around a decision that depends on the production model and
        the change that follows. It works on local disks that support locks, and is no lock elsewhere.
        """
        if self._is_locked or not isinstance(self._system, LocalFileSystem) or not self._system.isdir(self._path):
            yield
            return
        handle = os.open(join(self._path, _LOCK), os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            self._is_locked = True
            yield
        finally:
            self._is_locked = False
            os.close(handle)

    def add(self, artifact: Artifact) -> bool:
        """Register a model, unless it already is, as the candidate.

        If no production model is known it also goes into production. Returns True if it did.
        """
        model = artifact.fingerprint
        if not self._holds(model):
            artifact_store.write(artifact, self.location(model))
        with self.lock():
            self._candidate.write(model=model)
            if self._production.read_if_valid():
                return False
            self._write_production(model, [], [])
            return True

    def read(self, model: str) -> Artifact:
        """Read a registered model. Raises InputError if there is none of this name, or its content is another model."""
        artifact = artifact_store.read(self.location(model))
        if artifact.fingerprint != model:
            raise InputError(
                f"{self.location(model)} holds model {artifact.fingerprint}: its files were changed or mixed up. "
                "Copy the model again, or train again"
            )
        return artifact

    def read_production(self) -> Artifact:
        """Read the production model. Raises InputError if there is none, or it cannot be read."""
        return self.read(self.production())

    def location(self, model: str) -> str:
        """The folder of a model."""
        return join(self._folder, model)

    def production(self) -> str:
        """The model in production. Raises InputError if there is none yet."""
        if model := self.production_if_any():
            return model
        raise InputError(f"no production model: {self._suggestion(_USE)}")

    def production_if_any(self) -> str | None:
        """The model in production; None if there is none yet."""
        return self._production.model()

    def production_since(self) -> str:
        """The time when the production model was put into production, ISO 8601 in UTC; empty if there is none."""
        return str((self._production.read() or {}).get("since", ""))

    def former(self) -> list[str]:
        """The former production models, latest first."""
        return models_in(self._production.read(), "former")

    def rejected(self) -> list[str]:
        """The models that were rolled back, and not put into production again since; latest first."""
        return models_in(self._production.read(), "rejected")

    def candidate(self) -> str:
        """The model that was trained or added last. Raises InputError if there is none."""
        if model := self.candidate_if_any():
            return model
        raise InputError(f"no model to evaluate: {self._suggestion(self._add_again)}")

    def candidate_if_any(self) -> str | None:
        """The model that was trained or added last; None if there is none, or it was not recorded."""
        return self._candidate.model()

    def set_production(self, model: str) -> str | None:
        """Put a model into production and return its predecessor, if one is known.

        Raises InputError if the model cannot be read.
        """
        with self.lock():
            self.read(model)
            content = self._production.read_if_valid()
            production = content["model"] if content else None
            if production != model:
                former = [production, *models_in(content, "former")] if production else []
                rejected = [name for name in models_in(content, "rejected") if name != model]
                self._write_production(model, former, rejected)
            return production

    def roll_back(self) -> str:
        """Put the previous production model back into production and return it; the one it replaces becomes rejected.

        Raises InputError if there is no previous model, or it was removed.
        """
        with self.lock():
            former, production = self.former(), self.production()
            if not former:
                raise InputError(
                    f"no model was in production before {production}: use one of those that `models` lists"
                )
            previous, *earlier = former
            self.read(previous)
            rejected = [name for name in self.rejected() if name not in (previous, production)]
            self._write_production(previous, earlier, [production, *rejected])
            return previous

    def remove(self, model: str) -> None:
        """Delete a model. Raises InputError for the production model, and if the production model is unknown."""
        with self.lock():
            if model == self.production_if_any():
                raise InputError(f"model {model} is in production: put another one there first, with `models use`")
            self._system.rm(join(self._path, model), recursive=True)

    def resolve(self, prefix: str) -> str:
        """The one model whose fingerprint starts with the prefix. Raises InputError if there is none, or several."""
        models = [registered.fingerprint for registered in self.list_models()]
        matches = [model for model in models if model.startswith(prefix)] if prefix else []
        if len(matches) == 1:
            return matches[0]
        choices = ", ".join(matches or models) or "none"
        raise InputError(f"{prefix!r} names {len(matches)} models under {self._folder}, expected one of: {choices}")

    def list_models(self) -> list[RegisteredModel]:
        """All registered models, oldest first."""
        return sorted(self._registered(), key=lambda registered: registered.written)

    def _registered(self) -> Iterator[RegisteredModel]:
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

    def _write_production(self, model: str, former: list[str], rejected: list[str]) -> None:
        since = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self._production.write(model=model, since=since, former=former[:_MAX_FORMER], rejected=rejected)

    def _suggestion(self, choose: str) -> str:
        """The advice for an alias that does not exist: choose a model with `choose`, or train or add one.

        Earlier versions kept a single model in model/.
        """
        legacy = join(self._root, "model")
        system, path = filesystem(legacy)
        if system.isfile(join(path, CONFIG)):
            return f"{legacy} holds one of an earlier version: add it with `tonality models add {legacy}`"
        models = ", ".join(registered.fingerprint for registered in self.list_models())
        if models:
            return f"{self._folder} has {models}. Choose one with {choose}"
        return f"nothing in {self._folder}. Run `train` first, or add a model with `tonality models add FOLDER`"

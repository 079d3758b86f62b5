"""train: the network, from the dataset. One process needs neither Java nor Spark; several are started through Spark."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from fsspec.implementations.local import LocalFileSystem

from tonality.model.dataset.metadata import DatasetMetadata, read_metadata
from tonality.model.loading.row_groups import RowGroups
from tonality.model.network.lstm import LSTMConfig
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.model.training.checkpoint import Checkpoint
from tonality.model.training.distributed import ALONE, ProcessGroup, joined
from tonality.model.training.hyperparameters import Hyperparameters, choose_device
from tonality.model.training.loop import train
from tonality.model.training.model_card import card
from tonality.model.training.progress import Progress
from tonality.model.training.signals import Interrupted
from tonality.model.training.state import TrainingResult
from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.explain.system import translated_errors
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings
from tonality.runtime.settings.types import in_bytes
from tonality.runtime.spark.process_output import announcer
from tonality.runtime.storage.schema import FIRST_STEM_ID, VOCABULARY
from tonality.runtime.storage.urls import filesystem, join
from tonality.text.token_ids import vocabulary_fingerprint


def check(settings: Settings) -> None:
    """Refuse what no training can begin with. Raises SettingsError."""
    asked = settings.train
    if asked.batch_size % asked.processes:
        raise SettingsError(
            f"train.batch_size is {asked.batch_size} and train.processes {asked.processes}: "
            f"the batch is shared by all, so the one must be a multiple of the other"
        )
    if asked.processes > 1:
        from tonality.runtime.spark.session import check_session

        check_session(settings.spark)


def run(settings: Settings, record: Run) -> str:
    """Train on dataset/split=train, validate on dataset/split=valid, and write a release into models/."""
    check(settings)
    registry = ModelRegistry(settings.paths.root)
    registry.check_place()
    data = _Data.read(settings.paths.root)
    if settings.train.processes == 1:
        _train(settings, data, choose_device(settings.train.device), Progress())
    else:
        _train_in_processes(settings, data, record)
    artifact, current = registry.read(registry.candidate()), registry.production()
    record.add(
        model=artifact.fingerprint,
        current=current,
        dataset=data.note.vocabulary,
        metrics=artifact.metrics,
        reads={
            "dataset": {"rows": sum(side.rows for side in data.note.rows.values())},
            "vocabulary": {"rows": data.vocabulary.num_rows},
        },
        writes={"models": {}},
        counts={"epochs": len(artifact.metrics["epochs"]), "best_epoch": artifact.metrics["best_epoch"]},
    )
    return _summary(artifact, current)


@dataclass(frozen=True, eq=False)
class _Data:
    """What `prepare` made."""

    root: str
    note: DatasetMetadata
    vocabulary: pa.Table

    @classmethod
    def read(cls, root: str) -> Self:
        """Raises InputError where a part is missing, or the parts do not belong together."""
        data = cls(root, read_metadata(root), _read_vocabulary(root))
        found = vocabulary_fingerprint(data.vocabulary["stem"].to_pylist())
        if found != data.note.vocabulary:
            raise InputError(
                f"vocabulary/ is {found}, dataset/ was numbered by {data.note.vocabulary}: run `prepare` again"
            )
        return data

    @property
    def stems(self) -> int:
        """Rows of the embedding."""
        return int(self.vocabulary.num_rows) + FIRST_STEM_ID

    def side(self, name: str) -> str:
        """Where a side's rows lie."""
        return join(self.root, "dataset", f"split={name}")


def _read_vocabulary(root: str) -> pa.Table:
    system, path = filesystem(join(root, "vocabulary"))
    try:
        return pq.read_table(path, filesystem=system, schema=VOCABULARY).sort_by("id")
    except FileNotFoundError:
        raise InputError(f"no vocabulary: {join(root, 'vocabulary')} is not there. Run `prepare` first.") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"the vocabulary under {root} cannot be read: {error}. Run `prepare` again.") from None


def _train(
    settings: Settings, data: _Data, device: torch.device, progress: Progress | None, group: ProcessGroup = ALONE
) -> None:
    """Train in this process, alone or as one of a group, whose first writes the model."""
    shape = LSTMConfig(vocabulary=data.stems, **settings.network.model_dump())
    hyperparameters = _hyperparameters(settings)
    checkpoint = _checkpoint(settings, data, shape, hyperparameters)
    trained = train(
        shape,
        data.side("train"),
        data.side("valid"),
        hyperparameters,
        device,
        progress=progress,
        checkpoint=checkpoint,
        group=group,
    )
    if group.rank == 0:
        ModelRegistry(data.root).add(_artifact(shape, hyperparameters, trained, data, group.size))
        checkpoint.remove()


def _hyperparameters(settings: Settings) -> Hyperparameters:
    asked = settings.train.model_dump(exclude={"device", "processes", "resume", "memory"})
    return Hyperparameters(**asked, memory=in_bytes(settings.train.memory))


def _checkpoint(settings: Settings, data: _Data, shape: LSTMConfig, hyperparameters: Hyperparameters) -> Checkpoint:
    """The checkpoint of this training, identified by shape, hyperparameters, dataset and number of processes."""
    sides = [RowGroups(data.side(name), data.stems).fingerprint for name in ("train", "valid")]
    decisive = [
        asdict(shape),
        hyperparameters.identity(),
        settings.train.processes,
        sides,
        data.note.model_dump(mode="json"),
    ]
    identity = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]
    return Checkpoint(_checkpoint_place(data.root), identity, settings.train.resume)


def _checkpoint_place(root: str) -> str:
    return join(root, "checkpoint", "train.safetensors")


def _train_in_processes(settings: Settings, data: _Data, record: Run) -> None:
    """Train in several processes. Raises the UserError that one of them has met, and Interrupted on Ctrl-C."""
    from tonality.runtime.spark.torch_launcher import run_in_processes

    asked = settings.train.processes
    RowGroups(data.side("train"), data.stems, shards=asked)  # refused here, before anything is started
    system, root = filesystem(settings.paths.root)
    if isinstance(system, LocalFileSystem):  # executors work in folders of their own
        settings = settings.model_copy(update={"paths": settings.paths.model_copy(update={"root": root})})
    faults = join(settings.paths.root, "runs", f"{record.id}.faults")
    try:
        run_in_processes(_train_in_group, (settings.model_dump_json(),), asked, settings.spark, faults)
    except KeyboardInterrupt as interruption:
        checkpoint = Checkpoint(_checkpoint_place(settings.paths.root), "", settings.train.resume)
        if interruption.args or not system.exists(checkpoint.location):
            raise
        raise Interrupted(checkpoint.way_on) from interruption


def _train_in_group(settings_json: str) -> None:
    """What each of several processes does."""
    settings = Settings.model_validate_json(settings_json)
    with translated_errors(settings):
        device = choose_device(settings.train.device, int(os.environ["LOCAL_RANK"]))
        with joined(device) as group:
            progress = Progress(announcer()) if group.rank == 0 else None
            _train(settings, _Data.read(settings.paths.root), device, progress, group)


def _artifact(
    shape: LSTMConfig, hyperparameters: Hyperparameters, trained: TrainingResult, data: _Data, processes: int
) -> Artifact:
    note = data.note
    return Artifact(
        network_config=shape,
        weights=trained.weights,
        vocabulary=data.vocabulary,
        rules=note.rules,
        rules_fingerprint=note.rules_fingerprint,
        language=note.rules["name"],
        max_length=note.max_length,
        unknown=note.unknown,
        metrics={
            "rows": note.counts,
            "split": note.split,
            "best_epoch": trained.best.number,
            "epochs": [asdict(epoch) for epoch in trained.epochs],
            "computed": trained.computed,
            "processes": processes,
        },
        card=card(
            shape=shape,
            hyperparameters=hyperparameters,
            trained=trained,
            rows=note.counts,
            dropped=note.dropped,
            rules=note.rules,
            stems=note.stems,
            max_length=note.max_length,
            unknown=note.unknown,
        ),
    )


def _summary(artifact: Artifact, current: str) -> str:
    epochs, best = artifact.metrics["epochs"], artifact.metrics["best_epoch"]
    valid = epochs[best - 1]["valid"]
    learned = (
        f"model {artifact.fingerprint}, epoch {best} of {len(epochs)}; on {valid['rows']:,} validation rows: accuracy "
        f"{valid['accuracy']:.1%}, F1 {valid['f1']:.3f}, AUC {valid['auc']:.3f}, log loss {valid['log_loss']:.3f}"
    )
    if artifact.fingerprint == current:
        return learned
    return f"{learned}\nModel {current} goes on scoring: `evaluate` and `promote` let the better of the two score"

"""train: train the network on the dataset. One process needs neither Java nor Spark; Spark starts several."""

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
from tonality.model.training.distributed import SINGLE_PROCESS, ProcessGroup, join_process_group
from tonality.model.training.hyperparameters import choose_device, training_identity
from tonality.model.training.loop import train
from tonality.model.training.model_card import model_card
from tonality.model.training.progress import Progress
from tonality.model.training.signals import Interrupted
from tonality.model.training.state import TrainingResult
from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.explain.system import translated_errors
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings
from tonality.runtime.spark.process_output import log_to_launcher
from tonality.runtime.storage.schema import FIRST_STEM_ID, VOCABULARY
from tonality.runtime.storage.urls import filesystem, join
from tonality.text.token_ids import vocabulary_fingerprint


def check(settings: Settings) -> None:
    """Refuse settings that no training can start with. Raises SettingsError."""
    options = settings.train
    if options.batch_size % options.processes:
        raise SettingsError(
            f"train.batch_size is {options.batch_size} and train.processes {options.processes}: "
            "all processes share the batch equally, so its size must be a multiple of their number"
        )
    if options.processes > 1:
        from tonality.runtime.spark.session import check_session

        check_session(settings.spark)


def run(settings: Settings, record: Run) -> str:
    """Train on dataset/split=train, validate on dataset/split=valid, and add the model to models/."""
    check(settings)
    registry = ModelRegistry(settings.paths.root)
    registry.check_usable()
    data = _Data.read(settings.paths.root)
    if settings.train.processes == 1:
        _train(settings, data, choose_device(settings.train.device), Progress())
    else:
        _train_in_processes(settings, data, record)
    artifact, production = registry.read(registry.candidate()), registry.production()
    record.add(
        model=artifact.fingerprint,
        current=production,
        dataset=data.metadata.vocabulary,
        metrics=artifact.metrics,
        reads={
            "dataset": {"rows": sum(split.rows for split in data.metadata.rows.values())},
            "vocabulary": {"rows": data.vocabulary.num_rows},
        },
        writes={"models": {}},
        counts={"epochs": len(artifact.metrics["epochs"]), "best_epoch": artifact.metrics["best_epoch"]},
    )
    return _summary(artifact, production)


@dataclass(frozen=True, eq=False)
class _Data:
    """The dataset and its vocabulary, as written by `prepare`."""

    root: str
    metadata: DatasetMetadata
    vocabulary: pa.Table

    @classmethod
    def read(cls, root: str) -> Self:
        """Read both. Raises InputError if one is missing or they do not belong together."""
        data = cls(root, read_metadata(root), _read_vocabulary(root))
        found = vocabulary_fingerprint(data.vocabulary["stem"].to_pylist())
        if found != data.metadata.vocabulary:
            raise InputError(
                f"vocabulary/ is {found}, but dataset/ was encoded with {data.metadata.vocabulary}: run `prepare` again"
            )
        return data

    @property
    def stems(self) -> int:
        """Rows of the embedding."""
        return int(self.vocabulary.num_rows) + FIRST_STEM_ID

    def split(self, name: str) -> str:
        """The folder of a split's rows."""
        return join(self.root, "dataset", f"split={name}")


def _read_vocabulary(root: str) -> pa.Table:
    system, path = filesystem(join(root, "vocabulary"))
    try:
        return pq.read_table(path, filesystem=system, schema=VOCABULARY).sort_by("id")
    except FileNotFoundError:
        raise InputError(f"no vocabulary at {join(root, 'vocabulary')}. Run `prepare` first.") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"the vocabulary under {root} cannot be read: {error}. Run `prepare` again.") from None


def _train(
    settings: Settings,
    data: _Data,
    device: torch.device,
    progress: Progress | None,
    group: ProcessGroup = SINGLE_PROCESS,
) -> None:
    """Train in this process, alone or as part of a group; rank 0 writes the model."""
    config = LSTMConfig(vocabulary=data.stems, **settings.network.model_dump())
    checkpoint = _checkpoint(settings, data, config)
    trained = train(
        config,
        data.split("train"),
        data.split("valid"),
        settings.train,
        device,
        progress=progress,
        checkpoint=checkpoint,
        group=group,
    )
    if group.rank == 0:
        ModelRegistry(data.root).add(_artifact(config, settings, trained, data, group.size))
        checkpoint.remove()


def _checkpoint(settings: Settings, data: _Data, config: LSTMConfig) -> Checkpoint:
    """The checkpoint of this training, identified by config, hyperparameters, dataset and number of processes."""
    splits = [RowGroups(data.split(name), data.stems).fingerprint for name in ("train", "valid")]
    determinants = [
        asdict(config),
        training_identity(settings.train),
        settings.train.processes,
        splits,
        data.metadata.model_dump(mode="json"),
    ]
    identity = hashlib.sha256(json.dumps(determinants, sort_keys=True).encode()).hexdigest()[:12]
    return Checkpoint(_checkpoint_place(data.root), identity, settings.train.resume)


def _checkpoint_place(root: str) -> str:
    return join(root, "checkpoint", "train.safetensors")


def _train_in_processes(settings: Settings, data: _Data, record: Run) -> None:
    """Train in several processes. Raises the UserError of the first that fails, and Interrupted on Ctrl-C."""
    from tonality.runtime.spark.torch_launcher import run_in_processes

    processes = settings.train.processes
    RowGroups(
        data.split("train"), data.stems, shards=processes
    )  # refuses too few row groups before anything is started
    system, root = filesystem(settings.paths.root)
    if isinstance(system, LocalFileSystem):  # executors have other working directories
        settings = settings.model_copy(update={"paths": settings.paths.model_copy(update={"root": root})})
    errors = join(settings.paths.root, "runs", f"{record.id}.errors")
    try:
        run_in_processes(_train_in_group, (settings.model_dump_json(),), processes, settings.spark, errors)
    except KeyboardInterrupt as interruption:
        checkpoint = Checkpoint(_checkpoint_place(settings.paths.root), "", settings.train.resume)
        if interruption.args or not system.exists(checkpoint.location):
            raise
        raise Interrupted(checkpoint.resume_hint) from interruption


def _train_in_group(settings_json: str) -> None:
    """Train in one of several processes."""
    settings = Settings.model_validate_json(settings_json)
    with translated_errors(settings):
        device = choose_device(settings.train.device, int(os.environ["LOCAL_RANK"]))
        with join_process_group(device) as group:
            log_to_launcher()
            progress = Progress() if group.rank == 0 else None
            _train(settings, _Data.read(settings.paths.root), device, progress, group)


def _artifact(config: LSTMConfig, settings: Settings, trained: TrainingResult, data: _Data, processes: int) -> Artifact:
    metadata = data.metadata
    return Artifact(
        network_config=config,
        weights=trained.weights,
        vocabulary=data.vocabulary,
        rules=metadata.rules,
        rules_fingerprint=metadata.rules_fingerprint,
        language=metadata.rules["name"],
        max_length=metadata.max_length,
        unknown=metadata.unknown,
        metrics={
            "rows": metadata.counts,
            "split": metadata.split,
            "best_epoch": trained.best.number,
            "epochs": [asdict(epoch) for epoch in trained.epochs],
            "computed": trained.computed,
            "processes": processes,
        },
        card=model_card(
            config=config,
            settings=settings.train,
            result=trained,
            rows=metadata.counts,
            dropped=metadata.dropped,
            rules=metadata.rules,
            stems=metadata.stems,
            max_length=metadata.max_length,
            unknown=metadata.unknown,
        ),
    )


def _summary(artifact: Artifact, production: str) -> str:
    epochs, best = artifact.metrics["epochs"], artifact.metrics["best_epoch"]
    valid = epochs[best - 1]["valid"]
    result = (
        f"model {artifact.fingerprint}, epoch {best} of {len(epochs)}; on {valid['rows']:,} validation rows: accuracy "
        f"{valid['accuracy']:.1%}, F1 {valid['f1']:.3f}, AUC {valid['auc']:.3f}, log loss {valid['log_loss']:.3f}"
    )
    if artifact.fingerprint == production:
        return result
    return f"{result}\nmodel {production} stays in production until `evaluate` and `promote` have compared the two"

"""train: the network, from the dataset. Needs neither Java nor Spark."""

from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.corpus.note import DatasetNote, read_note
from tonality.faults import InputFault
from tonality.locations import filesystem, join
from tonality.network.artifact import Artifact
from tonality.network.lstm import Shape
from tonality.network.storage import check_place, write
from tonality.record import Run
from tonality.schema import FIRST_STEM_ID, VOCABULARY
from tonality.settings import Settings
from tonality.text.numbering import vocabulary_fingerprint
from tonality.training.loop import Recipe, Trained, train
from tonality.training.progress import Progress


def run(settings: Settings, record: Run) -> str:
    """Train on dataset/split=train, validate on dataset/split=valid, and write model/."""
    root = settings.paths.root
    check_place(join(root, "model"))
    note = read_note(root)
    vocabulary = _read_vocabulary(root)
    _refuse_another_vocabulary(vocabulary, note)
    shape = Shape(vocabulary=vocabulary.num_rows + FIRST_STEM_ID, **settings.network.model_dump())
    trained = train(
        shape, join(root, "dataset", "split=train"), join(root, "dataset", "split=valid"), _recipe(settings), Progress()
    )
    artifact = _artifact(shape, trained, vocabulary, note)
    write(artifact, join(root, "model"))
    record.note(model=artifact.fingerprint, dataset=note.vocabulary, metrics=artifact.metrics)
    return _summary(trained, artifact)


def _read_vocabulary(root: str) -> pa.Table:
    system, path = filesystem(join(root, "vocabulary"))
    try:
        return pq.read_table(path, filesystem=system, schema=VOCABULARY).sort_by("id")
    except FileNotFoundError:
        raise InputFault(f"no vocabulary: {join(root, 'vocabulary')} is not there. Run `prepare` first.") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise InputFault(f"the vocabulary under {root} cannot be read: {error}. Run `prepare` again.") from None


def _refuse_another_vocabulary(vocabulary: pa.Table, note: DatasetNote) -> None:
    found = vocabulary_fingerprint(vocabulary["stem"].to_pylist())
    if found != note.vocabulary:
        raise InputFault(f"vocabulary/ is {found}, dataset/ was numbered by {note.vocabulary}: run `prepare` again")


def _recipe(settings: Settings) -> Recipe:
    return Recipe(**settings.train.model_dump())


def _artifact(shape: Shape, trained: Trained, vocabulary: pa.Table, note: DatasetNote) -> Artifact:
    return Artifact(
        shape=shape,
        weights=trained.weights,
        vocabulary=vocabulary,
        rules=note.rules,
        rules_fingerprint=note.rules_fingerprint,
        language=note.rules["name"],
        max_length=note.max_length,
        unknown=note.unknown,
        metrics={
            "rows": {side: count.model_dump() for side, count in note.rows.items()},
            "best_epoch": trained.best.number,
            "epochs": [asdict(epoch) for epoch in trained.epochs],
        },
    )


def _summary(trained: Trained, artifact: Artifact) -> str:
    valid = trained.best.valid
    return (
        f"model {artifact.fingerprint}, epoch {trained.best.number} of {len(trained.epochs)}; on {valid.rows:,} "
        f"validation rows: accuracy {valid.accuracy:.1%}, F1 {valid.f1:.3f}, AUC {valid.auc:.3f}, "
        f"log loss {valid.log_loss:.3f}"
    )

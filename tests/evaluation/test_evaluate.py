import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tonality import schema
from tonality.config import load
from tonality.corpus.note import DatasetNote, Side
from tonality.faults import InputFault
from tonality.network.artifact import Artifact
from tonality.network.lstm import Shape, build
from tonality.network.storage import write
from tonality.record import Run
from tonality.scoring.prepared import PreparedModel
from tonality.scoring.scorer import Scorer
from tonality.stages import evaluate
from tonality.text.numbering import vocabulary_fingerprint

STEMS = ["хорош", "плох"]
TRAIN = [("хорош", 1.0), ("плох", 0.0)] * 10
VALID = [("хорош хорош", 1.0), ("плох", 0.0), ("плох плох", 0.0), ("друг", 1.0)]


NOTE = DatasetNote(
    vocabulary="",
    stems=2,
    rows={"train": Side(rows=20, positive=10), "valid": Side(rows=4, positive=2)},
    dropped={},
    max_length=10,
    unknown="train",
    seed=1,
    valid_fraction=0.2,
    rules_fingerprint="c0ffee",
    rules={},
)


def write_side(folder, rows):
    texts, labels = zip(*rows, strict=True)
    folder.mkdir(parents=True)
    columns = {"tokens": [[2]] * len(rows), "length": [1] * len(rows), "label": labels, "stems": texts}
    pq.write_table(pa.table(columns, schema=schema.DATASET), folder / "part-0.parquet")


@pytest.fixture
def artifact():
    torch.manual_seed(1)
    shape = Shape(vocabulary=4, embedding=4, hidden=3)
    return Artifact(
        shape=shape,
        weights=build(shape).state_dict(),
        vocabulary=pa.table({"id": [2, 3], "stem": STEMS, "count": [10, 10]}).cast(schema.VOCABULARY),
        rules={},
        rules_fingerprint="c0ffee",
        language="ru",
        max_length=10,
        unknown="train",
        metrics={"rows": NOTE.counts},
    )


@pytest.fixture
def run(spark, tmp_path, artifact):
    """Evaluates a model of two stems on a dataset numbered by these."""

    def evaluated(dataset_stems, rows=NOTE.rows):
        write_side(tmp_path / "dataset" / "split=train", TRAIN)
        write_side(tmp_path / "dataset" / "split=valid", VALID)
        note = NOTE.model_copy(update={"vocabulary": vocabulary_fingerprint(dataset_stems), "rows": rows})
        (tmp_path / "dataset" / "dataset.json").write_text(note.model_dump_json())
        write(artifact, str(tmp_path / "model"))
        settings = load([], [f"paths.root={tmp_path}"])
        with Run("evaluate", settings) as record:
            return evaluate.run(settings, record, spark)

    return evaluated


def test_all_models_are_measured_on_the_same_held_out_rows(run, tmp_path, artifact):
    summary = run(STEMS)
    content = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert (content["model"], content["rows"], content["positive"]) == (artifact.fingerprint, 4, 2)
    network, *linear = content["models"].values()
    assert [model["rows"] for model in content["models"].values()] == [4] * 4
    assert [model["accuracy"] for model in linear] == [1.0] * 3
    called = [
        p >= 0.5
        for p in Scorer(PreparedModel.of(artifact)).probabilities(pa.array([text for text, _ in VALID])).to_pylist()
    ]
    assert network["accuracy"] == sum(c == (label == 1) for c, (_, label) in zip(called, VALID, strict=True)) / 4
    assert [line.split("  ")[0] for line in summary.splitlines()[1:]] == list(content["models"])


def test_the_comparison_is_a_table_and_a_picture_too(run, tmp_path):
    run(STEMS)
    assert "| LSTM network |" in (tmp_path / "evaluation" / "evaluation.md").read_text()
    assert (tmp_path / "evaluation" / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_a_dataset_that_the_model_was_not_trained_on_is_refused(run):
    """What is held out of it may be what the model has learned from."""
    with pytest.raises(
        InputFault, match=r"^dataset/ was numbered by \(vocabulary, unknown, max_length\) .*: run `train` again"
    ):
        run(["хорош", "снег"])


def test_a_model_that_learned_from_another_split_is_refused(run):
    rows = {"train": Side(rows=18, positive=9), "valid": Side(rows=6, positive=3)}
    with pytest.raises(
        InputFault, match=r"^dataset/ is split into .*'rows': 18.* trained on .*'rows': 20.*Run `train` again$"
    ):
        run(STEMS, rows)

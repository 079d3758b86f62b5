import dataclasses
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tonality.model.dataset.metadata import DatasetMetadata, SplitStats
from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.scorer import Scorer
from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.storage import schema
from tonality.stages import evaluate
from tonality.text.token_ids import vocabulary_fingerprint

STEMS = ["хорош", "плох"]
TRAIN = [("хорош", 1.0), ("плох", 0.0)] * 10
VALID = [("хорош хорош", 1.0), ("плох", 0.0), ("плох плох", 0.0), ("друг", 1.0)]


METADATA = DatasetMetadata(
    vocabulary="",
    stems=2,
    rows={"train": SplitStats(rows=20, positive=10), "valid": SplitStats(rows=4, positive=2)},
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
    shape = LSTMConfig(vocabulary=4, embedding=4, hidden=3)
    return Artifact(
        network_config=shape,
        weights=build(shape).state_dict(),
        vocabulary=pa.table({"id": [2, 3], "stem": STEMS, "count": [10, 10]}).cast(schema.VOCABULARY),
        rules={},
        rules_fingerprint="c0ffee",
        language="ru",
        max_length=10,
        unknown="train",
        metrics={"rows": METADATA.counts},
    )


@pytest.fixture
def run(spark, tmp_path, artifact):
    """Evaluates a model of two stems on a dataset encoded with these stems."""

    def evaluated(dataset_stems, rows=METADATA.rows):
        write_side(tmp_path / "dataset" / "split=train", TRAIN)
        write_side(tmp_path / "dataset" / "split=valid", VALID)
        metadata = METADATA.model_copy(update={"vocabulary": vocabulary_fingerprint(dataset_stems), "rows": rows})
        (tmp_path / "dataset" / "_dataset.json").write_text(metadata.model_dump_json())
        ModelRegistry(str(tmp_path)).add(artifact)
        settings = load([], [f"paths.root={tmp_path}"])
        with Run("evaluate", settings) as record:
            return evaluate.run(settings, record, spark)

    return evaluated


def test_all_models_are_evaluated_on_the_same_held_out_rows(run, tmp_path, artifact):
    summary = run(STEMS)
    content = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert (content["model"], content["rows"], content["positive"]) == (artifact.fingerprint, 4, 2)
    network, *linear = content["models"].values()
    assert [model["rows"] for model in content["models"].values()] == [4] * 4
    assert [model["accuracy"] for model in linear] == [1.0] * 3
    called = [
        p >= 0.5
        for p in Scorer(PackedModel.of(artifact)).probabilities(pa.array([text for text, _ in VALID])).to_pylist()
    ]
    assert network["accuracy"] == sum(c == (label == 1) for c, (_, label) in zip(called, VALID, strict=True)) / 4
    assert [line.split("  ")[0] for line in summary.splitlines()[1:]] == list(content["models"])


def test_the_comparison_is_a_table_and_a_plot_too(run, tmp_path):
    run(STEMS)
    assert "| LSTM network |" in (tmp_path / "evaluation" / "evaluation.md").read_text()
    assert (tmp_path / "evaluation" / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_a_dataset_that_the_model_was_not_trained_on_is_refused(run):
    """The model may have learned from the rows held out of it."""
    with pytest.raises(
        InputError, match=r"^dataset/ was encoded with \(vocabulary, unknown, max_length\) .*: run `train` again"
    ):
        run(["хорош", "снег"])


def test_a_model_that_learned_from_another_split_is_refused(run):
    rows = {"train": SplitStats(rows=18, positive=9), "valid": SplitStats(rows=6, positive=3)}
    with pytest.raises(
        InputError, match=r"^dataset/ is split into .*'rows': 18.* trained on .*'rows': 20.*Run `train` again$"
    ):
        run(STEMS, rows)


@pytest.fixture
def another(artifact):
    """A production model with other weights."""
    torch.manual_seed(2)
    return dataclasses.replace(artifact, weights=build(artifact.network_config).state_dict())


def test_the_production_model_is_evaluated_on_the_same_rows_and_compared_row_by_row(run, tmp_path, artifact, another):
    ModelRegistry(str(tmp_path)).add(dataclasses.replace(another, metrics={"split": METADATA.split}))
    run(STEMS)
    content = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert list(content["models"])[:2] == ["LSTM network", "current LSTM network"]
    assert content["networks"] == {artifact.fingerprint: "LSTM network", another.fingerprint: "current LSTM network"}
    losses = [content["models"][name]["log_loss"] for name in content["networks"].values()]
    [rival] = content["rivals"]
    assert (rival["model"], rival["learned_from_other_split"]) == (another.fingerprint, False)
    assert rival["differences"]["log_loss"]["mean"] == pytest.approx(losses[0] - losses[1], abs=1e-6)
    assert (tmp_path / "evaluation" / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_a_production_model_that_may_have_learned_from_the_held_out_rows_is_flagged(run, tmp_path, another):
    split = METADATA.split | {"seed": 2}
    ModelRegistry(str(tmp_path)).add(dataclasses.replace(another, metrics={"split": split}))
    run(STEMS)
    [rival] = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())["rivals"]
    assert rival["learned_from_other_split"] is True


def test_a_production_model_with_other_text_rules_is_not_compared(run, tmp_path, another):
    """It was trained on stems cut in another way."""
    ModelRegistry(str(tmp_path)).add(dataclasses.replace(another, rules_fingerprint="other"))
    run(STEMS)
    content = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert (len(content["models"]), content["rivals"]) == (4, [])

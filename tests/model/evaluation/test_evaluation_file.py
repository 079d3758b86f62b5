import json

import numpy as np
import pytest

from tonality.model.evaluation.evaluation_file import Evaluation, ModelMetrics, Rival, read_evaluation
from tonality.model.evaluation.paired_difference import Difference
from tonality.model.evaluation.results import evaluate_predictions
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.json_files import to_json

METRICS = {"accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.9, "macro_f1": None, "auc": None, "log_loss": 0.5}


@pytest.fixture
def write(tmp_path):
    def written(content):
        (tmp_path / "evaluation").mkdir()
        (tmp_path / "evaluation" / "evaluation.json").write_text(json.dumps(content))
        return str(tmp_path)

    return written


def test_the_file_holds_all_results_in_their_order_with_null_for_undefined_values():
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 500)
    results = {
        "one": evaluate_predictions(random.random(500), labels),
        "undefined": evaluate_predictions(random.random(1), labels[:1], {"C": 0.5}),
    }
    difference = Difference(0.1, -0.1, 0.3)
    evaluation = Evaluation(
        model="c0ffee",
        networks={"c0ffee": "one"},
        rivals=[Rival(model="beef", learned_from_other_split=True, differences={"log_loss": difference})],
        rows=500,
        positive=250,
        models={name: ModelMetrics.model_validate(result.content()) for name, result in results.items()},
    )
    rival = {
        "model": "beef",
        "learned_from_other_split": True,
        "differences": {"log_loss": {"mean": 0.1, "low": -0.1, "high": 0.3}},
    }
    assert evaluation.to_json() == to_json(
        {
            "model": "c0ffee",
            "networks": {"c0ffee": "one"},
            "rivals": [rival],
            "rows": 500,
            "positive": 250,
            "models": {name: result.content() for name, result in results.items()},
        }
    )


def test_the_metrics_of_the_requested_network_come_first(write):
    networks, models = {"a": "first", "b": "second"}, {"first": METRICS, "second": METRICS, "bayes": METRICS}
    evaluation = read_evaluation(write({"model": "a", "networks": networks, "rows": 3, "models": models}), "models")
    assert list(evaluation.metrics_with_first("b")) == ["second", "first", "bayes"]
    assert evaluation.metrics_with_first("c") is None


def test_a_file_of_an_earlier_version_has_one_network_the_first(write):
    evaluation = read_evaluation(write({"model": "a", "rows": 3, "models": {"n": METRICS, "bayes": METRICS}}), "models")
    assert list(evaluation.metrics_with_first("a")) == ["n", "bayes"]
    assert evaluation.metrics_with_first("b") is None


@pytest.mark.parametrize(
    ("content", "required", "message"),
    [
        ({"model": "a", "rows": 3, "models": {"n": METRICS}}, "rivals", r"\(rivals: Field required\)"),
        ({"model": "a", "rows": 3, "rivals": []}, "models", r"\(models: Field required\)"),
        ({"model": "a", "models": {"n": METRICS}}, "models", r"\(rows: Field required\)"),
        ({"model": "a", "rows": 3, "models": {"n": {}}}, "models", r"\(models\.n\.log_loss: Field required\)"),
        ([], "models", r"\(as a whole: "),
    ],
)
def test_a_file_that_lacks_something_is_named_with_the_stage_that_writes_it(content, required, message, write):
    with pytest.raises(
        InputError, match=rf"/evaluation/evaluation\.json cannot be read {message}.*Run `evaluate` again"
    ):
        read_evaluation(write(content), required)


def test_without_a_file_there_is_no_evaluation(tmp_path):
    assert read_evaluation(str(tmp_path), "models") is None

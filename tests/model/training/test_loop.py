import dataclasses
import json
import math
import threading

import pytest
import torch

from tonality.model.loading.data_loader import Loader
from tonality.model.loading.row_groups import RowGroups
from tonality.model.metrics import compute_metrics
from tonality.model.network.lstm import build
from tonality.model.training import loop
from tonality.model.training.learner import Learner
from tonality.model.training.loop import train as train_on
from tonality.model.training.predict import predict
from tonality.model.training.progress import Progress
from tonality.runtime.diagnostics.errors import InputError, UserError

CPU = torch.device("cpu")
VOCABULARY = 102


def train(config, sides, settings, **options):
    return train_on(config, *sides, settings, CPU, **options)


def equal(weights, others):
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)


def with_validation_losses(monkeypatch, *losses):
    """Replace the validation log losses by these, epoch by epoch."""
    remaining = iter(losses)
    monkeypatch.setattr(
        loop, "compute_metrics", lambda *found: dataclasses.replace(compute_metrics(*found), log_loss=next(remaining))
    )


def test_what_can_be_learned_is_learned(config, sides, settings):
    trained = train(config, sides, settings)
    assert trained.best.valid.accuracy > 0.9
    assert trained.best.valid.rows == 2_000
    assert trained.epochs[0].loss < math.log(2), "better than a coin from the first epoch on"
    assert trained.epochs[1].loss < trained.epochs[0].loss
    assert trained.computed == "float32 on a processor, by 2 threads"


def test_shuffled_labels_teach_nothing(config, unlearnable_sides, settings):
    trained = train(config, unlearnable_sides, settings.model_copy(update={"epochs": 3}))
    assert all(0.4 < epoch.valid.accuracy < 0.6 for epoch in trained.epochs)
    assert all(0.4 < epoch.valid.auc < 0.6 for epoch in trained.epochs)


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(config, sides, settings):
    settings = settings.model_copy(update={"epochs": 1})
    once = train(config, sides, settings)
    torch.rand(7)
    assert equal(train(config, sides, settings).weights, once.weights)
    assert not equal(train(config, sides, settings.model_copy(update={"seed": 1})).weights, once.weights)


def test_training_leaves_torchs_generator_its_threads_and_pythons_where_they_were(config, sides, settings):
    torch.set_num_threads(2)
    before = torch.get_rng_state(), set(threading.enumerate())
    train(config, sides, settings.model_copy(update={"epochs": 1, "memory": "1k"}))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert set(threading.enumerate()) == before[1]
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_rows_that_do_not_fit_in_memory_teach_as_well(config, sides, settings):
    streamed = train(config, sides, settings.model_copy(update={"memory": "1k", "shuffle_rows": 500}))
    assert streamed.best.valid.accuracy > 0.9
    assert streamed.best.valid.rows == 2_000


def test_bfloat16_learns_what_float32_learns(config, sides, settings):
    exact = train(config, sides, settings)
    short = train(config, sides, settings.model_copy(update={"precision": "bfloat16"}))
    assert short.computed.startswith("bfloat16 ")
    assert short.best.valid.accuracy == pytest.approx(exact.best.valid.accuracy, abs=0.02)


def test_the_weights_kept_are_those_of_the_best_epoch(config, sides, settings, monkeypatch):
    seen = []

    def recording(learner, *others):
        seen.append(learner.weights())
        return predict(learner, *others)

    with_validation_losses(monkeypatch, 0.5, 0.3, 0.4)
    monkeypatch.setattr(loop, "predict", recording)
    trained = train(config, sides, settings.model_copy(update={"epochs": 3}))
    assert trained.best is trained.epochs[1]
    assert [epoch.number for epoch in trained.epochs] == [1, 2, 3]
    assert equal(trained.weights, seen[1])
    assert not equal(trained.weights, seen[2])


def test_the_earlier_of_equal_epochs_is_the_best(config, sides, settings, monkeypatch):
    with_validation_losses(monkeypatch, 0.5, 0.5)
    assert train(config, sides, settings).best.number == 1


@pytest.mark.parametrize(("patience", "epochs"), [(0, 6), (1, 2), (2, 5), (3, 6)])
def test_training_ends_after_so_many_epochs_without_improvement(config, sides, settings, monkeypatch, patience, epochs):
    with_validation_losses(monkeypatch, 0.5, 0.6, 0.4, 0.5, 0.4, 0.45)
    trained = train(config, sides, settings.model_copy(update={"epochs": 6, "patience": patience}))
    assert len(trained.epochs) == epochs


def test_the_weights_kept_give_the_metrics_reported(config, sides, settings):
    trained = train(config, sides, settings)
    network = build(config).eval()
    network.load_state_dict(trained.weights)
    logits, labels = [], []
    with Loader(RowGroups(sides[1], VOCABULARY), batch_size=1_024).epoch(0) as batches, torch.inference_mode():
        for batch in batches:
            for part in batch.segments:
                tokens = torch.from_numpy(batch.stems[part.places])
                logits.append(network(tokens, torch.full((len(tokens),), tokens.shape[1])))
                labels.append(torch.from_numpy(part.labels))
    found = compute_metrics(torch.sigmoid(torch.cat(logits).double()).numpy(), torch.cat(labels).numpy())
    assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(trained.best.valid), abs=1e-6)


def test_a_prediction_does_not_depend_on_the_size_of_batches(config, sides, settings):
    with Learner(config, settings, CPU) as learner:
        sizes = [Loader(RowGroups(sides[1], VOCABULARY), batch_size=size) for size in (7, 2_000)]
        few, many = (sorted(zip(*predict(learner, loader), strict=True)) for loader in sizes)
    assert torch.tensor(few).sub(torch.tensor(many)).abs().max() < 1e-6


def test_the_learning_rate_falls_over_all_epochs(config, sides, settings):
    trained = train(config, sides, settings.model_copy(update={"decay": "linear"}))
    steps = 2 * 32
    assert [epoch.learning_rate for epoch in trained.epochs] == pytest.approx([0.01 * 33 / steps, 0.01 / steps])


def test_a_loss_that_is_not_finite_stops_with_its_epoch_step_and_batch(config, sides, settings):
    with pytest.raises(
        UserError,
        match=r"the loss is (nan|inf) in epoch 1, step \d+, a batch of \d+ tweets of \d.* stems: lower train\.lear",
    ):
        train(config, sides, settings.model_copy(update={"learning_rate": 1e30}))


def test_a_validation_loss_that_is_not_finite_stops_too(config, sides, settings, monkeypatch):
    with_validation_losses(monkeypatch, math.nan)
    with pytest.raises(UserError, match="the loss is nan in the validation of epoch 1"):
        train(config, sides, settings)


@pytest.mark.parametrize("empty", [0, 1])
def test_an_empty_side_is_refused_by_its_name(config, sides, settings, tmp_path, empty):
    sides = [*sides]
    sides[empty] = str(tmp_path / "split=nothing")
    with pytest.raises(InputError, match="split=nothing: no Parquet files found"):
        train(config, sides, settings)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_learns_what_the_processor_learns(config, sides, settings, precision):
    settings = settings.model_copy(update={"precision": precision})
    trained = train_on(config, *sides, settings, torch.device("cuda", 0))
    assert trained.best.valid.accuracy > 0.9
    assert {weight.device.type for weight in trained.weights.values()} == {"cpu"}


def test_padding_and_stems_that_never_came_are_never_learned(config, sides, settings):
    trained = train(config, sides, settings)
    assert trained.weights["embedding.weight"][0].abs().max() == 0
    torch.manual_seed(settings.seed)
    assert torch.equal(trained.weights["embedding.weight"][1], build(config).embedding.weight[1]), "it never came"


def test_progress_shows_rows_and_losses(config, sides, settings, log):
    trained = train(config, sides, settings, progress=Progress(seconds=0))
    lines = log.messages
    assert len(lines) == 2 * (32 + 1) + 2, "a line a step, one at the epoch's last, one for its validation"
    assert lines[0].startswith("epoch 1 of 2: 64 of 2,000 rows, loss 0.")
    assert lines[31].startswith("epoch 1 of 2: 2,000 of 2,000 rows")
    assert lines[33].startswith(f"epoch 1 of 2: loss {trained.epochs[0].loss:.4f}, validation loss ")


def test_the_results_of_epochs_can_be_written_as_json(config, sides, settings):
    trained = train(config, sides, settings)
    epochs = json.loads(json.dumps([dataclasses.asdict(epoch) for epoch in trained.epochs]))
    assert [epoch["number"] for epoch in epochs] == [1, 2]
    assert epochs[0]["rows_per_second"] > 0 and epochs[0]["seconds"] > 0

import dataclasses
import io
import math
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tonality.faults import Fault, InputFault
from tonality.network.lstm import build
from tonality.network.measures import measure
from tonality.reader.loader import Loader
from tonality.training import loop
from tonality.training.loop import Recipe, choose_device, make_optimizer, predict, train
from tonality.training.progress import Progress

RECIPE = Recipe(batch_size=64, epochs=2, learning_rate=0.01, device="cpu", shuffle_rows=1_000)
CPU = torch.device("cpu")


def equal(weights, others):
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)


def with_first_label(folder, side, label):
    """A copy of a side whose first row has another label."""
    shutil.copytree(side, folder)
    [file] = Path(folder).glob("*.parquet")
    table = pq.read_table(file)
    labels = pa.array([label, *table["label"].to_pylist()[1:]], pa.float32())
    pq.write_table(table.set_column(2, "label", labels), file, row_group_size=300)
    return str(folder)


def test_what_can_be_learned_is_learned(shape, sides):
    trained = train(shape, *sides, RECIPE)
    assert trained.best.valid.accuracy > 0.9
    assert trained.best.valid.rows == 2_000
    assert trained.epochs[0].loss < math.log(2), "better than a coin from the first epoch on"
    assert trained.epochs[1].loss < trained.epochs[0].loss


def test_shuffled_labels_teach_nothing(shape, unlearnable_sides):
    trained = train(shape, *unlearnable_sides, dataclasses.replace(RECIPE, epochs=3))
    assert all(0.4 < epoch.valid.accuracy < 0.6 for epoch in trained.epochs)
    assert all(0.4 < epoch.valid.auc < 0.6 for epoch in trained.epochs)


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(shape, sides):
    recipe = dataclasses.replace(RECIPE, epochs=1)
    once = train(shape, *sides, recipe)
    torch.rand(7)
    assert equal(train(shape, *sides, recipe).weights, once.weights)
    assert not equal(train(shape, *sides, dataclasses.replace(recipe, seed=1)).weights, once.weights)


def test_training_leaves_torchs_global_generator_where_it_was(shape, sides):
    before = torch.get_rng_state()
    train(shape, *sides, dataclasses.replace(RECIPE, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_weights_kept_are_those_of_the_best_epoch(shape, sides, monkeypatch):
    losses = iter([0.5, 0.3, 0.4])
    seen = []

    def measure_by_plan(probabilities, labels):
        return dataclasses.replace(measure(probabilities, labels), log_loss=next(losses))

    def watch(network, loader, device):
        seen.append({name: weight.clone() for name, weight in network.state_dict().items()})
        return predict(network, loader, device)

    monkeypatch.setattr(loop, "measure", measure_by_plan)
    monkeypatch.setattr(loop, "predict", watch)
    trained = train(shape, *sides, dataclasses.replace(RECIPE, epochs=3))
    assert trained.best is trained.epochs[1]
    assert [epoch.number for epoch in trained.epochs] == [1, 2, 3]
    assert equal(trained.weights, seen[1])
    assert not equal(trained.weights, seen[2])


def test_the_earlier_of_equal_epochs_is_the_best(shape, sides, monkeypatch):
    monkeypatch.setattr(loop, "measure", lambda *found: dataclasses.replace(measure(*found), log_loss=0.5))
    assert train(shape, *sides, RECIPE).best.number == 1


def test_the_weights_kept_give_the_metrics_told(shape, sides):
    trained = train(shape, *sides, RECIPE)
    network = build(shape)
    network.load_state_dict(trained.weights)
    assert measure(*predict(network, Loader(sides[1], batch_size=1_024), CPU)) == trained.best.valid


def test_a_prediction_does_not_depend_on_the_size_of_batches(shape, sides):
    network = build(shape)
    few, many = (predict(network, Loader(sides[1], batch_size=size), CPU) for size in (7, 2_000))
    torch.testing.assert_close(torch.tensor(few[0]), torch.tensor(many[0]), rtol=0, atol=1e-6)
    assert few[1].tolist() == many[1].tolist()


def test_a_loss_that_is_not_finite_stops_with_its_epoch_and_step(shape, sides, tmp_path):
    broken = with_first_label(tmp_path / "train", sides[0], math.nan)
    recipe = dataclasses.replace(RECIPE, shuffle_rows=0)
    with pytest.raises(Fault, match=r"the loss is nan in epoch 1, step 1: lower train\.learning_rate"):
        train(shape, broken, sides[1], recipe)


def test_a_validation_loss_that_is_not_finite_stops_too(shape, sides, monkeypatch):
    monkeypatch.setattr(loop, "measure", lambda *found: dataclasses.replace(measure(*found), log_loss=math.nan))
    with pytest.raises(Fault, match="the loss is nan in the validation of epoch 1"):
        train(shape, *sides, RECIPE)


@pytest.mark.parametrize("empty", [0, 1])
def test_an_empty_side_is_refused_by_its_name(shape, sides, tmp_path, empty):
    sides = [*sides]
    sides[empty] = str(tmp_path / "split=nothing")
    with pytest.raises(InputFault, match="split=nothing: no Parquet files found"):
        train(shape, *sides, RECIPE)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        InputFault, match=r'train\.device is cuda, and torch .* finds no GPU here: set .* "auto" or "cpu"'
    ):
        choose_device("cuda")
    assert choose_device("auto") == choose_device("cpu") == CPU


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("cuda").type == "cuda"
    assert choose_device("cpu") == CPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_learns_what_the_processor_learns(shape, sides):
    trained = train(shape, *sides, dataclasses.replace(RECIPE, device="cuda"))
    assert trained.best.valid.accuracy > 0.9
    assert {weight.device.type for weight in trained.weights.values()} == {"cpu"}


def test_the_optimizer_is_adam_as_torch_has_it_over_all_that_learns(shape):
    torch.manual_seed(1)
    network, twin = build(shape), build(shape)
    twin.load_state_dict(network.state_dict())
    learned = [parameter for parameter in twin.parameters() if parameter.requires_grad]
    plain = torch.optim.Adam(learned, lr=0.01, fused=False, foreach=False)
    fused = make_optimizer(network, 0.01)
    tokens, lengths = torch.tensor([[2, 3, 4], [5, 6, 0]]), torch.tensor([3, 2])
    for model, optimizer in ((network.eval(), fused), (twin.eval(), plain)):
        for _ in range(5):
            optimizer.zero_grad()
            model(tokens, lengths).sum().backward()
            optimizer.step()
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_padding_is_never_learned(shape, sides):
    trained = train(shape, *sides, dataclasses.replace(RECIPE, epochs=1))
    assert trained.weights["embedding.weight"][0].abs().max() == 0


def test_progress_tells_rows_and_losses(shape, sides):
    stream = io.StringIO()
    trained = train(shape, *sides, RECIPE, Progress(stream, seconds=0))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 * (32 + 1)
    assert lines[0].startswith("epoch 1: 64 of 2,000 rows, loss 0.")
    assert lines[31].startswith("epoch 1: 2,000 of 2,000 rows")
    assert lines[32].startswith(f"epoch 1: loss {trained.epochs[0].loss:.4f}, validation loss ")


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 0}])
def test_a_recipe_without_epochs_or_rows_is_refused(wrong):
    with pytest.raises(ValueError, match="must be at least 1"):
        Recipe(**wrong)

"""The training loop: Adam on the cross-entropy of logits, and the best epoch kept."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from tonality.faults import Fault, InputFault
from tonality.network.lstm import Shape, build
from tonality.network.measures import Metrics, measure
from tonality.reader.loader import Batch, Loader
from tonality.training.progress import Progress

__all__ = ["Epoch", "Recipe", "Trained", "choose_device", "make_optimizer", "predict", "train"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    batch_size: int = 64
    """Tweets of a step."""
    epochs: int = 3
    """Passes over the training side."""
    learning_rate: float = 0.001
    """Adam's step size."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the GPU where there is one."""
    seed: int = 2016
    """Decides initial weights, dropout and the order of batches."""
    shuffle_rows: int = 100_000
    """Rows of the window that batches are drawn from; 0 keeps the order of the files."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")


@dataclass(frozen=True)
class Epoch:
    """What one pass gave."""

    number: int
    """From 1."""
    loss: float
    """Mean cross-entropy of the training rows while they were learned, dropout included; nats a row."""
    valid: Metrics
    """The validation side, after the pass."""
    seconds: float
    """Of the pass, validation included."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What training gave."""

    weights: Mapping[str, Tensor]
    """The state_dict of the best epoch, on the CPU."""
    epochs: tuple[Epoch, ...]
    best: Epoch
    """The epoch of the lowest validation log loss; the earlier of equals."""


def train(
    shape: Shape, train_location: str, valid_location: str, recipe: Recipe, progress: Progress | None = None
) -> Trained:
    """Trains a fresh network of this shape on one folder of schema.DATASET rows and validates it on another.

    On one machine, the same seed on the CPU gives the same weights, whatever torch's global generator was at; on a GPU,
    sums in cuDNN may round differently from run to run.

    Raises InputFault where a side is missing or empty or the device is, and Fault where the loss stops being finite.
    """
    device = choose_device(recipe.device)
    training = Loader(train_location, batch_size=recipe.batch_size, seed=recipe.seed, shuffle_rows=recipe.shuffle_rows)
    # nothing is learned from these batches, so they can be larger
    validation = Loader(valid_location, batch_size=max(recipe.batch_size, 1024))
    epochs: list[Epoch] = []

    with _one_thread(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(recipe.seed)
        network = build(shape).to(device)
        optimizer = make_optimizer(network, recipe.learning_rate)

        for number in range(1, recipe.epochs + 1):
            started = time.monotonic()
            loss = _learn(network, optimizer, training, number, device=device, progress=progress)
            valid = measure(*predict(network, validation, device))
            _require_finite(valid.log_loss, f"the validation of epoch {number}")
            epochs.append(Epoch(number, loss, valid, time.monotonic() - started))
            if progress:
                progress.epoch(number, loss, valid)
            best = min(epochs, key=lambda epoch: epoch.valid.log_loss)
            if best is epochs[-1]:
                weights = {name: weight.cpu().clone() for name, weight in network.state_dict().items()}

    return Trained(weights, tuple(epochs), best)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One core inside: a step is too small to share. A second core gains a tenth of the time where it is idle, and
    costs tenfold where it is not, since each of a step's many small sums waits for the slower half.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device to train on. Raises InputFault where a GPU is asked for and there is none."""
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise InputFault(
            f"train.device is cuda, and torch {torch.__version__} finds no GPU here: "
            f'set train.device to "auto" or "cpu", or install a torch built for this machine\'s GPU'
        )
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")


def make_optimizer(network: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Adam, as D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, 2015, with their other constants.

    Fused it updates a 100,000-row embedding about ten times as fast as torch's default does on a CPU, by the same sums.
    """
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return torch.optim.Adam(learned, lr=learning_rate, fused=True)


@torch.inference_mode()
def predict(
    network: nn.Module, loader: Loader, device: torch.device
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (N,) and labels (N,) of all the loader's rows, in the loader's order."""
    network.eval()
    logits: list[Tensor] = []
    labels: list[Tensor] = []
    with loader.epoch(0) as batches:
        for batch in batches:
            logits.append(network(batch.tokens.to(device), batch.lengths.to(device)).cpu())
            labels.append(batch.labels)
    # in float64 a sure tweet's probability stays below 1, and its log loss is its own
    probabilities = torch.sigmoid(torch.cat(logits).double())
    return probabilities.numpy(), torch.cat(labels).double().numpy()


def _learn(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: Loader,
    epoch: int,
    *,
    device: torch.device,
    progress: Progress | None,
) -> float:
    """One pass over the training side; its mean loss, nats a row."""
    network.train()
    rows, total = 0, 0.0
    if progress:
        progress.start()
    with loader.epoch(epoch) as batches:
        for step, batch in enumerate(batches, start=1):
            loss = _step(network, optimizer, batch, device)
            _require_finite(loss, f"epoch {epoch}, step {step}")
            rows += len(batch.labels)
            total += loss * len(batch.labels)
            if progress:
                progress.step(epoch, rows, loader.rows, total / rows)
    return total / rows


def _step(network: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, device: torch.device) -> float:
    """One step on one batch; the loss before it, mean nats a row."""
    tokens, lengths, labels = (tensor.to(device) for tensor in batch)
    loss = binary_cross_entropy_with_logits(network(tokens, lengths), labels)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()  # the one place where a step waits for the GPU


def _require_finite(loss: float, place: str) -> None:
    if not math.isfinite(loss):
        raise Fault(
            f"the loss is {loss} in {place}: lower train.learning_rate, "
            f"or look for labels in the dataset that are not 0 or 1"
        )

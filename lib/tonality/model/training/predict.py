"""Predictions of a network in training, for validation."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from tonality.model.loading.data_loader import Loader
from tonality.model.training.distributed import SINGLE_PROCESS, ProcessGroup
from tonality.model.training.learner import Learner

__all__ = ["predict"]


def predict(
    learner: Learner,
    loader: Loader,
    group: ProcessGroup = SINGLE_PROCESS,
    before_batch: Callable[[], None] = lambda: None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (N,) and labels (N,) of all the loader's rows, from flushed weights; a group shares the work.

    `before_batch` is called before every batch, and may raise.
    """
    logits, labels = torch.zeros(2, loader.rows)
    at = 0
    with loader.epoch(0) as batches:
        for number, batch in enumerate(batches):
            before_batch()
            if number % group.size == group.rank:
                logits[at : at + batch.rows] = learner.logits(batch).cpu()
                labels[at : at + batch.rows] = torch.from_numpy(
                    np.concatenate([part.labels for part in batch.segments])
                )
            at += batch.rows
    # in float64 a confident probability stays below 1, and its log loss finite and exact
    probabilities = torch.sigmoid(group.sum(logits).double())
    return probabilities.numpy(), group.sum(labels).double().numpy()

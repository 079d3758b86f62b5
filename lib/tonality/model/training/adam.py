"""A step of Adam on a tensor whose every element has a gradient.

D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1 in the form of their section 2, which
scales the step instead of both moments.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor

__all__ = ["STANDARD", "Constants", "adam_step"]


class Constants(NamedTuple):
    """The decay rates of the first and the second moment, and the term added to the second moment's root."""

    beta1: float
    beta2: float
    epsilon: float


STANDARD: Final = Constants(beta1=0.9, beta2=0.999, epsilon=1e-8)
"""The constants that Adam's authors recommend."""


@torch.no_grad()
def adam_step(
    weight: Tensor, mean: Tensor, square: Tensor, gradient: Tensor, rate: float, step: int, constants: Constants
) -> None:
    """Update weight and moments in place, all of one shape, at this learning rate; steps count from 1."""
    beta1, beta2, epsilon = constants
    mean.lerp_(gradient, 1 - beta1)
    square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    root = (1 - beta2**step) ** 0.5
    weight.addcdiv_(mean, square.sqrt().add_(epsilon * root), value=-rate * root / (1 - beta1**step))

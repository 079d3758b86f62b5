"""A step of Adam on numbers that all have a gradient.

D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1 in the form of their section 2, which
scales the step instead of both moments.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor

__all__ = ["STANDARD", "Constants", "adam_step"]


class Constants(NamedTuple):
    """What a step leaves of the first and the second moment, and what is added to the second's root."""

    b1: float
    b2: float
    epsilon: float


STANDARD: Final = Constants(b1=0.9, b2=0.999, epsilon=1e-8)
"""Those of Adam's authors."""


@torch.no_grad()
def adam_step(
    weight: Tensor, mean: Tensor, square: Tensor, gradient: Tensor, rate: float, time: int, constants: Constants
) -> None:
    """Change weight and its moments, all of one shape, by the step of this number, from 1, at this learning rate."""
    b1, b2, epsilon = constants
    mean.lerp_(gradient, 1 - b1)
    square.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
    root = (1 - b2**time) ** 0.5
    weight.addcdiv_(mean, square.sqrt().add_(epsilon * root), value=-rate * root / (1 - b1**time))

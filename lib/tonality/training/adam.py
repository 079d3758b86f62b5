"""A step of Adam on numbers that all have a gradient.

D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1 in the form of their section 2, which
scales the step instead of both moments.
"""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Constants", "adam_step"]


class Constants(NamedTuple):
    """Adam's, as its authors and Keras have them."""

    b1: float = 0.9
    b2: float = 0.999
    epsilon: float = 1e-8


@torch.no_grad()
def adam_step(  # noqa: PLR0917
    weight: Tensor, mean: Tensor, square: Tensor, gradient: Tensor, rate: float, time: int, constants: Constants
) -> None:
    """Change weight and its moments, all of one shape, by the step of this number, from 1, at this learning rate."""
    b1, b2, epsilon = constants
    mean.lerp_(gradient, 1 - b1)
    square.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
    root = (1 - b2**time) ** 0.5
    weight.addcdiv_(mean, square.sqrt().add_(epsilon * root), value=-rate * root / (1 - b1**time))

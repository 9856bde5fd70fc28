"""Adam (Kingma & Ba 2015) with a learning rate that may depend on the iteration."""

from collections.abc import Callable, Iterator
from itertools import count

import torch
from torch import Tensor

from impasto.optimisers.iterates import Box, Evaluate, Iterate

__all__ = ["adam", "constant", "stepped"]

Schedule = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """The same rate at every iteration (counted from 1)."""
    return lambda _: rate


def stepped(rate: float, every: int, factor: float) -> Schedule:
    """`rate`, multiplied by `factor` after each `every` iterations; constant if `every` is 0."""
    if every == 0:
        return constant(rate)
    return lambda iteration: float(rate * factor ** ((iteration - 1) // every))


def adam(
    evaluate: Evaluate,
    x: Tensor,
    *,
    rate: Schedule,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    box: Box | None = None,
) -> Iterator[Iterate]:
    """Iterates of Adam from `x`; x_n = P(x_{n-1} - rate · m̂ / (√v̂ + ε)), P onto the box.

    m and v are the running means of the gradient and its square, m̂ and v̂ those without the bias
    of their start at 0.
    """
    first, second = betas
    mean, square = torch.zeros_like(x), torch.zeros_like(x)
    iterate = Iterate(0, x, evaluate(x))
    for iteration in count(1):
        yield iterate
        gradient = iterate.gradient
        mean.lerp_(gradient, 1 - first)  # in place: the optimiser's own
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = square.sqrt().div_((1 - second**iteration) ** 0.5).add_(epsilon)
        x = x.addcdiv(mean, spread, value=-rate(iteration) / (1 - first**iteration))
        x = box.project(x) if box else x
        iterate = Iterate(iteration, x, evaluate(x))

"""Adam (Kingma & Ba 2015) with a learning rate that may depend on the iteration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from impasto.optimisers.base import Box, Iterate, Minimiser, ValueAndGrad
from impasto.optimisers.state import Memory, number, recalled, recalled_number

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
    evaluate: ValueAndGrad,
    x: Tensor,
    *,
    rate: Schedule,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    box: Box | None = None,
) -> Minimiser:
    """Iterates of Adam from `x`; x_n = P(x_{n-1} - rate · m̂ / (√v̂ + ε)), P onto the box.

    m and v are the running means of the gradient and its square, m̂ and v̂ those without the bias
    of their start at 0.
    """
    return _Adam(evaluate, x, _Rule(rate, betas, epsilon, box))


@dataclass(frozen=True, eq=False)
class _Rule:
    """What all steps share."""

    rate: Schedule
    betas: tuple[float, float]
    epsilon: float
    box: Box | None


@final
class _Adam(Minimiser):
    """See `adam`. It remembers m and v, and since when they are running."""

    def __init__(self, evaluate: ValueAndGrad, x: Tensor, rule: _Rule) -> None:
        super().__init__(x)
        self._evaluate, self._rule = evaluate, rule
        self._mean, self._square = torch.zeros_like(x), torch.zeros_like(x)

    def _first(self, x: Tensor) -> Iterate:
        return Iterate(0, x, self._evaluate(x))

    def _after(self, last: Iterate) -> Iterate:
        x = self._moved(last)
        return Iterate(last.iteration + 1, x, self._evaluate(x))

    def _moved(self, last: Iterate) -> Tensor:
        """The next point. In place wherever the optimiser owns the vector: canvases are large."""
        (first, second), gradient = self._rule.betas, last.gradient
        steps = last.iteration + 1 - self._since
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = self._square.sqrt().div_((1 - second**steps) ** 0.5).add_(self._rule.epsilon)
        value = -self._rule.rate(last.iteration + 1) / (1 - first**steps)
        x = torch.addcdiv(last.x, self._mean, spread, value=value, out=spread)
        return self._rule.box.confine(x) if self._rule.box else x

    def _memory(self) -> dict[str, Tensor]:
        return {"since": number(self._since), "mean": self._mean, "square": self._square}

    def _recall(self, iterate: Iterate, memory: Memory) -> None:
        self._since = recalled_number(memory, "since", iterate.iteration)
        for name, own in (("mean", self._mean), ("square", self._square)):
            own.copy_(recalled(memory, name, own.shape, own.dtype))

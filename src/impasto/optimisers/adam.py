"""Adam (Kingma & Ba 2015) with a learning rate that may depend on the iteration."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from impasto.optimisers.base import Iterate, Minimiser, ValueAndGrad
from impasto.optimisers.box import Box
from impasto.optimisers.problem import MemoryUse, Optimiser, Problem
from impasto.optimisers.state import State, load_tensor

__all__ = ["OPTIMISER", "Adam", "constant", "stepped"]

Schedule = Callable[[int], float]
"""The learning rate of an iteration, counted from 1."""


def constant(rate: float) -> Schedule:
    """The same rate at every iteration."""
    return lambda _: rate


def stepped(rate: float, every: int, factor: float) -> Schedule:
    """`rate`, multiplied by `factor` after each `every` iterations; constant if `every` is 0."""
    if every == 0:
        return constant(rate)
    return lambda iteration: float(rate * factor ** ((iteration - 1) // every))


@final
class Adam(Minimiser):
    """Iterates of Adam from x, (n,): x_n = P(x_{n-1} - rate · m̂ / (√v̂ + ε)), P onto the box.

    m and v are the running means of the gradient and of its square, which start at 0; m̂ and v̂ are
    corrected for that bias.

    Args:
        function, x: see `Minimiser`.
        learning_rate: of each iteration, in units of x.
        betas: decay of m and v from one iteration to the next.
        epsilon: ε above.
        box: bounds on x, if any.
    """

    def __init__(
        self,
        function: ValueAndGrad,
        x: Tensor,
        *,
        learning_rate: Schedule,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        box: Box | None = None,
    ) -> None:
        super().__init__(function, x)
        self._learning_rate, self._betas, self._epsilon = learning_rate, betas, epsilon
        self._box = box
        self._mean, self._square = torch.zeros_like(x), torch.zeros_like(x)

    def advance(self, last: Iterate) -> Iterate:
        """The next iterate; in place in all vectors of our own, because canvases are large."""
        return self.evaluate(last.iteration + 1, self._next_point(last))

    def _next_point(self, last: Iterate) -> Tensor:
        (first, second), gradient = self._betas, last.gradient
        iteration = last.iteration + 1
        steps = iteration - self.origin
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = self._square.sqrt().div_((1 - second**steps) ** 0.5).add_(self._epsilon)
        value = -self._learning_rate(iteration) / (1 - first**steps)
        x = torch.addcdiv(last.x, self._mean, spread, value=value, out=spread)
        return self._box.project_(x) if self._box else x

    def extra_state(self) -> dict[str, Tensor]:
        """The running means m and v, (n,) each."""
        return {"mean": self._mean, "square": self._square}

    def load_extra_state(self, iterate: Iterate, state: State) -> None:
        """Copy m and v; ValueError if they do not fit."""
        for name, own in (("mean", self._mean), ("square", self._square)):
            own.copy_(load_tensor(state, name, own.shape, own.dtype))


def _start(function: ValueAndGrad, x: Tensor, problem: Problem) -> Minimiser:
    s = problem.settings
    return Adam(
        function,
        x,
        learning_rate=stepped(s.learning_rate, problem.decay_every, s.decay),
        betas=s.betas,
        epsilon=s.epsilon,
        box=problem.box(x),
    )


def _memory(problem: Problem) -> MemoryUse:
    """Two points, each x and its gradient, and the two means."""
    held = 6 * problem.vector_bytes
    return MemoryUse(held, held)


OPTIMISER = Optimiser(_start, _memory)

"""What every optimiser here consumes and yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Box", "Evaluate", "Iterate", "Valued", "until"]


class Valued(Protocol):
    """A function's value (a scalar tensor) and gradient (as many entries as the point) there."""

    @property
    def loss(self) -> Tensor: ...  # noqa: D102

    @property
    def gradient(self) -> Tensor: ...  # noqa: D102


Evaluate = Callable[[Tensor], Valued]


@dataclass(frozen=True, eq=False)
class Iterate:
    """A point (flat, n entries), what the function is there, and the iterations it took."""

    iteration: int
    x: Tensor
    at: Valued

    @property
    def gradient(self) -> Tensor:
        """The gradient as a flat vector."""
        return self.at.gradient.reshape(-1)


@dataclass(frozen=True, eq=False)
class Box:
    """Bounds on a flat vector of equal groups (a picture's channels): low and high per group."""

    low: Tensor
    high: Tensor

    def project(self, x: Tensor) -> Tensor:
        """The nearest point of the box, as a new vector."""
        grouped = x.view(len(self.low), -1)
        return grouped.clamp(self.low[:, None], self.high[:, None]).view(-1)

    def free(self, x: Tensor, gradient: Tensor) -> Tensor:
        """Mask of the entries that descent can move: not those at a bound and pushed outward."""
        grouped, slope = x.view(len(self.low), -1), gradient.view(len(self.low), -1)
        stuck_low = (grouped <= self.low[:, None]) & (slope > 0)
        stuck_high = (grouped >= self.high[:, None]) & (slope < 0)
        return ~(stuck_low | stuck_high).view(-1)


def until(
    iterates: Iterable[Iterate], iterations: int, tolerance: float = 0.0
) -> Iterator[Iterate]:
    """The start and `iterations` more, fewer if the loss's relative change falls to `tolerance`.

    There is no absolute tolerance: objectives here span 1e-2 to 1e14. The first iteration does not
    count, for L-BFGS takes it blindly and tiny. A tolerance of 0 never stops.
    """
    previous: Tensor | None = None
    for iterate in islice(iterates, iterations + 1):
        yield iterate
        loss = iterate.at.loss
        if tolerance > 0 and previous is not None and iterate.iteration > 1:
            largest = torch.maximum(loss.abs(), previous.abs())
            if (loss - previous).abs() <= tolerance * largest:
                return
        previous = loss

"""The features of a picture themselves, for losses that no sum can tell."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import reduce
from math import ceil
from operator import add
from typing import TypeVar

import torch
from torch import Tensor

from impasto.objective.statistics import Pull, Shelved, flat

__all__ = ["Features", "SampledFeatures"]

Made = TypeVar("Made")

_WIDEST = 2**31  # positions of a row


@dataclass(frozen=True, eq=False)
class Features:
    """The features of a picture position by position, in no order that would mean anything.

    Of each window that was measured, `rows` has its (n, c) in the network's arithmetic, `weights`
    its (n,) in float32 or better.
    """

    rows: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    _made: Shelved = field(default_factory=Shelved, repr=False)

    @classmethod
    def of(
        cls,
        features: Tensor,
        wanted: Collection[str] = (),
        weights: Tensor | None = None,
    ) -> Features:
        """Those of features (1, c, h, w), with `weights` (h, w) if any, else 1 each."""
        rows = flat(features).T
        accurate = torch.promote_types(rows.dtype, torch.float32)
        ones = torch.ones(len(rows), dtype=accurate, device=rows.device)
        return cls((rows,), (ones if weights is None else weights.flatten().to(accurate),))

    @property
    def values(self) -> Tensor:
        """All rows, (n, c)."""
        return self.rows[0] if len(self.rows) == 1 else torch.cat(self.rows)

    @property
    def shares(self) -> Tensor:
        """How much of the whole each position is, (n,); they add up to 1."""
        weights = torch.cat(self.weights)
        return weights / weights.sum()

    @property
    def count(self) -> Tensor:
        """Σ w."""
        return torch.stack([weights.sum() for weights in self.weights]).sum()

    def once(self, make: Callable[[Features], Made]) -> Made:
        """What a function makes of them, made once: of a style's, which stay the same."""
        return self._made(make, self)

    def __add__(self, other: Features) -> Features:
        """Those of both."""
        return Features((*self.rows, *other.rows), (*self.weights, *other.weights))

    def times(self, factor: float | Tensor) -> Features:
        """The same, each position counting as so many."""
        return Features(self.rows, tuple(weights * factor for weights in self.weights))

    def blank(self) -> Features:
        """As many positions without features."""
        return Features(tuple(map(torch.zeros_like, self.rows)), self.weights)

    def compared(self, loss: Callable[[Features], Tensor]) -> tuple[Tensor, Pull]:
        """A scalar loss of these features, and its gradient's way back."""
        values = self.values.detach().requires_grad_()
        with torch.enable_grad():
            value = loss(Features((values,), (torch.cat(self.weights),)))
            (gradient,) = torch.autograd.grad(value, values)
        return value.detach(), _FeaturesPull(
            torch.split(gradient, [len(rows) for rows in self.rows])
        )


@dataclass(frozen=True, eq=False)
class _FeaturesPull:
    """The gradient itself, by windows; that of a weight is in it already."""

    gradients: tuple[Tensor, ...]

    def add(self, into: Tensor, features: Tensor, weights: Tensor | None, number: int) -> None:
        into.add_(self.gradients[number].T.view(into.shape))


class SampledFeatures:
    """Some of the features of a large picture, evenly spread: those on a lattice of its positions.

    Which these are, and in what order, does not depend on the windows through which it is seen.
    """

    def __init__(self, positions: int, most: int) -> None:
        self._step = max(1, ceil((positions / most) ** 0.5))
        self._found: list[Features] = []
        self._places: list[Tensor] = []

    def add(self, core: Tensor, weights: Tensor | None, place: tuple[slice, slice]) -> None:
        """Take from a window's core (1, c, h, w) at that place of all positions."""
        step = self._step
        first, left = (-side.start % step for side in place)
        part = core[..., first::step, left::step]
        own = None if weights is None else weights[first::step, left::step]
        self._found.append(Features.of(part.contiguous(), (), own))
        rows, columns = (torch.arange(s.start + -s.start % step, s.stop, step) for s in place)
        self._places.append((rows[:, None] * _WIDEST + columns).flatten())

    def features(self) -> Features:
        """Those taken, row by row of the picture."""
        found = reduce(add, self._found)
        order = torch.cat(self._places).argsort().to(found.values.device)
        return Features((found.values[order],), (torch.cat(found.weights)[order],))

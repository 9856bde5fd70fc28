"""The features themselves, for losses that sort or match them one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import ceil
from operator import add
from typing import TypeVar

import torch
from torch import Tensor

from impasto.errors import SettingsError
from impasto.objective.statistics.base import Memo, StatisticGradient
from impasto.objective.statistics.products import flat

__all__ = ["Features", "SampledFeatures"]

Made = TypeVar("Made")

_ATTRIBUTES = ("values", "shares")
_MAX_SAMPLES = 2**18  # features of a style picture that are kept at a tap
_WIDEST = 2**31  # more positions than a row has
_MATCHED = 1300  # bytes a position of the largest layer takes while it is matched; measured


@dataclass(frozen=True, eq=False)
class Features:
    """The features of a picture position by position, in an order that means nothing.

    For each window that was measured, `rows` has (n, c) in the network's arithmetic and `weights`
    (n,) in float32 or better.
    """

    rows: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    _made: Memo = field(default_factory=Memo, repr=False)

    @classmethod
    def needs(cls, reads: Collection[str] | None) -> frozenset[str]:
        """Nothing in particular: features are kept whole.

        Raises SettingsError for an attribute that features do not have.
        """
        unknown = [name for name in reads or () if name not in _ATTRIBUTES]
        if unknown:
            raise SettingsError(f"reads has {unknown[0]!r}; features have {', '.join(_ATTRIBUTES)}")
        return frozenset()

    @classmethod
    def of(
        cls,
        features: Tensor,
        needs: Collection[str] = (),
        weights: Tensor | None = None,
    ) -> Features:
        """The rows of features (1, c, h, w), with `weights` (h, w) if any, else 1 each."""
        rows = flat(features).T
        accurate = torch.promote_types(rows.dtype, torch.float32)
        ones = torch.ones(len(rows), dtype=accurate, device=rows.device)
        return cls((rows,), (ones if weights is None else weights.flatten().to(accurate),))

    @classmethod
    def collector(cls, positions: int, needs: Collection[str]) -> SampledFeatures:
        """Samples the features of a style picture that has so many positions."""
        return SampledFeatures(positions, _MAX_SAMPLES)

    @classmethod
    def extra_bytes(cls, shapes: Sequence[tuple[int, int]], itemsize: int) -> int:
        """The features of all windows and their gradients, and the matching of one layer."""
        rows = sum(channels * positions for channels, positions in shapes)
        largest = max((positions for _, positions in shapes), default=0)
        return 2 * rows * itemsize + _MATCHED * largest

    @property
    def values(self) -> Tensor:
        """All rows, (n, c)."""
        return self.rows[0] if len(self.rows) == 1 else torch.cat(self.rows)

    @property
    def shares(self) -> Tensor:
        """The part of the whole that each position is, (n,); they add up to 1."""
        weights = torch.cat(self.weights)
        return weights / weights.sum()

    @property
    def count(self) -> Tensor:
        """Σ w."""
        return torch.stack([weights.sum() for weights in self.weights]).sum()

    def once(self, make: Callable[[Features], Made]) -> Made:
        """`make` of these features, computed once: for a style's, which never change."""
        return self._made(make, self)

    def __add__(self, other: Features) -> Features:
        """The features of both."""
        return Features((*self.rows, *other.rows), (*self.weights, *other.weights))

    def times(self, factor: float | Tensor) -> Features:
        """The same features, their weights times `factor`."""
        return Features(self.rows, tuple(weights * factor for weights in self.weights))

    def blank(self) -> Features:
        """As many positions whose features are 0."""
        return Features(tuple(map(torch.zeros_like, self.rows)), self.weights)

    def value_and_gradient(
        self, loss: Callable[[Features], Tensor]
    ) -> tuple[Tensor, StatisticGradient]:
        """A scalar loss at these features, and its gradient with respect to each row."""
        values = self.values.detach().requires_grad_()
        with torch.enable_grad():
            value = loss(Features((values,), (torch.cat(self.weights),)))
            (gradient,) = torch.autograd.grad(value, values)
        parts = torch.split(gradient, [len(rows) for rows in self.rows])
        return value.detach(), _FeaturesGradient(parts)


@dataclass(frozen=True, eq=False)
class _FeaturesGradient:
    """The gradient itself, (n, c) for each window; it contains the weights already."""

    gradients: tuple[Tensor, ...]

    def add(self, into: Tensor, features: Tensor, weights: Tensor | None, index: int) -> None:
        into.add_(self.gradients[index].T.view(into.shape))


class SampledFeatures:
    """A sample of the features of a large picture: those on a regular lattice of its positions.

    At most `max_count` of its `positions` are taken, or a few more where the lattice does not fit.
    Neither the choice nor the order depends on the windows through which the picture is measured.
    """

    def __init__(self, positions: int, max_count: int) -> None:
        self._step = max(1, ceil((positions / max_count) ** 0.5))
        self._found: list[Features] = []
        self._places: list[Tensor] = []

    def add(self, core: Tensor, weights: Tensor | None, place: tuple[slice, slice]) -> None:
        """Sample a window's core (1, c, h, w), which lies at that place among all positions."""
        step = self._step
        first, left = (-side.start % step for side in place)
        part = core[..., first::step, left::step]
        own = None if weights is None else weights[first::step, left::step]
        self._found.append(Features.of(part.contiguous(), (), own))
        rows, columns = (_lattice(side, step) for side in place)
        self._places.append((rows[:, None] * _WIDEST + columns).flatten())

    def statistic(self) -> Features:
        """The sample, row by row of the picture."""
        found = reduce(add, self._found)
        order = torch.cat(self._places).argsort().to(found.values.device)
        return Features((found.values[order],), (torch.cat(found.weights)[order],))


def _lattice(side: slice, step: int) -> Tensor:
    """The multiples of `step` within a slice, (n,)."""
    return torch.arange(
        side.start + -side.start % step, side.stop, step, dtype=torch.int64, device="cpu"
    )

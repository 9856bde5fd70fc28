"""Moments of features: sums over positions of features and of their products.

Positions may have weights, those of a mask: the edge of a region is as soft as its mask.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from impasto.errors import SettingsError
from impasto.objective.statistics import products
from impasto.objective.statistics.base import Memo, StatisticGradient
from impasto.objective.statistics.products import flat

__all__ = ["STATISTICS", "Moments"]

STATISTICS = ("total", "outer")
"""The sums that are measured."""

_NEEDS = {  # attribute -> sums it is made of; "exact" where it is a small difference of them
    "total": ("total",),
    "outer": ("outer",),
    "gram": ("outer",),
    "mean": ("total",),
    "covariance": ("total", "outer", "exact"),
}

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Moments:
    """Σ w f and Σ w f fᵀ over positions, and Σ w, their number; without weights w is 1.

    `total` is (c,), `outer` (c, c), both float32 (float64 for float64 features, and for products
    measured exactly). Moments of two disjoint sets of positions add up to those of their union.
    """

    total: Tensor
    outer: Tensor
    count: float | Tensor
    _made: Memo = field(default_factory=Memo, repr=False)

    @classmethod
    def needs(cls, reads: Collection[str] | None) -> frozenset[str]:
        """The sums that the attributes `reads` are made of, and "exact" for a covariance.

        None reads every attribute. Raises SettingsError for one that moments do not have.
        """
        names = _NEEDS if reads is None else reads
        unknown = [name for name in names if name not in _NEEDS]
        if unknown:
            raise SettingsError(f"reads has {unknown[0]!r}; moments have {', '.join(_NEEDS)}")
        return frozenset(need for name in names for need in _NEEDS[name])

    @classmethod
    def of(
        cls,
        features: Tensor,
        needs: Collection[str] = STATISTICS,
        weights: Tensor | None = None,
    ) -> Moments:
        """Moments over all positions of features (1, c, h, w), with `weights` (h, w) if any.

        A sum that is not among `needs` is NaN. "exact" among them is for a small difference of
        these sums: of bfloat16 they have 16 bits then, and the outer product is float64 (float32 on
        MPS, which has no float64).
        """
        columns, exact = flat(features), "exact" in needs
        accurate = torch.promote_types(columns.dtype, torch.float32)
        channels, count = columns.shape
        missing = torch.full((), torch.nan, dtype=torch.float32, device=columns.device)
        root = None if weights is None else weights.flatten().sqrt().to(columns.dtype)
        scaled = columns if root is None else columns * root
        total, outer = missing.expand(channels), missing.expand(channels, channels)
        if "total" in needs:
            total = (products.exact_total if exact else products.total)(scaled, root)
        if "outer" in needs:
            outer = (products.exact_outer if exact else products.outer)(scaled)
        return cls(total, outer, count if root is None else root.to(accurate).square().sum())

    @classmethod
    def collector(cls, positions: int, needs: Collection[str]) -> _Sum:
        """Adds up the moments of a style picture's windows: all sums, whatever `needs` has."""
        return _Sum(frozenset((*STATISTICS, *needs)))

    @classmethod
    def extra_bytes(cls, shapes: Sequence[tuple[int, int]], itemsize: int) -> int:
        """None beyond the matrices."""
        return 0

    @cached_property
    def gram(self) -> Tensor:
        """Mean co-activation of channels, (c, c): Σ f fᵀ / M (Gatys et al. 2016 eq. 3: the sum)."""
        return self.outer / self.count

    @cached_property
    def mean(self) -> Tensor:
        """μ = Σ f / M, (c,)."""
        return self.total / self.count

    @cached_property
    def covariance(self) -> Tensor:
        """Σ f fᵀ / M - μ μᵀ, (c, c); measured exactly for a loss that reads it."""
        return self.gram - torch.outer(self.mean, self.mean)

    def once(self, make: Callable[[Moments], Made]) -> Made:
        """`make` of these moments, computed once: for a style's, which never change."""
        return self._made(make, self)

    def __add__(self, other: Moments) -> Moments:
        """Moments of the union of two disjoint sets of positions."""
        total, outer = (
            mine if _is_missing(mine) else mine + theirs
            for mine, theirs in ((self.total, other.total), (self.outer, other.outer))
        )
        return Moments(total, outer, self.count + other.count)

    def sums(self) -> list[Tensor]:
        """The sums that were measured and their number, which add up over disjoint sets."""
        count = torch.as_tensor(self.count, dtype=torch.float64, device=self.total.device)
        return [count, *(s for s in (self.total, self.outer) if not _is_missing(s))]

    def with_sums(self, sums: Sequence[Tensor]) -> Moments:
        """These moments with other values of `sums`, in that order."""
        count, *found = sums
        total, outer = (s if _is_missing(s) else found.pop(0) for s in (self.total, self.outer))
        return Moments(total, outer, count if isinstance(self.count, Tensor) else float(count))

    def times(self, factor: float | Tensor) -> Moments:
        """The same distribution over `factor` times as many positions."""
        return Moments(self.total * factor, self.outer * factor, self.count * factor)

    def blank(self) -> Moments:
        """Moments of as many positions whose features are 0."""
        return Moments(torch.zeros_like(self.total), torch.zeros_like(self.outer), self.count)

    def value_and_gradient(
        self, loss: Callable[[Moments], Tensor]
    ) -> tuple[Tensor, StatisticGradient]:
        """A scalar loss at these moments, and its gradient with respect to each sum it reads."""
        total, outer = (x.detach().requires_grad_() for x in (self.total, self.outer))
        with torch.enable_grad():
            value = loss(Moments(total, outer, self.count))
            gradients = torch.autograd.grad(value, (total, outer), allow_unused=True)
        return value.detach(), _MomentsGradient(*gradients)


def _is_missing(values: Tensor) -> bool:
    """Whether a sum is the one NaN that stands for what was not measured."""
    return values.numel() > 1 and not any(values.stride())


@dataclass(frozen=True, eq=False)
class _MomentsGradient:
    """w·(f·(S + Sᵀ) + m), of S with respect to Σ w f fᵀ and m with respect to Σ w f."""

    total: Tensor | None = None  # (c,)
    outer: Tensor | None = None  # (c, c)

    def add(self, into: Tensor, features: Tensor, weights: Tensor | None, index: int) -> None:
        added = into if weights is None else torch.zeros_like(into)
        if self.outer is not None:
            symmetric = (self.outer + self.outer.T).to(features.dtype)
            products.add_product(added, symmetric, flat(features))
        if self.total is not None:
            added.add_(self.total.to(features.dtype)[:, None, None])
        if weights is not None:
            into.addcmul_(added, weights.to(into.dtype))


class _Sum:
    """The sum of the moments of windows."""

    def __init__(self, needs: frozenset[str]) -> None:
        self._needs = needs
        self._sum: Moments | None = None

    def add(self, core: Tensor, weights: Tensor | None, place: tuple[slice, slice]) -> None:
        """Add a window's core (1, c, h, w)."""
        found = Moments.of(core, self._needs, weights)
        self._sum = found if self._sum is None else self._sum + found

    def statistic(self) -> Moments:
        """Moments of all windows."""
        assert self._sum is not None
        return self._sum

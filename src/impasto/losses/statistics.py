"""Additive statistics of features: sums over positions, so that parts of a picture add up."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["STATISTICS", "Moments", "flat", "statistics_read"]

STATISTICS = ("total", "outer")

_CHUNKS = 8  # a bfloat16 product rounds its result; summing a few in float32 averages that out
_RUN = 64  # and a sum rounds its own


@dataclass(frozen=True, eq=False)
class Moments:
    """Σ f and Σ f fᵀ over positions, and how many there are.

    `total` is (c,), `outer` (c, c), both float32 (float64 for float64 features). Moments of two
    disjoint sets of positions add up to those of their union.
    """

    total: Tensor
    outer: Tensor
    count: int

    @classmethod
    def of(cls, features: Tensor, wanted: Collection[str] = STATISTICS) -> Moments:
        """Moments over all positions of features (1, c, h, w); what is not `wanted` is NaN."""
        columns = flat(features)
        channels, count = columns.shape
        missing = torch.full((), torch.nan, device=columns.device)
        return cls(
            _total(columns) if "total" in wanted else missing.expand(channels),
            _outer(columns) if "outer" in wanted else missing.expand(channels, channels),
            count,
        )

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
        """Σ f fᵀ / M - μ μᵀ, (c, c)."""
        return self.gram - torch.outer(self.mean, self.mean)

    def __add__(self, other: Moments) -> Moments:
        """Moments of the union of two disjoint sets of positions."""
        return Moments(self.total + other.total, self.outer + other.outer, self.count + other.count)

    def leaf(self) -> Moments:
        """The same numbers, with respect to which autograd is to differentiate."""
        total, outer = (x.detach().requires_grad_() for x in (self.total, self.outer))
        return Moments(total, outer, self.count)

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        """Gradient of a loss of this leaf with respect to each statistic that it reads."""
        leaves = [getattr(self, name) for name in STATISTICS]
        found = torch.autograd.grad(loss, leaves, allow_unused=True)
        return {name: g for name, g in zip(STATISTICS, found, strict=True) if g is not None}


def statistics_read(loss: Callable[[Moments, Moments], Tensor], moments: Moments) -> set[str]:
    """Names of the statistics that a style loss looks at: the others need not be measured."""
    with torch.enable_grad():
        leaf = moments.leaf()
        return set(leaf.gradients(loss(leaf, moments)))


def flat(features: Tensor) -> Tensor:
    """(1, c, h, w) -> (c, h·w), a view whether the memory is channels-last or not."""
    return features[0].flatten(1)


def _total(columns: Tensor) -> Tensor:
    """Σ f of columns (c, n)."""
    if columns.dtype != torch.bfloat16:
        return columns.sum(1)
    runs, rest = _split(columns, _RUN)
    return runs.sum(1).sum(0, dtype=torch.float32) + rest.sum(0, dtype=torch.float32)


def _outer(columns: Tensor) -> Tensor:
    """Σ f fᵀ of columns (c, n)."""
    if columns.dtype != torch.bfloat16:
        return columns @ columns.T
    chunks, rest = _split(columns, max(1, columns.shape[1] // _CHUNKS))
    outer = torch.bmm(chunks.transpose(1, 2), chunks).sum(0, dtype=torch.float32)
    return outer + rest.T @ rest if len(rest) else outer


def _split(columns: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Positions of columns (c, n) in chunks of `length` > 0, (chunks, length, c); rest (m, c)."""
    rows = columns.T
    whole = len(rows) // length * length
    return rows[:whole].reshape(-1, length, rows.shape[1]), rows[whole:]

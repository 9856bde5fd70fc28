"""Additive statistics of features: sums over positions, so that parts of a picture add up."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Moments"]

_CHUNKS = 16  # a bfloat16 product rounds its result; summing a few in float32 averages that out
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
    def of(cls, features: Tensor) -> Moments:
        """Moments over all positions of features (1, c, h, w)."""
        columns = flat(features)
        return cls(_total(columns), _outer(columns), columns.shape[1])

    def __add__(self, other: Moments) -> Moments:
        """Moments of the union of two disjoint sets of positions."""
        return Moments(self.total + other.total, self.outer + other.outer, self.count + other.count)


def flat(features: Tensor) -> Tensor:
    """(1, c, h, w) -> (c, h·w), a view whether the memory is channels-last or not."""
    return features[0].flatten(1)


def _total(columns: Tensor) -> Tensor:
    """Σ f of columns (c, n); bfloat16 rounds once in each short run."""
    if columns.dtype != torch.bfloat16:
        return columns.sum(1)
    runs, rest = _split(columns, _RUN)
    return runs.sum(1).sum(0, dtype=torch.float32) + rest.sum(0, dtype=torch.float32)


def _outer(columns: Tensor) -> Tensor:
    """Σ f fᵀ of columns (c, n)."""
    if columns.dtype != torch.bfloat16:
        return columns @ columns.T
    chunks, rest = _split(columns, max(1, columns.shape[1] // _CHUNKS))
    products = torch.bmm(chunks.transpose(1, 2), chunks)
    return products.sum(0, dtype=torch.float32) + rest.T @ rest


def _split(columns: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Positions of columns (c, n) in runs of `length` > 0, (runs, length, c); the rest (m, c)."""
    rows = columns.T
    runs = rows.shape[0] // length
    whole = rows[: runs * length].reshape(runs, length, rows.shape[1])
    return whole, rows[runs * length :]

"""Additive statistics of features: sums over positions, so that parts of a picture add up.

Positions may have weights, those of a mask: a region's edge is as soft as its mask is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor

__all__ = ["STATISTICS", "Moments", "Pull", "Shelved", "flat", "in_float64", "statistics_read"]

STATISTICS = ("total", "outer")

T = TypeVar("T")
Made = TypeVar("Made")

_CHUNKS = 8  # a bfloat16 product rounds its result; summing a few in float32 averages that out
_RUN = 64  # and a sum rounds its own
_EXACT_RUN = 2**16  # positions that float32 may add up before float64 does


class Shelved:
    """What functions made of a thing that stays the same, each once."""

    def __init__(self) -> None:
        self._made: dict[object, object] = {}

    def __call__(self, make: Callable[[T], Made], of: T) -> Made:
        """What `make` makes of it, now or as it was made before."""
        if make not in self._made:
            self._made[make] = make(of)
        return cast("Made", self._made[make])


class Pull(Protocol):
    """The gradient of a loss, on its way back to features."""

    def add(self, into: Tensor, features: Tensor, weights: Tensor | None, number: int) -> None:
        """Add it to `into`, at a window's features, both (1, c, h, w); in place.

        `weights` (h, w) are those with which they were measured, `number` says as the how manieth.
        """


@dataclass(frozen=True, eq=False)
class Moments:
    """Σ w f and Σ w f fᵀ over positions, and Σ w, how many there are; without weights w is 1.

    `total` is (c,), `outer` (c, c), both float32 (float64 for float64 features, and for products
    measured exactly). Moments of two disjoint sets of positions add up to those of their union.
    """

    total: Tensor
    outer: Tensor
    count: float | Tensor
    _made: Shelved = field(default_factory=Shelved, repr=False)

    @classmethod
    def of(
        cls,
        features: Tensor,
        wanted: Collection[str] = STATISTICS,
        weights: Tensor | None = None,
    ) -> Moments:
        """Moments over all positions of features (1, c, h, w), with `weights` (h, w) if any.

        What is not `wanted` is NaN. "exact" among it is for whoever takes a small difference of
        these sums: of bfloat16 they have 16 bits then, and the outer product is float64 (float32 on
        MPS, which has no other).
        """
        columns, exact = flat(features), "exact" in wanted
        accurate = torch.promote_types(columns.dtype, torch.float32)
        channels, count = columns.shape
        missing = torch.full((), torch.nan, dtype=torch.float32, device=columns.device)
        root = None if weights is None else weights.flatten().sqrt().to(columns.dtype)
        scaled = columns if root is None else columns * root
        total, outer = missing.expand(channels), missing.expand(channels, channels)
        if "total" in wanted:
            total = _exact_total(scaled, root) if exact else _total(scaled, root)
        if "outer" in wanted:
            outer = _exact_outer(scaled) if exact else _outer(scaled)
        return cls(total, outer, count if root is None else root.to(accurate).square().sum())

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
        """What a function makes of them, made once: of a style's, which stay the same."""
        return self._made(make, self)

    def __add__(self, other: Moments) -> Moments:
        """Moments of the union of two disjoint sets of positions."""
        return Moments(self.total + other.total, self.outer + other.outer, self.count + other.count)

    def times(self, factor: float | Tensor) -> Moments:
        """The same distribution of as many times the positions."""
        return Moments(self.total * factor, self.outer * factor, self.count * factor)

    def blank(self) -> Moments:
        """Those of as many positions without features."""
        return Moments(torch.zeros_like(self.total), torch.zeros_like(self.outer), self.count)

    def leaf(self) -> Moments:
        """The same numbers, with respect to which autograd is to differentiate."""
        total, outer = (x.detach().requires_grad_() for x in (self.total, self.outer))
        return Moments(total, outer, self.count)

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        """Gradient of a loss of this leaf with respect to each statistic that it reads."""
        leaves = [getattr(self, name) for name in STATISTICS]
        found = torch.autograd.grad(loss, leaves, allow_unused=True)
        return {name: g for name, g in zip(STATISTICS, found, strict=True) if g is not None}

    def compared(self, loss: Callable[[Moments], Tensor]) -> tuple[Tensor, Pull]:
        """A scalar loss of these moments, and its gradient's way back."""
        leaf = self.leaf()
        with torch.enable_grad():
            value = loss(leaf)
            gradients = leaf.gradients(value)
        return value.detach(), _MomentsPull(**gradients)


@dataclass(frozen=True, eq=False)
class _MomentsPull:
    """w·(f·(S + Sᵀ) + m), of S with respect to Σ w f fᵀ and m with respect to Σ w f."""

    total: Tensor | None = None
    outer: Tensor | None = None

    def add(self, into: Tensor, features: Tensor, weights: Tensor | None, number: int) -> None:
        added = into if weights is None else torch.zeros_like(into)
        if self.outer is not None:
            symmetric = (self.outer + self.outer.T).to(features.dtype)
            _add_product(added, symmetric, flat(features))
        if self.total is not None:
            added.add_(self.total.to(features.dtype)[:, None, None])
        if weights is not None:
            into.addcmul_(added, weights.to(into.dtype))


def statistics_read(loss: Callable[[Moments, Moments], Tensor]) -> frozenset[str]:
    """Names of the statistics that a style loss looks at: the others need not be measured.

    It is tried on three channels. Who reads a covariance takes the difference of two large numbers,
    and wants each "exact".
    """
    rows = torch.eye(3, dtype=torch.float64)
    moments = Moments(rows.sum(0), rows, 3)
    with torch.enable_grad():
        leaf = moments.leaf()
        read = leaf.gradients(loss(leaf, moments))
    return frozenset(read) | ({"exact"} if "covariance" in vars(leaf) else set())


def flat(features: Tensor) -> Tensor:
    """(1, c, h, w) -> (c, h·w), a view whether the memory is channels-last or not."""
    return features[0].flatten(1)


def in_float64(x: Tensor) -> Tensor:
    """The same in float64, on the CPU if its own device has none."""
    return (x if _has_float64(x.device) else x.cpu()).double()


def _has_float64(device: torch.device) -> bool:
    return device.type != "mps"


def _total(columns: Tensor, root: Tensor | None) -> Tensor:
    """Σ √w f of columns (c, n), with `root` √w (n,), else 1."""
    columns = columns if root is None else columns * root
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


def _exact_total(columns: Tensor, root: Tensor | None) -> Tensor:
    """The same to 16 bits or better."""
    root = columns.new_ones(columns.shape[1]) if root is None else root
    total = _exact_product(root[:, None], columns.T)[0]
    return total.to(torch.promote_types(columns.dtype, torch.float32))


def _exact_outer(columns: Tensor) -> Tensor:
    """Σ f fᵀ of columns (c, n) to 16 bits or better, float64 (float32 on MPS)."""
    return _exact_product(columns.T, columns.T)


def _exact_product(a: Tensor, b: Tensor) -> Tensor:
    """aᵀb of (n, i) and (n, j) in float64 (float32 on MPS), added up from runs of positions."""
    double = torch.float64 if _has_float64(a.device) else torch.float32
    runs = zip(torch.split(a, _EXACT_RUN), torch.split(b, _EXACT_RUN), strict=True)
    return torch.stack([_run_product(*run, double) for run in runs]).sum(0)


def _run_product(a: Tensor, b: Tensor, double: torch.dtype) -> Tensor:
    """aᵀb in float32 or better, of bfloat16 on a CPU to 16 bits: rounded, and what that took away.

    Two products of bfloat16 are a fraction of the work of one in float32 there.
    """
    if a.dtype == torch.bfloat16 and a.device.type == "cpu":
        rounded = a.T @ b
        return rounded.to(double).add_(torch.addmm(-rounded, a.T, b))
    accurate = torch.promote_types(a.dtype, torch.float32)
    return (a.to(accurate).T @ b.to(accurate)).to(double)


def _split(columns: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Positions of columns (c, n) in chunks of `length` > 0, (chunks, length, c); rest (m, c)."""
    rows = columns.T
    whole = len(rows) // length * length
    return rows[:whole].reshape(-1, length, rows.shape[1]), rows[whole:]


def _add_product(into: Tensor, matrix: Tensor, columns: Tensor) -> None:
    """Add matrix · columns (c, n), of a symmetric matrix, to features (1, c, h, w).

    Channels last at once, else as autograd does: published traces follow the last digits of float32
    in their first iterations, and there the product is rounded before it is added, as it is in
    every other program.
    """
    if columns.is_contiguous():
        into.add_((matrix @ columns).view(into.shape))
    elif into.is_contiguous(memory_format=torch.channels_last):
        torch.addmm(flat(into).T, columns.T, matrix, out=flat(into).T)
    else:
        into.add_((columns.T @ matrix).T.reshape(into.shape))

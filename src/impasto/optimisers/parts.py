"""Products of vectors of which each process has a part.

Partial products are added up in float64, and all processes get the same bits: whatever an optimiser
decides by them, it decides everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.objective.ranks import Ranks, gathered

__all__ = ["WHOLE", "Parts"]


@dataclass(frozen=True, eq=False)
class Parts:
    """Products of vectors (n,) that `ranks` share, each with entries of its own; None for one."""

    ranks: Ranks | None = None

    def total(self, part: Tensor) -> Tensor:
        """The sum of what each process has, of any shape, in its precision."""
        return part if self.ranks is None else self.ranks.total(part.double()).to(part)

    def dot(self, one: Tensor, other: Tensor) -> Tensor:
        """The inner product of two vectors (n,), a scalar."""
        return self.total(one.dot(other))

    def norm(self, vector: Tensor) -> float:
        """The Euclidean length of a vector (n,)."""
        if self.ranks is None:
            return float(vector.norm())
        return float(self.total(vector.norm().double().square()).sqrt())

    def entries(self, vector: Tensor) -> int:
        """The number of entries of a vector (n,), over all processes."""
        count = vector.numel()
        return count if self.ranks is None else round(sum(gathered(self.ranks, count)))

    def largest(self, vector: Tensor) -> float:
        """The maximum of the absolute values of a vector (n,)."""
        own = float(vector.abs().max())
        return own if self.ranks is None else max(gathered(self.ranks, own))

    def every(self, holds: bool) -> bool:
        """Whether something that concerns vectors (n,) holds for the part of each process."""
        return holds if self.ranks is None else all(gathered(self.ranks, float(holds)))

    def equal(self, one: Tensor, other: Tensor) -> bool:
        """Whether two vectors (n,) are equal."""
        return self.every(torch.equal(one, other))


WHOLE = Parts()
"""Vectors that this process has alone."""

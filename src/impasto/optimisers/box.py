"""Bounds on the values of a canvas."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Box"]


@dataclass(frozen=True, eq=False)
class Box:
    """Bounds on vectors (n,) of equal groups, such as a canvas's channels: low and high, (groups,).

    The bounds have the vectors' precision and device.
    """

    low: Tensor
    high: Tensor

    def project(self, x: Tensor) -> Tensor:
        """The nearest point of the box to x (n,), as a new vector."""
        grouped = x.view(len(self.low), -1)  # (groups, n / groups)
        return grouped.clamp(self.low[:, None], self.high[:, None]).view(-1)

    def project_(self, x: Tensor) -> Tensor:
        """The nearest point of the box to x (n,), in place."""
        x.view(len(self.low), -1).clamp_(self.low[:, None], self.high[:, None])
        return x

    def free(self, x: Tensor, gradient: Tensor) -> Tensor:
        """Mask (n,) of the entries that descent can move.

        The others are at a bound, and the step along -gradient (n,) would leave the box there.
        """
        grouped, slope = x.view(len(self.low), -1), gradient.view(len(self.low), -1)
        stuck_low = (grouped <= self.low[:, None]) & (slope > 0)
        stuck_high = (grouped >= self.high[:, None]) & (slope < 0)
        return ~(stuck_low | stuck_high).view(-1)

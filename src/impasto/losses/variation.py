"""Total variation of a canvas (3, h, w) in its own colour space, as its users define it.

Δy and Δx are differences of vertical and horizontal neighbours, (3, h-1, w) and (3, h, w-1). All
definitions are a·Σφ(Δy) + b·Σφ(Δx), φ the absolute value or the square, a and b depending on how
many differences N_y and N_x there are. A canvas one pixel high or wide has no differences in that
direction, and they count as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

__all__ = ["VARIATIONS", "Variation"]

_BAND = 2**20  # pixels looked at together: a print's differences would be as large as the print


@dataclass(frozen=True)
class Variation:
    """a·Σ|Δy|ᵖ + b·Σ|Δx|ᵖ with p = `power`, 1 or 2, and (a, b) = `scales(N_y, N_x)`."""

    power: int
    scales: Callable[[int, int], tuple[float, float]]

    def add(self, canvas: Tensor, weight: float, gradient: Tensor) -> Tensor:
        """The variation times `weight`, a scalar; its gradient is added to `gradient` in place.

        The absolute value's derivative is taken as 0 at 0.
        """
        channels, height, width = canvas.shape
        counts = channels * (height - 1) * width, channels * height * (width - 1)
        down, across = (weight * scale for scale in self.scales(*counts))
        rows, loss = max(1, _BAND // width), canvas.new_zeros(())
        for top in range(0, height, rows):
            band, below = canvas[:, top : top + rows], canvas[:, top + 1 : top + rows + 1]
            pulled, beneath = gradient[:, top : top + rows], gradient[:, top + 1 : top + rows + 1]
            dy = below - band[:, : below.shape[1]]
            loss = loss + down * self._sum(dy)
            slope = self._slope_(dy).mul_(down)
            beneath.add_(slope)
            pulled[:, : slope.shape[1]].sub_(slope)
            dx = band[:, :, 1:] - band[:, :, :-1]
            loss = loss + across * self._sum(dx)
            slope = self._slope_(dx).mul_(across)
            pulled[:, :, 1:].add_(slope)
            pulled[:, :, :-1].sub_(slope)
        return loss

    def _sum(self, difference: Tensor) -> Tensor:
        return difference.abs().sum() if self.power == 1 else difference.square().sum()

    def _slope_(self, difference: Tensor) -> Tensor:
        """φ' in place of the differences."""
        return difference.sign_() if self.power == 1 else difference.mul_(2)


def _sums(down: int, across: int) -> tuple[float, float]:
    return 1.0, 1.0


def _half_means(down: int, across: int) -> tuple[float, float]:
    return 0.5 / max(down, 1), 0.5 / max(across, 1)


def _means(down: int, across: int) -> tuple[float, float]:
    return 1 / max(down, 1), 1 / max(across, 1)


def _swapped_means(down: int, across: int) -> tuple[float, float]:
    return 1 / max(across, 1), 1 / max(down, 1)


VARIATIONS: dict[str, Variation] = {
    "l1-sum": Variation(1, _sums),  # Σ|Δx| + Σ|Δy| (the PyTorch port of neural-style)
    "l1-mean": Variation(1, _half_means),  # ½(mean|Δy| + mean|Δx|) (Dive into Deep Learning)
    "l2-mean": Variation(2, _means),  # mean (Δy)² + mean (Δx)²
    "l2-swapped": Variation(2, _swapped_means),  # each divided by the other's number
}
"""Total variation by name."""

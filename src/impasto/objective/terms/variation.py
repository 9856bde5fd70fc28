"""Total variation of a canvas (3, h, w) in its own colour space, in the definitions in use.

All definitions are Σ aₛ·Σφ(Δₛ) over steps s from a pixel to a neighbour, Δₛ the differences between
the two and φ the absolute value or the square; aₛ depends on the number of differences. A canvas
one pixel high or wide has no differences in that direction, and they count as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

__all__ = ["VARIATIONS", "Variation", "VariationTerm"]

_BAND = 2**20  # pixels at a time: the differences of a print would be as large as the print

Step = tuple[int, int]  # rows down, columns to the right
DOWN, ACROSS, FALLING, RISING = (1, 0), (0, 1), (1, 1), (1, -1)

_EDGES = (  # each a canvas of one row or one column
    (slice(None), slice(None, 1)),
    (slice(None), slice(-1, None)),
    (..., slice(None, 1)),
    (..., slice(-1, None)),
)


@dataclass(frozen=True)
class Variation:
    """Σ aₛ·Σ|Δₛ|ᵖ over steps s, with p = `power`, 1 or 2, and a = `scales(3, h, w)`."""

    power: int
    scales: Callable[[int, int, int], Mapping[Step, float]]

    def add(self, canvas: Tensor, weight: float, gradient: Tensor) -> Tensor:
        """The variation of a canvas times `weight`, a scalar; adds its gradient to `gradient`.

        Both are (3, h, w). Beyond the border its pixels repeat, so that two neighbours on an edge
        are also a step of either diagonal apart. The derivative of the absolute value is 0 at 0.
        """
        channels, height, width = canvas.shape
        scales = {s: weight * scale for s, scale in self.scales(channels, height, width).items()}
        loss = self._add(canvas, scales, gradient)
        diagonal = sum(scales.get(step, 0.0) for step in (FALLING, RISING))
        for edge in _EDGES if diagonal else ():
            along = {DOWN: diagonal, ACROSS: diagonal}
            loss = loss + self._add(canvas[edge], along, gradient[edge])
        return loss

    def _add(self, canvas: Tensor, scales: Mapping[Step, float], gradient: Tensor) -> Tensor:
        """Σ aₛ·Σφ(Δₛ) inside the canvas, band by band."""
        height, width = canvas.shape[1:]
        rows, loss = max(1, _BAND // width), canvas.new_zeros(())
        for top in range(0, height, rows):
            for step, scale in scales.items():
                here, there = _neighbours(canvas, range(top, top + rows), step)
                difference = there - here
                loss = loss + scale * self._sum(difference)
                slope = self._slope_(difference).mul_(scale)
                here, there = _neighbours(gradient, range(top, top + rows), step)
                there.add_(slope)
                here.sub_(slope)
        return loss

    def _sum(self, difference: Tensor) -> Tensor:
        return difference.abs().sum() if self.power == 1 else difference.square().sum()

    def _slope_(self, difference: Tensor) -> Tensor:
        """φ' in place of the differences."""
        return difference.sign_() if self.power == 1 else difference.mul_(2)


def _neighbours(planes: Tensor, rows: range, step: Step) -> tuple[Tensor, Tensor]:
    """Views of the pixels of these rows that have a neighbour at a step, and of the neighbours."""
    (down, right), (height, width) = step, planes.shape[1:]
    left, top, bottom = max(-right, 0), rows.start, min(rows.stop, height - down)
    columns = max(width - abs(right), 0)
    here = planes[:, top:bottom, left : left + columns]
    left += right
    return here, planes[:, top + down : bottom + down, left : left + columns]


def _counts(channels: int, height: int, width: int) -> tuple[int, int]:
    """The numbers of vertical and of horizontal differences; at least 1, to divide by."""
    return max(channels * (height - 1) * width, 1), max(channels * height * (width - 1), 1)


def _sums(channels: int, height: int, width: int) -> dict[Step, float]:
    return {DOWN: 1.0, ACROSS: 1.0}


def _half_means(channels: int, height: int, width: int) -> dict[Step, float]:
    down, across = _counts(channels, height, width)
    return {DOWN: 0.5 / down, ACROSS: 0.5 / across}


def _means(channels: int, height: int, width: int) -> dict[Step, float]:
    down, across = _counts(channels, height, width)
    return {DOWN: 1 / down, ACROSS: 1 / across}


def _swapped_means(channels: int, height: int, width: int) -> dict[Step, float]:
    down, across = _counts(channels, height, width)
    return {DOWN: 1 / across, ACROSS: 1 / down}


def _nine_points(channels: int, height: int, width: int) -> dict[Step, float]:
    """Means over the canvas and, for the diagonals, over it and half a pixel around it."""
    near = 2 / 3 / (channels * height * width)
    diagonal = 2 / 12 / (channels * (height + 1) * (width + 1))
    return {DOWN: near, ACROSS: near, FALLING: diagonal, RISING: diagonal}


VARIATIONS: dict[str, Variation] = {
    "l1-sum": Variation(1, _sums),  # Σ|Δx| + Σ|Δy| (the PyTorch port of neural-style)
    "l1-mean": Variation(1, _half_means),  # ½(mean|Δy| + mean|Δx|) (Dive into Deep Learning)
    "l2-mean": Variation(2, _means),  # mean (Δy)² + mean (Δx)²
    "l2-swapped": Variation(2, _swapped_means),  # each divided by the number of the other
    "l2-diagonal": Variation(2, _nine_points),  # the diagonals too (Crowson's style transfer)
}
"""Total variation by name."""


class VariationTerm:
    """Total variation times a weight: `kind` is a name in VARIATIONS. Without weight it is 0."""

    name = "variation"

    def __init__(self, weight: float, kind: str) -> None:
        self._weight, self._variation = weight, VARIATIONS[kind]

    def add(self, canvas: Tensor, gradient: Tensor) -> Tensor:
        """The term at a canvas, a scalar; its gradient is added to `gradient`, both (3, h, w)."""
        if self._weight == 0:
            return canvas.new_zeros(())
        return self._variation.add(canvas, self._weight, gradient)

"""Total variation of a canvas (3, h, w) in its own colour space, in the definitions in use.

All definitions are Σ aₛ·Σφ(Δₛ) over steps s from a pixel to a neighbour, Δₛ the differences between
the two and φ the absolute value or the square; aₛ depends on the number of differences. A canvas
one pixel high or wide has no differences in that direction, and they count as 0.

An axis may be a circle: then its last pixels and its first are neighbours too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.objective.strips import Strip

__all__ = ["VARIATIONS", "Variation", "VariationTerm"]

_BAND = 2**20  # pixels at a time: the differences of a print would be as large as the print

Step = tuple[int, int]  # rows down, columns to the right
Wraps = tuple[bool, bool]  # whether rows and columns are circles
Shape = tuple[int, int, int]

_OPEN = (False, False)
DOWN, ACROSS, FALLING, RISING = (1, 0), (0, 1), (1, 1), (1, -1)

_EDGES: tuple[Any, ...] = (  # each a canvas of one row or one column
    (slice(None), slice(None, 1)),
    (slice(None), slice(-1, None)),
    (..., slice(None, 1)),
    (..., slice(-1, None)),
)


@dataclass(frozen=True)
class Variation:
    """Σ aₛ·Σ|Δₛ|ᵖ over steps s, with p = `power`, 1 or 2, and a = `scales((3, h, w), wraps)`."""

    power: int
    scales: Callable[[Shape, Wraps], Mapping[Step, float]]

    def add(
        self,
        canvas: Tensor,
        weight: float,
        gradient: Tensor,
        wraps: Wraps = _OPEN,
        strip: Strip | None = None,
    ) -> Tensor:
        """The variation of a canvas times `weight`, a scalar; adds its gradient to `gradient`.

        Both are (3, h, w). Beyond the border its pixels repeat, so that two neighbours on an edge
        are also a step of either diagonal apart; an axis that `wraps` has no border. The derivative
        of the absolute value is 0 at 0. Of a `strip`, which both hold then, the part of the
        variation is returned whose steps begin in its own rows.
        """
        height = strip.height if strip else canvas.shape[1]
        found = self.scales((len(canvas), height, canvas.shape[2]), wraps)
        scales = {step: weight * scale for step, scale in found.items()}
        rows = canvas.shape[1]
        if strip:
            rows, held = strip.rows, slice(strip.above, strip.above + strip.rows + 1)
            canvas, gradient = canvas[:, held], gradient[:, held]
        loss = self._add_circle(canvas, scales, gradient, wraps, rows)
        diagonal = sum(scales.get(step, 0.0) for step in (FALLING, RISING))
        for number, edge in enumerate(_EDGES if diagonal else ()):
            across = number < 2  # a row
            inside = across and strip is not None and not _ends(strip)[number]
            if not (wraps[0 if across else 1] or inside):
                along = {ACROSS if across else DOWN: diagonal}
                own = (False, wraps[1]) if across else (wraps[0], False)
                loss = loss + self._add_circle(canvas[edge], along, gradient[edge], own, rows)
        return loss

    def _add_circle(
        self, canvas: Tensor, scales: Mapping[Step, float], gradient: Tensor, wraps: Wraps, own: int
    ) -> Tensor:
        """Σ aₛ·Σφ(Δₛ) from the first `own` rows of the canvas, and between ends that meet."""
        loss = self._add(canvas, scales, gradient, own)
        meeting = [axis for axis in ((1,), (2,), (1, 2)) if all(wraps[n - 1] for n in axis)]
        for axes in meeting:
            over = {s: a for s, a in scales.items() if all(s[n - 1] for n in axes)}
            seam = canvas
            for axis in axes:
                last = seam.shape[axis] - 1
                seam = torch.cat([seam.narrow(axis, last, 1), seam.narrow(axis, 0, 1)], axis)
            slope = torch.zeros_like(seam)
            loss = loss + self._add(seam, over, slope, own)
            _spread(slope, gradient, axes)
        return loss

    def _add(
        self, canvas: Tensor, scales: Mapping[Step, float], gradient: Tensor, own: int
    ) -> Tensor:
        """Σ aₛ·Σφ(Δₛ) inside the canvas from its first `own` rows, band by band."""
        height, width = canvas.shape[1:]
        count, loss = max(1, _BAND // width), canvas.new_zeros(())
        for top in range(0, min(own, height), count):
            rows = range(top, min(top + count, own))
            for step, scale in scales.items():
                here, there = _neighbours(canvas, rows, step)
                difference = there - here
                loss = loss + scale * self._sum(difference)
                slope = self._slope_(difference).mul_(scale)
                here, there = _neighbours(gradient, rows, step)
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


def _ends(strip: Strip) -> tuple[bool, bool]:
    """Whether it has the first row of the canvas, and the last."""
    return strip.start == 0, strip.stop == strip.height


def _spread(slope: Tensor, gradient: Tensor, axes: tuple[int, ...]) -> None:
    """Add what belongs to the two ends along each axis, last and first, to these ends."""
    if not axes:
        gradient.add_(slope)
        return
    axis, *others = axes
    for end, place in enumerate((-1, 0)):
        part = gradient.narrow(axis, place % gradient.shape[axis], 1)
        _spread(slope.narrow(axis, end, 1), part, tuple(others))


def _counts(shape: Shape, wraps: Wraps) -> tuple[int, int]:
    """The numbers of vertical and of horizontal differences; at least 1, to divide by."""
    channels, height, width = shape
    down, across = height - (not wraps[0]), width - (not wraps[1])
    return max(channels * down * width, 1), max(channels * height * across, 1)


def _sums(shape: Shape, wraps: Wraps) -> dict[Step, float]:
    return {DOWN: 1.0, ACROSS: 1.0}


def _half_means(shape: Shape, wraps: Wraps) -> dict[Step, float]:
    down, across = _counts(shape, wraps)
    return {DOWN: 0.5 / down, ACROSS: 0.5 / across}


def _means(shape: Shape, wraps: Wraps) -> dict[Step, float]:
    down, across = _counts(shape, wraps)
    return {DOWN: 1 / down, ACROSS: 1 / across}


def _swapped_means(shape: Shape, wraps: Wraps) -> dict[Step, float]:
    down, across = _counts(shape, wraps)
    return {DOWN: 1 / across, ACROSS: 1 / down}


def _nine_points(shape: Shape, wraps: Wraps) -> dict[Step, float]:
    """Means over the canvas and, for the diagonals, over it and half a pixel around it."""
    channels, height, width = shape
    near = 2 / 3 / (channels * height * width)
    around = (height + (not wraps[0])) * (width + (not wraps[1]))
    diagonal = 2 / 12 / (channels * around)
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
    """Total variation times a weight: `kind` is a name in VARIATIONS. Without weight it is 0.

    `wraps` tells whether the canvas's rows and columns are circles. Of a `strip`, canvases are the
    rows that it holds.
    """

    name = "variation"

    def __init__(
        self, weight: float, kind: str, wraps: Wraps = _OPEN, strip: Strip | None = None
    ) -> None:
        self._weight, self._variation = weight, VARIATIONS[kind]
        self._wraps, self._strip = wraps, strip

    def add(self, canvas: Tensor, gradient: Tensor) -> Tensor:
        """The term at a canvas, a scalar; its gradient is added to `gradient`, both (3, h, w)."""
        if self._weight == 0:
            return canvas.new_zeros(())
        return self._variation.add(canvas, self._weight, gradient, self._wraps, self._strip)

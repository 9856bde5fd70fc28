"""A picture divided among processes by rows: what each owns, and what it holds besides.

A strip is to a process what a window is to an evaluation: rows that are its own, and around them
those that its windows read. Strips overlap; the rows they own do not, and are all of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from impasto.encoder import Architecture

__all__ = ["Strip", "divided", "saves"]


@dataclass(frozen=True)
class Strip:
    """Rows [start, stop) of a picture of `height` rows, held as part of rows [top, bottom)."""

    start: int
    stop: int
    top: int
    bottom: int
    height: int

    @property
    def rows(self) -> int:
        """The number of its own rows."""
        return self.stop - self.start

    @property
    def above(self) -> int:
        """The number of rows that it holds before its own."""
        return self.start - self.top

    @property
    def held(self) -> slice:
        """The rows that it holds, of the picture's."""
        return slice(self.top, self.bottom)

    def of(self, whole: Tensor) -> Tensor:
        """The rows that it holds of whole planes (..., height, w), in memory of their own."""
        return whole[..., self.top : self.bottom, :].clone()

    def owned(self, whole: Tensor) -> Tensor:
        """Its own rows of whole planes (..., height, w), in memory of their own."""
        return whole[..., self.start : self.stop, :].clone()

    def shared(self, other: Strip) -> slice:
        """Those of its own rows that another strip holds, as rows of the picture."""
        start = max(self.start, other.top)
        return slice(start, max(start, min(self.stop, other.bottom)))


def divided(
    height: int, count: int, net: Architecture, taps: Sequence[str]
) -> tuple[Strip, ...] | None:
    """Strips of about equally many rows for `count` processes; None where there are too few rows.

    Each begins at a position of the deepest tap and has one at least. The row below is always held
    too, for terms of neighbouring pixels.
    """
    step, before, after, cells = 1, 0, 0, height
    if taps:
        deepest, halo = net.deepest(taps), net.halos(taps)["image"]
        step, before, after = net.stride(deepest), halo.before, halo.after
        cells = net.positions(deepest, height)
    if cells < count:
        return None
    ends = [cells * n // count * step for n in range(count)] + [height]
    return tuple(
        Strip(
            start,
            stop,
            max(0, start - before) // step * step,
            min(height, stop + max(after, 1)),
            height,
        )
        for start, stop in pairwise(ends)
    )


def saves(strips: Sequence[Strip]) -> bool:
    """Whether each strip is less than the picture, so that dividing it saves work and memory."""
    return all(strip.bottom - strip.top < strip.height for strip in strips)

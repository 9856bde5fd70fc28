"""A picture cut into windows whose features, put together, are those of the whole.

A window is a core and a halo around it. Every position of every tap lies in the core of exactly one
window; the halo is what the network looks at beyond it. Gradients with respect to features in the
core, pulled back to the window and added up over all windows, are the gradient of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise, product

from torch import Tensor

from impasto.encoder import Architecture, Ends
from impasto.errors import SettingsError

__all__ = ["Span", "Tiling", "Window", "least_tile", "windows"]


@dataclass(frozen=True)
class Tiling:
    """How a canvas is cut, and what is kept of its windows between two looks at them.

    `tile` is the longest side of a window in pixels, None for one window. `tapes` of the windows
    are kept from the pass that measures style, and need no second look; one always is. Content's
    features are kept, or measured anew whenever they are needed (`keep_content` False).
    """

    tile: int | None = None
    tapes: int = 1
    keep_content: bool = True


@dataclass(frozen=True)
class Span:
    """A window along one axis, in pixels: core [start, stop) within [low, high), of `length`."""

    start: int
    stop: int
    low: int
    high: int
    length: int

    @classmethod
    def around(cls, start: int, stop: int, length: int, halo: int, step: int) -> Span:
        """The window around a core: as little as is exact.

        Cut at both ends it is core and halo, which the network's unpadded convolutions consume.
        Cut below only, it begins at a multiple of `step`, where all poolings do.
        """
        low, high = max(0, start - halo), min(length, stop + halo)
        if high == length:
            low = low // step * step
        return cls(start, stop, low, high, length)

    @property
    def cut(self) -> tuple[bool, bool]:
        """Whether the picture goes on below and above."""
        return self.low > 0, self.high < self.length

    def core(self, level: int, halo: int) -> slice:
        """Where the core's positions are among a tap's, after `level` poolings.

        `halo` is how many positions beside them the network still has to consume.
        """
        first, last = (end >> level for end in (self.start, self.stop))
        seen = first - halo if all(self.cut) else self.low >> level
        return slice(first - seen, last - seen)


@dataclass(frozen=True, eq=False)
class Window:
    """A part of a picture, for features at the taps of `halos`."""

    rows: Span
    columns: Span
    architecture: Architecture
    halos: dict[str, int]

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.rows.low, self.rows.high), slice(self.columns.low, self.columns.high)

    @cached_property
    def ends(self) -> Ends:
        """Where it was cut from the picture."""
        return Ends(self.rows.cut, self.columns.cut)

    def place(self, tap: str) -> tuple[slice, slice]:
        """Where its core is among all positions of a tap."""
        level = self.architecture.level(tap)
        rows, columns = (
            slice(s.start >> level, s.stop >> level) for s in (self.rows, self.columns)
        )
        return rows, columns

    def of(self, picture: Tensor) -> Tensor:
        """Its part of a picture (3, h, w), a view."""
        rows, columns = self.pixels
        return picture[:, rows, columns]

    def core(self, tap: str, features: Tensor) -> Tensor:
        """The core of its features (1, c, h, w) at a tap, a view."""
        level, halo = self.architecture.level(tap), self.halos[tap]
        rows, columns = (span.core(level, halo) for span in (self.rows, self.columns))
        return features[..., rows, columns]


@lru_cache(maxsize=64)
def windows(
    size: tuple[int, int],
    architecture: Architecture,
    taps: tuple[str, ...],
    tile: int | None = None,
) -> tuple[Window, ...]:
    """Windows of at most `tile` pixels a side over a picture of (h, w), row by row.

    One window is the whole picture, for any size without `tile`. Raises SettingsError for a tile
    that has no room for a core.
    """
    halos = architecture.halos(taps)
    step = 2 ** architecture.level(architecture.deepest(taps))
    rows, columns = (_spans(length, tile or length, halos["image"], step) for length in size)
    return tuple(Window(*spans, architecture, halos) for spans in product(rows, columns))


def least_tile(architecture: Architecture, taps: Iterable[str]) -> int:
    """The smallest tile, in pixels, that any picture can be cut into."""
    taps = tuple(taps)
    step = 2 ** architecture.level(architecture.deepest(taps))
    return _least(architecture.halos(taps)["image"], step)


def _spans(length: int, tile: int, halo: int, step: int) -> list[Span]:
    """The fewest windows of at most `tile` pixels along an axis, their cores about equal."""
    cells = length // step  # of the deepest tap's grid; what is left over belongs to the last
    for count in range(1, max(cells, 1) + 1):
        ends = [cells * n // count * step for n in range(count)] + [length]
        spans = [Span.around(*core, length, halo, step) for core in pairwise(ends)]
        if all(span.high - span.low <= tile for span in spans):
            return spans
    least = _least(halo, step)
    raise SettingsError(f"tile is {tile} px; these layers need at least {least}, or tile off")


def _least(halo: int, step: int) -> int:
    """A core of one position; the last but one may reach the far end, and begins on the grid."""
    return step + halo + -(-halo // step) * step

"""A picture cut into windows whose features, put together, are the features of the whole.

A window is a core and a halo around it. Every position of every tap lies in the core of exactly one
window; the halo is the rest of the pixels that these positions depend on. Gradients with respect to
features in the core, pulled back to the window and added up over all windows, are the gradient of
the whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise, product

import torch
from torch import Tensor

from impasto.encoder import Architecture, Ends
from impasto.errors import SettingsError

__all__ = [
    "Span",
    "Tile",
    "Tiling",
    "Window",
    "at_tap",
    "min_tile",
    "positions_at",
    "windows",
    "windows_over",
]


@dataclass(frozen=True)
class Tiling:
    """How a canvas is cut, and what is kept of its windows.

    Attributes:
        tile: the longest side of a window in pixels; None for one window.
        tapes: the number of windows whose forward pass is kept from the measuring pass for the
            pullback. At least one is.
        keep_content: whether content's features are kept; otherwise each evaluation measures them
            again.
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
        """The smallest window around a core that is exact.

        Cut at both ends it is core and halo, which the network's unpadded convolutions consume.
        Cut below only, it begins at a multiple of `step`, as all poolings do.
        """
        low, high = max(0, start - halo), min(length, stop + halo)
        if high == length:
            low = low // step * step
        return cls(start, stop, low, high, length)

    @property
    def cut(self) -> tuple[bool, bool]:
        """Whether the picture continues before `low` and after `high`."""
        return self.low > 0, self.high < self.length

    def core(self, level: int, halo: int) -> slice:
        """The core's positions among the window's at a tap, after `level` poolings.

        `halo` is the number of positions on each side that later layers consume.
        """
        first, last = (end >> level for end in (self.start, self.stop))
        seen = first - halo if all(self.cut) else self.low >> level
        return slice(first - seen, last - seen)


@dataclass(frozen=True, eq=False)
class Window:
    """A part of a picture, for features at the taps of `halos` (tap -> halo in its positions)."""

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
        """The ends at which it was cut from the picture."""
        return Ends(self.rows.cut, self.columns.cut)

    def place(self, tap: str) -> tuple[slice, slice]:
        """Rows and columns of its core among all positions of a tap."""
        level = self.architecture.level(tap)
        rows, columns = (
            slice(s.start >> level, s.stop >> level) for s in (self.rows, self.columns)
        )
        return rows, columns

    def of(self, picture: Tensor) -> Tensor:
        """Its part of a picture (3, h, w): a view."""
        rows, columns = self.pixels
        return picture[:, rows, columns]

    def core(self, tap: str, features: Tensor) -> Tensor:
        """The core of its features (1, c, h, w) at a tap: a view."""
        level, halo = self.architecture.level(tap), self.halos[tap]
        rows, columns = (span.core(level, halo) for span in (self.rows, self.columns))
        return features[..., rows, columns]

    def packed(self, tap: str, features: Tensor) -> Tensor:
        """The core of features (1, c, h, w) at a tap, copied if it is a part of them."""
        last = not features.is_contiguous()
        layout = torch.channels_last if last else torch.contiguous_format
        return self.core(tap, features).contiguous(memory_format=layout)

    def part(self, tap: str, weights: Tensor | None) -> Tensor | None:
        """The part of a tap's weights (h', w') that lies in its core; None stays None."""
        return None if weights is None else weights[self.place(tap)]


@dataclass(frozen=True, eq=False)
class Tile:
    """A forward pass of one window: its features at each tap, (1, c, h, w), halo included.

    `index` is that of the window among all windows of the picture.
    """

    window: Window
    index: int
    features: dict[str, Tensor]

    def core(self, tap: str) -> Tensor:
        """The features of the window's core at a tap, (1, c, h, w): a view."""
        return self.window.core(tap, self.features[tap])

    def packed(self, tap: str) -> Tensor:
        """The same in memory of its own where the core is a part of the features."""
        return self.window.packed(tap, self.features[tap])


@lru_cache(maxsize=64)
def windows(
    size: tuple[int, int],
    architecture: Architecture,
    taps: tuple[str, ...],
    tile: int | None = None,
) -> tuple[Window, ...]:
    """Windows of at most `tile` pixels a side over a picture of (h, w), row by row.

    Without `tile` one window is the whole picture. Raises SettingsError for a tile that is too
    small for a core.
    """
    halos = architecture.halos(taps)
    step = 2 ** architecture.level(architecture.deepest(taps))
    rows, columns = (_spans(length, tile or length, halos["image"], step) for length in size)
    return tuple(Window(*spans, architecture, halos) for spans in product(rows, columns))


def windows_over(
    picture: Tensor, architecture: Architecture, taps: tuple[str, ...], tile: int | None
) -> tuple[Window, ...]:
    """Windows over a picture (3, h, w); none where there are no taps."""
    size = (picture.shape[-2], picture.shape[-1])
    return windows(size, architecture, taps, tile) if taps else ()


def positions_at(picture: Tensor, architecture: Architecture, tap: str) -> int:
    """The number of positions that the whole of a picture (3, h, w) has at a tap."""
    level = architecture.level(tap)
    return int((picture.shape[-2] >> level) * (picture.shape[-1] >> level))


def at_tap(weights: Tensor | None, architecture: Architecture, tap: str) -> Tensor | None:
    """Weights (h, w) of pixels -> their mean under each position of a tap, (h', w')."""
    if weights is None:
        return None
    side = 2 ** architecture.level(tap)
    return torch.nn.functional.avg_pool2d(weights[None], side)[0]


def min_tile(architecture: Architecture, taps: Iterable[str]) -> int:
    """The smallest tile, in pixels, that any picture can be cut into."""
    taps = tuple(taps)
    step = 2 ** architecture.level(architecture.deepest(taps))
    return _min_tile(architecture.halos(taps)["image"], step)


def _spans(length: int, tile: int, halo: int, step: int) -> list[Span]:
    """The fewest windows of at most `tile` pixels along an axis, their cores about equal."""
    cells = length // step  # of the deepest tap's grid; the last window takes the remainder
    for count in range(1, max(cells, 1) + 1):
        ends = [cells * n // count * step for n in range(count)] + [length]
        spans = [Span.around(*core, length, halo, step) for core in pairwise(ends)]
        if all(span.high - span.low <= tile for span in spans):
            return spans
    minimum = _min_tile(halo, step)
    raise SettingsError(f"tile is {tile} px; these layers need at least {minimum}, or tile off")


def _min_tile(halo: int, step: int) -> int:
    """The tile of a one-position core; the last window but one begins on the grid."""
    return step + halo + -(-halo // step) * step

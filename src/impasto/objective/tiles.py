"""A picture cut into windows whose features, put together, are the features of the whole.

A window is a core and a halo around it. Every position of every tap lies in the core of exactly one
window; the halo is the rest of the pixels that these positions depend on. Gradients with respect to
features in the core, pulled back to the window and added up over all windows, are the gradient of
the whole.

An axis may be a circle, as those of a seamless texture are: its ends meet, and the halo of a window
at one end is at the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import pairwise, product
from math import prod

import torch
from torch import Tensor

from impasto.encoder import Architecture, Ends, Halo
from impasto.errors import SettingsError
from impasto.objective.spans import Span
from impasto.objective.strips import Strip

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
        wraps: whether the canvas's rows and its columns are circles: the last row is followed by
            the first, and the last column by the first.
        strip: the rows that are given, where other processes have the others.
    """

    tile: int | None = None
    tapes: int = 1
    keep_content: bool = True
    wraps: tuple[bool, bool] = (False, False)
    strip: Strip | None = None


@dataclass(frozen=True, eq=False)
class Window:
    """A part of a picture, for features at the taps of `halos` (tap -> halo in its positions)."""

    rows: Span
    columns: Span
    architecture: Architecture
    halos: dict[str, Halo]

    @cached_property
    def ends(self) -> Ends:
        """The ends at which it was cut from the picture, and where it is a whole circle."""
        wraps = (span.wraps and not all(span.cut) for span in (self.rows, self.columns))
        return Ends(self.rows.cut, self.columns.cut, tuple(wraps))  # type: ignore[arg-type]  # of two

    def place(self, tap: str) -> tuple[slice, slice]:
        """Rows and columns of its core among all positions of a tap."""
        net = self.architecture
        return self.rows.place(net, tap), self.columns.place(net, tap)

    def of(self, picture: Tensor) -> Tensor:
        """Its part of a picture (3, h, w): a view, unless it goes round."""
        rows, columns = [*self.rows.pieces()], [*self.columns.pieces()]
        bands = [[picture[:, down, across] for across, _ in columns] for down, _ in rows]
        joined = [band[0] if len(band) == 1 else torch.cat(band, 2) for band in bands]
        return joined[0] if len(joined) == 1 else torch.cat(joined, 1)

    def add(self, part: Tensor, picture: Tensor) -> None:
        """Transpose of `of`: add a part (3, h', w') to a picture (3, h, w), in place."""
        for (down, own_rows), (across, own_columns) in product(
            self.rows.pieces(), self.columns.pieces()
        ):
            picture[:, down, across] += part[:, own_rows, own_columns]

    def core(self, tap: str, features: Tensor) -> Tensor:
        """The core of its features (1, c, h, w) at a tap: a view."""
        net, halo = self.architecture, self.halos[tap]
        rows, columns = (span.core(net, tap, halo) for span in (self.rows, self.columns))
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
    wraps: tuple[bool, bool] = (False, False),
    strip: Strip | None = None,
) -> tuple[Window, ...]:
    """Windows of at most `tile` pixels a side over a picture of (h, w), row by row.

    Without `tile` one window is the whole picture. `wraps` tells which axes are circles. With a
    `strip`, windows are those whose cores are its own rows. Raises SettingsError for a tile that is
    too small for a core.
    """
    axes = (
        _spans(length, tile or length, architecture, taps, wraps=around, strip=part)
        for length, around, part in zip(size, wraps, (strip, None), strict=True)
    )
    halos = architecture.halos(taps)
    return tuple(Window(down, across, architecture, halos) for down, across in product(*axes))


def windows_over(
    picture: Tensor,
    architecture: Architecture,
    taps: tuple[str, ...],
    tile: int | None,
    wraps: tuple[bool, bool] = (False, False),
    strip: Strip | None = None,
) -> tuple[Window, ...]:
    """Windows over a picture (3, h, w), or over a strip of one; none where there are no taps."""
    size = (strip.height if strip else picture.shape[-2], picture.shape[-1])
    return windows(size, architecture, taps, tile, wraps, strip) if taps else ()


def positions_at(
    picture: Tensor,
    net: Architecture,
    tap: str,
    wraps: tuple[bool, bool] = (False, False),
    strip: Strip | None = None,
) -> int:
    """The number of positions at a tap of a whole picture (3, h, w), which may be a strip's."""
    size = (strip.height if strip else picture.shape[-2], picture.shape[-1])
    sides = zip(size, wraps, strict=True)
    return prod(net.positions(tap, length, wraps=around) for length, around in sides)


def at_tap(
    weights: Tensor | None,
    net: Architecture,
    tap: str,
    wraps: tuple[bool, bool] = (False, False),
) -> Tensor | None:
    """Weights (h, w) of pixels -> their mean under each position of a tap, (h', w')."""
    if weights is None:
        return None
    means = torch.nn.functional.avg_pool2d(weights[None], net.stride(tap), ceil_mode=True)[0]
    rows, columns = (
        net.positions(tap, length, wraps=around)
        for length, around in zip(weights.shape, wraps, strict=True)
    )
    return means[:rows, :columns]


def min_tile(architecture: Architecture, taps: Iterable[str]) -> int:
    """The smallest tile, in pixels, that any picture can be cut into.

    It holds the last window, or the one before it, which begins on the grid: a core of one
    position, what follows it, and the halo before it.
    """
    taps = tuple(taps)
    tap, halo = architecture.deepest(taps), architecture.halos(taps)["image"]
    step = architecture.stride(tap)
    lengths = range(architecture.min_side([tap]), architecture.min_side([tap]) + step)
    rest = max(length - architecture.positions(tap, length) * step for length in lengths)
    return step + max(halo.after, rest) + -(-halo.before // step) * step


def _spans(
    length: int,
    tile: int,
    net: Architecture,
    taps: tuple[str, ...],
    *,
    wraps: bool,
    strip: Strip | None,
) -> list[Span]:
    """The fewest windows of at most `tile` pixels along an axis, their cores about equal."""
    tap, halo = net.deepest(taps), net.halos(taps)["image"]
    step = net.stride(tap)
    first, last, origin = (strip.start, strip.stop, strip.top) if strip else (0, length, 0)
    whole = net.positions(tap, length, wraps=wraps)  # the last window takes the remainder
    cells = (whole if last == length else last // step) - first // step
    around = partial(Span.around, length=length, halo=halo, step=step, wraps=wraps, origin=origin)
    for count in range(1, max(cells, 1) + 1):
        ends = [first + cells * n // count * step for n in range(count)] + [last]
        spans = [around(*core) for core in pairwise(ends)]
        if all(span.high - span.low <= tile for span in spans):
            return spans
    minimum = min_tile(net, taps)
    raise SettingsError(f"tile is {tile} px; these layers need at least {minimum}, or tile off")

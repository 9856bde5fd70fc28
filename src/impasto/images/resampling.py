"""Change of size and shape, and colours for what is transparent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from impasto.errors import ImageError
from impasto.images.circles import OPEN, Wraps
from impasto.images.levels import unit
from impasto.images.picture import Picture, channels
from impasto.images.stored import AnyPicture

__all__ = ["cropped", "fit", "opaque", "resize", "whiteness"]

INVISIBLE = 1e-3  # alpha below which a pixel's own colour says nothing
WHOLE = 1 << 24  # pixels of a plane that is resized as a whole; larger ones in bands
BAND = 1 << 22  # pixels of a band
REACH = 3  # of Lanczos, in source pixels for enlarging and else in pixels of the result

Box = tuple[float, float, float, float]  # left, top, right, bottom
Plane = Callable[[], np.ndarray]  # (n, w) float32, made when it is called
PlanesOf = Callable[[Picture], list[Plane]]  # what is brought to another size of a picture


def resize(
    picture: AnyPicture, size: tuple[int, int], wraps: Wraps = OPEN, rows: slice | None = None
) -> Picture:
    """Change to size (w, h) by Lanczos with antialiasing, in float32, clamped to [0, 1].

    Colours are weighted by alpha, so that those of invisible pixels do not bleed into visible
    ones. `wraps` tells whether rows and columns are circles, whose ends meet in the result too.
    With `rows` it is only these of the result, to the last bit. Of a picture that is stored, no
    more is read than they take. Raises ImageError for a side below 1 px.
    """
    if min(size) < 1:
        raise ImageError(f"size {size[0]}x{size[1]}: expected at least 1x1 px")
    if size == picture.size:
        if rows is None and isinstance(picture, Picture):
            return picture
        rows = rows or slice(0, size[1])
        return picture.rows(rows.start, rows.stop)
    rows = rows or slice(0, size[1])
    planes = _brought(picture, size, wraps, rows, _planes, Image.Resampling.LANCZOS)
    planes = planes.to(picture.device)
    if not picture.has_alpha:
        pixels = planes.expand(3, -1, -1)
        return Picture(pixels.clamp(0, 1).contiguous(), None, picture.record)
    colours = (len(planes) - 1) // 2
    pixels, alpha, weighted = planes[:colours], planes[colours], planes[colours + 1 :]
    visible = alpha > INVISIBLE
    pixels = torch.where(visible, weighted / alpha.clamp_min(INVISIBLE), pixels.expand(3, -1, -1))
    return Picture(pixels.clamp_(0, 1), alpha.clamp(0, 1), picture.record)


def whiteness(
    picture: AnyPicture,
    size: tuple[int, int] | None = None,
    wraps: Wraps = OPEN,
    rows: slice | None = None,
) -> Tensor:
    """How white a picture is, as a mask: (n, w) float32 in [0, 1], on the CPU.

    It is the mean of the colours, and transparent pixels are black. At another size (w, h) it is
    made by a triangle filter with antialiasing: Lanczos' has negative weights, which would leave
    grey rings in white and in black. `wraps` and `rows` are as for `resize`, which says more.
    """
    size = size or picture.size
    rows = rows or slice(0, size[1])
    if size == picture.size:
        return torch.from_numpy(_white(picture.rows(rows.start, rows.stop))).clamp_(0, 1)
    kind = Image.Resampling.BILINEAR
    return _brought(picture, size, wraps, rows, _white_plane, kind)[0].clamp_(0, 1)


def _white_plane(picture: Picture) -> list[Plane]:
    return [partial(_white, picture)]


def _white(picture: Picture) -> np.ndarray:
    """(h, w) float32, a copy."""
    colours, opacity = channels(picture)
    white = np.array(_values(colours[0]))
    for plane in colours[1:]:
        white += _values(plane)
    white /= len(colours)
    if opacity is not None:
        white *= _values(opacity)
    return white


def _planes(picture: Picture) -> list[Plane]:
    """What is resized of a picture: its colours; alpha, and colours multiplied by it, if any."""
    colours, opacity = channels(picture)
    planes: list[Plane] = [partial(_values, plane) for plane in colours]
    if opacity is not None:
        planes += [partial(_values, opacity), *(partial(_weighted, c, opacity) for c in colours)]
    return planes


def _values(plane: np.ndarray) -> np.ndarray:
    """Levels (n, w) as values in [0, 1]."""
    return plane if plane.dtype == np.float32 else unit(plane)


def _weighted(plane: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Levels (n, w) as values, multiplied by those of alpha (n, w)."""
    product: np.ndarray = _values(plane) * _values(opacity)
    return product


@dataclass(frozen=True)
class _Circles:
    """How far a picture goes on beyond its ends where they meet, in rows and in columns."""

    rows: int
    columns: int

    @classmethod
    def of(cls, size: tuple[int, int], target: tuple[int, int], wraps: Wraps) -> _Circles:
        """As far as Lanczos reaches, from `size` (w, h) to `target`; other filters reach less."""
        columns, rows = (
            math.ceil(REACH * max(here / there, 1)) + 1
            for here, there in zip(size, target, strict=True)
        )
        return cls(rows * wraps[0], columns * wraps[1])

    def planes(self, picture: AnyPicture, first: int, end: int, planes_of: PlanesOf) -> list[Plane]:
        """Planes of rows from -`rows` to height + `rows`, with columns added on both sides."""
        parts, height = [], picture.height
        while first < end:
            at = first % height
            count = min(end - first, height - at)
            parts.append(planes_of(picture.rows(at, at + count)))
            first += count
        return [partial(self._joined, same) for same in zip(*parts, strict=True)]

    def _joined(self, parts: Sequence[Plane]) -> np.ndarray:
        made = [part() for part in parts]
        whole = made[0] if len(made) == 1 else np.concatenate(made)
        beside = (self.columns, self.columns)
        return np.pad(whole, ((0, 0), beside), "wrap") if self.columns else whole


def _brought(
    picture: AnyPicture,
    target: tuple[int, int],
    wraps: Wraps,
    wanted: slice,
    planes_of: PlanesOf,
    kind: Image.Resampling,
) -> Tensor:
    """The `wanted` rows of planes at the target (w, h) by a filter, (c, n, w), float32, CPU.

    A float32 copy of a large plane would take more memory than the picture, so it is resized in
    bands, which are the same whatever is wanted of them.
    """
    resized: np.ndarray | None = None
    circles = _Circles.of(picture.size, target, wraps)
    left, width = circles.columns, picture.width
    for band in _bands(picture.size, target, circles):
        low, high = max(band.first, wanted.start), min(band.end, wanted.stop)
        if low >= high:
            continue
        planes = circles.planes(picture, band.start, band.stop, planes_of)
        if resized is None:
            count = wanted.stop - wanted.start
            resized = np.empty((len(planes), count, target[0]), np.float32)
        box = (left, band.top - band.start, left + width, band.bottom - band.start)
        for plane, into in zip(planes, resized, strict=True):
            made = _resampled(plane(), (target[0], band.end - band.first), box, kind)
            into[low - wanted.start : high - wanted.start] = made[low - band.first :][: high - low]
    assert resized is not None
    return torch.from_numpy(resized)


class _Band(NamedTuple):
    """Rows `first` to `end` of the result, made of rows `start` to `stop` of a picture.

    They show what is between `top` and `bottom` of it; the others are what the filter reaches.
    """

    first: int
    end: int
    start: int
    stop: int
    top: float
    bottom: float


def _bands(size: tuple[int, int], target: tuple[int, int], circles: _Circles) -> Iterator[_Band]:
    """From `size` (w, h) to `target`; a picture that is not large is one band."""
    (width, height), (result_width, result_height) = size, target
    if max(width * height, result_width * result_height) <= WHOLE:
        yield _Band(0, result_height, -circles.rows, height + circles.rows, 0, height)
        return
    scale = height / result_height
    reach = math.ceil(REACH * max(scale, 1)) + 1
    step = max(1, int(BAND / max(width * scale, result_width)))
    for first in range(0, result_height, step):
        end = min(first + step, result_height)
        top, bottom = first * scale, min(end * scale, height)
        start = max(-circles.rows, int(top) - reach)
        stop = min(height + circles.rows, math.ceil(bottom) + reach)
        yield _Band(first, end, start, stop, top, bottom)


def _resampled(
    plane: np.ndarray, size: tuple[int, int], box: Box, kind: Image.Resampling
) -> np.ndarray:
    """The box of a plane (h, w) at `size` (w, h); Pillow's mode F is float32."""
    sheet = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(sheet.resize(size, kind, box=box))


@overload
def cropped(picture: Picture, size: tuple[int, int]) -> Picture: ...
@overload
def cropped(picture: AnyPicture, size: tuple[int, int]) -> AnyPicture: ...
def cropped(picture: AnyPicture, size: tuple[int, int]) -> AnyPicture:
    """The largest part of the aspect of size (w, h), from the middle."""
    scale = max(size[0] / picture.width, size[1] / picture.height)
    width, height = (
        min(s, max(1, round(t / scale))) for s, t in zip(picture.size, size, strict=True)
    )
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.window(slice(top, top + height), slice(left, left + width))


def fit(picture: Picture, longest: int) -> Picture:
    """Change to a longest side of `longest` px, the aspect kept; the other side is at least 1 px.

    Returns the same object where nothing changes. Raises ImageError for `longest` below 1.
    """
    scale = longest / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return resize(picture, (width, height) if longest >= 1 else (longest, longest))


def opaque(picture: Picture) -> Picture:
    """The picture without alpha: what shows through is painted in the colours around it.

    A pixel is alpha·own + (1 - alpha)·filled, so that colours nobody sees do not matter. Where all
    are invisible, mid-grey. Returns the same object where there is no alpha.
    """
    alpha = picture.alpha
    if alpha is None:
        return picture
    alpha = alpha.to(picture.device).clamp(0, 1)
    alpha = torch.where(alpha > INVISIBLE, alpha, 0)  # `resize` leaves any colour there
    own = picture.pixels * alpha
    pixels = torch.addcmul(own, 1 - alpha, _filled(own, alpha))
    return Picture(pixels.clamp_(0, 1), None, picture.record)


def _filled(weighted: Tensor, weight: Tensor) -> Tensor:
    """Colours (3, h, w) everywhere, of those known: w·colour (3, h, w) and w (h, w) in [0, 1].

    Push-pull (Gortler et al. 1996, The Lumigraph, 3.4): what is missing at one scale is taken from
    the next coarser one, whose pixels are weighted means of four, and known once w adds up to 1.
    """
    height, width = weight.shape
    if height == width == 1:
        return weighted / weight if weight > 0 else torch.full_like(weighted, 0.5)
    if weight.min() == 1:
        return weighted
    colours, total = _sums_of_four(weighted), _sums_of_four(weight[None])[0]
    excess = total.clamp_min(1)
    coarse = _filled(colours / excess, total / excess)
    finer = interpolate(coarse[None], scale_factor=2, mode="bilinear")[0, :, :height, :width]
    return torch.addcmul(weighted, 1 - weight, finer)


def _sums_of_four(planes: Tensor) -> Tensor:
    """(c, h, w) -> (c, ⌈h/2⌉, ⌈w/2⌉); there are fewer than four at the end of an odd side."""
    return avg_pool2d(planes, 2, ceil_mode=True, divisor_override=1)

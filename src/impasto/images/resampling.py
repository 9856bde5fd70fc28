"""Change of size and shape, and colours for what is transparent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from impasto.errors import ImageError
from impasto.images.circles import OPEN, Wraps
from impasto.images.levels import unit
from impasto.images.picture import Picture, channels

__all__ = ["cropped", "fit", "opaque", "resize"]

INVISIBLE = 1e-3  # alpha below which a pixel's own colour says nothing
WHOLE = 1 << 24  # pixels of a plane that is resized as a whole; larger ones in bands
BAND = 1 << 22  # pixels of a band
REACH = 3  # of Lanczos, in source pixels for enlarging and else in pixels of the result

Box = tuple[float, float, float, float]  # left, top, right, bottom
Rows = Callable[[int, int], np.ndarray]  # first row and the one after the last -> (n, w) float32


def resize(
    picture: Picture, size: tuple[int, int], wraps: Wraps = OPEN, rows: slice | None = None
) -> Picture:
    """Change to size (w, h) by Lanczos with antialiasing, in float32, clamped to [0, 1].

    Colours are weighted by alpha, so that those of invisible pixels do not bleed into visible
    ones. `wraps` tells whether rows and columns are circles, whose ends meet in the result too.
    With `rows` it is only these of the result, to the last bit. Raises ImageError for a side below
    1 px.
    """
    if min(size) < 1:
        raise ImageError(f"size {size[0]}x{size[1]}: expected at least 1x1 px")
    if size == picture.size:
        return picture if rows is None else picture.window(rows, slice(None))
    rows = rows or slice(0, size[1])
    colours, opacity = channels(picture)
    circles = _Circles.of(picture.size, size, wraps)
    pixels = _lanczos([_values(plane) for plane in colours], picture.size, size, circles, rows)
    pixels = pixels.to(picture.device).expand(3, -1, -1)
    if opacity is None:
        return Picture(pixels.clamp(0, 1).contiguous(), None, picture.record)
    alpha = _lanczos([_values(opacity)], picture.size, size, circles, rows).to(picture.device)[0]
    products = [_weighted(plane, opacity) for plane in colours]
    weighted = _lanczos(products, picture.size, size, circles, rows).to(picture.device)
    visible = alpha > INVISIBLE
    pixels = torch.where(visible, weighted / alpha.clamp_min(INVISIBLE), pixels)
    return Picture(pixels.clamp_(0, 1), alpha.clamp_(0, 1), picture.record)


def _values(plane: np.ndarray) -> Rows:
    """Rows of levels (h, w) as values in [0, 1]."""
    if plane.dtype == np.float32:
        return lambda first, end: plane[first:end]
    return lambda first, end: unit(plane[first:end])


def _weighted(plane: np.ndarray, opacity: np.ndarray) -> Rows:
    """Rows of levels (h, w), multiplied by those of alpha (h, w)."""
    values, alpha = _values(plane), _values(opacity)
    return lambda first, end: values(first, end) * alpha(first, end)


@dataclass(frozen=True)
class _Circles:
    """How far a picture goes on beyond its ends where they meet, in rows and in columns."""

    rows: int
    columns: int

    @classmethod
    def of(cls, size: tuple[int, int], target: tuple[int, int], wraps: Wraps) -> _Circles:
        """As far as Lanczos reaches, from `size` (w, h) to `target`."""
        columns, rows = (
            math.ceil(REACH * max(here / there, 1)) + 1
            for here, there in zip(size, target, strict=True)
        )
        return cls(rows * wraps[0], columns * wraps[1])

    def around(self, rows: Rows, height: int) -> Rows:
        """Rows from -`rows` to `height` + `rows`, with columns added on both sides."""

        def turned(first: int, end: int) -> np.ndarray:
            parts = []
            while first < end:
                at = first % height
                count = min(end - first, height - at)
                parts.append(rows(at, at + count))
                first += count
            whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
            return np.pad(whole, ((0, 0), (self.columns, self.columns)), "wrap")

        return turned if self.rows or self.columns else rows


def _lanczos(
    planes: list[Rows],
    size: tuple[int, int],
    target: tuple[int, int],
    circles: _Circles,
    wanted: slice,
) -> Tensor:
    """Planes of `size` (w, h) to the `wanted` rows of target (w, h), (c, n, w), float32, CPU."""
    count = wanted.stop - wanted.start
    resized = np.empty((len(planes), count, target[0]), np.float32)
    (width, height), across, down = size, circles.columns, circles.rows
    for plane, into in zip(planes, resized, strict=True):
        rows = circles.around(plane, height)
        if max(width * height, target[0] * target[1]) <= WHOLE:
            box = (across, down, across + width, down + height)
            into[:] = _resampled(rows(-down, height + down), target, box)[wanted]
        else:
            _in_bands(rows, size, target, into, circles, wanted)
    return torch.from_numpy(resized)


def _in_bands(
    rows: Rows,
    size: tuple[int, int],
    target: tuple[int, int],
    into: np.ndarray,
    circles: _Circles,
    wanted: slice,
) -> None:
    """Resize a plane of `size` (w, h) into the `wanted` rows (n, w') of `target`, in bands.

    A float32 copy of a large plane would take more memory than the picture. Bands are the same
    whatever is wanted of them.
    """
    (width, height), (result_width, result_height) = size, target
    scale = height / result_height
    reach = math.ceil(REACH * max(scale, 1)) + 1
    step = max(1, int(BAND / max(width * scale, result_width)))
    for first in range(0, result_height, step):
        end = min(first + step, result_height)
        if end <= wanted.start or first >= wanted.stop:
            continue
        top, bottom = first * scale, min(end * scale, height)
        start = max(-circles.rows, int(top) - reach)
        stop = min(height + circles.rows, math.ceil(bottom) + reach)
        left = circles.columns
        box = (left, top - start, left + width, bottom - start)
        band = _resampled(rows(start, stop), (result_width, end - first), box)
        low, high = max(first, wanted.start), min(end, wanted.stop)
        into[low - wanted.start : high - wanted.start] = band[low - first : high - first]


def _resampled(plane: np.ndarray, size: tuple[int, int], box: Box) -> np.ndarray:
    """The box of a plane (h, w) at `size` (w, h); Pillow's mode F is float32."""
    sheet = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(sheet.resize(size, Image.Resampling.LANCZOS, box=box))


def cropped(picture: Picture, size: tuple[int, int]) -> Picture:
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

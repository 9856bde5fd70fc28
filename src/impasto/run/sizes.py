"""How pictures and masks come to the sizes at which they are used; sizes are (width, height)."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor

from impasto.encoder import Architecture
from impasto.errors import ImageTooLarge, ImageTooSmall
from impasto.images import Picture, cropped, resize
from impasto.images.circles import OPEN, Wraps
from impasto.images.resampling import whiteness
from impasto.images.stored import AnyPicture
from impasto.settings import Settings
from impasto.settings.schedule import Stage, schedule

__all__ = [
    "Size",
    "canvas_size",
    "check_pixels",
    "check_side",
    "fitted",
    "mask_at",
    "product",
    "stages_of",
    "style_size",
]

Size = tuple[int, int]


def canvas_size(settings: Settings, shape: Size) -> Size:
    """Size of the result, for a picture of the size `shape`."""
    if isinstance(settings.size, tuple):
        return settings.size
    return _with_longest(shape, settings.size or max(shape))


def stages_of(settings: Settings, size: Size, network: Architecture) -> tuple[Stage, ...]:
    """The stages of a result of that size, on the network's grid where it is to be seamless.

    The ends of a circle meet at every layer if its length is a multiple of the deepest one's
    distance of positions.
    """
    taps = [*settings.content_taps, *settings.style_taps]
    step = network.stride(network.deepest(taps)) if taps else 1
    down, across = (step if wraps else 1 for wraps in settings.wraps)
    return schedule(settings, size, (across, down))


def style_size(settings: Settings, picture: Size, index: int, canvas: Size) -> Size:
    """Size of a picture of the style `index`, as it is measured for a canvas."""
    s = settings
    scale = s.style_scale[index] if isinstance(s.style_scale, tuple) else s.style_scale
    if s.style_fit == "same":
        return _times(canvas, scale)
    if s.style_fit == "width":
        return _times(picture, canvas[0] * scale / picture[0])
    longest = max(1, round(max(canvas) * scale))
    native = s.style_fit == "native"
    return _with_longest(picture, min(longest, max(picture)) if native else longest)


def fitted(
    picture: AnyPicture,
    size: Size,
    fit: str,
    *,
    frame: Size | None = None,
    wraps: Wraps = OPEN,
    rows: slice | None = None,
) -> Picture:
    """The picture at `size`; cropped or stretched if its shape differs by more than rounding.

    Its shape is compared with that of `frame`, by default `size`; `wraps` tells whether its rows
    and columns are circles; `rows` are those that are made, by default all.
    """
    return resize(_framed(picture, frame or size, fit), size, wraps, rows)


def mask_at(
    mask: AnyPicture,
    size: Size,
    fit: str,
    *,
    frame: Size | None = None,
    wraps: Wraps = OPEN,
    rows: slice | None = None,
) -> Tensor:
    """A mask at `size`, brought there as the picture that it belongs to: (n, w) in [0, 1].

    See `fitted` for the arguments, and `whiteness` for what a mask is.
    """
    return whiteness(_framed(mask, frame or size, fit), size, wraps, rows)


def product(*masks: Tensor | None) -> Tensor | None:
    """The product of masks (h, w); None, which stands for 1 everywhere, if there is none."""
    there = [mask for mask in masks if mask is not None]
    return reduce(torch.mul, there) if there else None


def check_side(
    role: str, size: Size, settings: Settings, network: Architecture, *, several: bool
) -> None:
    """ImageTooSmall unless a picture has a position at every layer at which it is measured."""
    taps = [*settings.style_taps, *(settings.content_taps if role == "content" else ())]
    if not taps:
        return
    minimum = network.min_side(taps)
    if min(size) < minimum:
        where = "the smallest scale" if several else "this size"
        cure = "smallest" if several and settings.scales == "auto" else "size"
        raise ImageTooSmall(
            f"the {role} image is {size[0]}x{size[1]} px at {where}, but "
            f"{network.deepest(taps)} needs at least {minimum} px a side; raise {cure}"
            f"{' or style_scale' if role == 'style' else ''}, or use shallower layers"
        )


def check_pixels(size: Size, max_pixels: int) -> None:
    """ImageTooLarge for a size of more pixels than the limit."""
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"{width}x{height} px are {width * height} pixels, and the limit is {max_pixels}; "
            f"lower size or style_scale, or raise max_pixels"
        )


def _with_longest(shape: Size, longest: int) -> Size:
    return _times(shape, longest / max(shape))


def _times(size: Size, factor: float) -> Size:
    width, height = (max(1, round(side * factor)) for side in size)
    return width, height


def _framed(picture: AnyPicture, size: Size, fit: str) -> AnyPicture:
    """The part of a picture that is brought to `size`."""
    across, down = size[0] / picture.width, size[1] / picture.height
    close = abs(across - down) * min(picture.size) <= 1
    return picture if close or fit == "stretch" else cropped(picture, size)

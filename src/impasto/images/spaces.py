"""Affine colour spaces: what canvases are optimised in and what networks were trained on.

Every space here is sRGB with its channels reordered, scaled and shifted:

    x[i] = gain[i] · rgb[order[i]] + shift[i]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from impasto.errors import SettingsError

__all__ = [
    "CAFFE",
    "CAFFE_RGB",
    "IMAGENET",
    "LUMA",
    "SPACES",
    "SRGB",
    "ColourSpace",
    "colour_space",
]

LUMA = (0.2126, 0.7152, 0.0722)
"""Shares of red, green and blue in Rec. 709's luma, here of encoded values: close to lightness."""


@dataclass(frozen=True)
class ColourSpace:
    """x[i] = gain[i] · rgb[order[i]] + shift[i], with rgb in [0, 1]."""

    name: str
    order: tuple[int, int, int]
    gain: tuple[float, float, float]
    shift: tuple[float, float, float]

    def from_srgb(self, rgb: Tensor) -> Tensor:
        """(..., 3, h, w) in [0, 1] -> the same picture in this space."""
        return self._gain(rgb) * _reordered(rgb, self.order) + _column(self.shift, rgb)

    def to_srgb(self, x: Tensor) -> Tensor:
        """Inverse of `from_srgb`; not clipped."""
        rgb = (x - _column(self.shift, x)) / self._gain(x)
        return _reordered(rgb, self._inverse())

    def convert(self, x: Tensor, target: ColourSpace) -> Tensor:
        """X in this space -> the same picture in `target`; exactly x where they are the same."""
        return x if target == self else target.from_srgb(self.to_srgb(x))

    def convert_cotangent(self, cotangent: Tensor, target: ColourSpace) -> Tensor:
        """Gradient with respect to x, from that with respect to `convert(x, target)`."""
        if target == self:
            return cotangent
        rgb = _reordered(cotangent * target._gain(cotangent), target._inverse())
        return _reordered(rgb, self.order) / self._gain(rgb)

    @property
    def low(self) -> tuple[float, float, float]:
        """Black, channel by channel."""
        return self.shift

    @property
    def high(self) -> tuple[float, float, float]:
        """White, channel by channel."""
        return tuple(g + s for g, s in zip(self.gain, self.shift, strict=True))  # type: ignore[return-value]  # of three, as they come in

    def _gain(self, like: Tensor) -> Tensor:
        return _column(self.gain, like)

    def _inverse(self) -> tuple[int, ...]:
        return tuple(self.order.index(channel) for channel in range(3))


def _reordered(x: Tensor, order: tuple[int, ...]) -> Tensor:
    """Channels of x (..., 3, h, w) in this order."""
    return torch.stack([x[..., channel, :, :] for channel in order], -3)


def _column(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return _constant(values, like.dtype, like.device)


@cache  # made once: a copy to a GPU would wait for it, and cannot be part of a captured graph
def _constant(
    values: tuple[float, float, float], dtype: torch.dtype, device: torch.device
) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device).view(3, 1, 1)


SRGB = ColourSpace("srgb", (0, 1, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
CAFFE = ColourSpace("caffe", (2, 1, 0), (255.0, 255.0, 255.0), (-103.939, -116.779, -123.68))
CAFFE_RGB = ColourSpace(
    "caffe-rgb", (0, 1, 2), (255.0, 255.0, 255.0), (-123.68, -116.779, -103.939)
)
IMAGENET = ColourSpace(
    "imagenet",
    (0, 1, 2),
    (1 / 0.229, 1 / 0.224, 1 / 0.225),
    (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
)
SPACES = {space.name: space for space in (CAFFE, CAFFE_RGB, IMAGENET, SRGB)}


def colour_space(name: str) -> ColourSpace:
    """The space called `name`; SettingsError lists those there are."""
    if name not in SPACES:
        raise SettingsError(f"space is {name!r}; expected one of {', '.join(SPACES)}")
    return SPACES[name]

"""Maxima and minima of a plane in square windows, by rows and then by columns."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import max_pool2d

__all__ = ["dilated", "eroded"]


def dilated(plane: Tensor, window: int) -> Tensor:
    """The maximum in a square window around each pixel of (h, w), as far as it is within.

    `window` is an odd number of pixels.
    """
    reach = window // 2
    for shape in ((window, 1), (1, window)):
        margins = tuple(reach if side > 1 else 0 for side in shape)
        plane = max_pool2d(plane[None], shape, 1, margins)[0]
    return plane


def eroded(plane: Tensor, window: int) -> Tensor:
    """The minimum in such a window around each pixel of (h, w)."""
    return -dilated(-plane, window)

"""Light on a painted picture: what relief and grain share.

An effect draws a shade (h, w), 0 where the picture stays as it is, and lights the picture by it.
Its lengths are fractions of the longest side, so that a print looks like its preview. A shade has
no detail finer than such a fraction: that of a large picture is drawn smaller and enlarged, which
bounds time and memory.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from impasto.images.circles import OPEN, Wraps, continued, interpolated
from impasto.images.spaces import LUMA

__all__ = ["DARKEST", "blurred", "gaussian", "lit", "luma", "reduced", "reduced_size"]

DARKEST = 0.45  # a shade's greatest value; below 0.5 no colour leaves the gamut (see `lit`)
_LARGEST = 2048  # longest side of a reduced plane, in pixels


def lit(picture: Tensor, shade: Tensor, wraps: Wraps = OPEN) -> Tensor:
    """Picture (3, h, w) in [0, 1] under a shade (h', w') in ± DARKEST, enlarged to its size.

    Each colour is multiplied by 1 + s·(1 - v²), where v is its greatest channel and s the shade.
    That keeps hue, saturation, black and white. v·(1 + s·(1 - v²)) rises with v, from 0 to 1, for
    |s| ≤ 1/2. The shade is shifted so that the mean lightness stays.
    """
    if shade.shape != picture.shape[1:]:
        size = (picture.shape[1], picture.shape[2])
        shade = interpolated(shade, size, wraps, mode="bicubic")
    factor = 1 - picture.amax(0).square()
    change = luma(picture) * factor  # of lightness, for s = 1
    shade = shade - (shade * change).sum() / change.sum().clamp_min(1e-9)
    return (picture * (1 + shade * factor)).clamp_(0, 1)


def blurred(plane: Tensor, radius: float, wraps: Wraps = OPEN) -> Tensor:
    """A plane (h, w) under a Gaussian with this standard deviation in pixels.

    Beyond the border the pixels at the border repeat; a circle, which `wraps`, has none.
    """
    weights = gaussian(radius).to(plane)
    reach, plane = len(weights) // 2, plane[None, None]
    plane = conv2d(continued(plane, (reach, 0), wraps), weights.view(1, 1, -1, 1))
    plane = conv2d(continued(plane, (0, reach), wraps), weights.view(1, 1, 1, -1))
    return plane[0, 0]


def gaussian(radius: float) -> Tensor:
    """Weights (2·⌈3·radius⌉ + 1,) of a Gaussian with this standard deviation, float32, sum 1."""
    reach = math.ceil(3 * radius)
    places = torch.arange(-reach, reach + 1, dtype=torch.float32, device="cpu")
    weights: Tensor = torch.exp(-(places / radius).square() / 2)
    return weights / weights.sum()


def luma(picture: Tensor) -> Tensor:
    """Picture (3, h, w) in [0, 1] -> its Rec. 709 luma (h, w) in [0, 1]."""
    luma: Tensor = torch.tensordot(picture.new_tensor(LUMA), picture, 1)
    return luma


def reduced(plane: Tensor, wraps: Wraps = OPEN) -> Tensor:
    """Plane (h, w) -> (h', w'), its longest side at most 2048 px; itself where it fits already."""
    size = reduced_size(plane)
    if size == plane.shape:
        return plane
    return interpolated(plane, size, wraps, mode="bicubic", antialias=True)


def reduced_size(picture: Tensor) -> tuple[int, int]:
    """(h', w') to which a picture (..., h, w) is reduced."""
    height, width = picture.shape[-2:]
    scale = min(1.0, _LARGEST / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))

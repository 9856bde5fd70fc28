"""Pictures whose ends meet: a row or a column beyond one end is that of the other.

`wraps` are two truth values: whether rows are a circle, top and bottom meeting, and whether columns
are, left and right meeting.
"""

from __future__ import annotations

from math import ceil, gcd
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

__all__ = ["OPEN", "Wraps", "continued", "interpolated"]

Wraps = tuple[bool, bool]

OPEN: Wraps = (False, False)

_REACH = 3  # of bicubic and bilinear filters, in pixels of the coarser picture, rounded up


def continued(planes: Tensor, margins: tuple[int, int], wraps: Wraps) -> Tensor:
    """Planes (..., h, w) with margins (rows, columns) on both sides: a circle's own, else the edge.

    (..., h + 2·rows, w + 2·columns).
    """
    for axis, margin, around in zip((-2, -1), margins, wraps, strict=True):
        length = planes.shape[axis]
        places = torch.arange(-margin, length + margin, device=planes.device)
        places = places % length if around else places.clamp(0, length - 1)
        planes = planes.index_select(axis, places)
    return planes


def interpolated(planes: Tensor, size: tuple[int, int], wraps: Wraps, **options: Any) -> Tensor:  # noqa: ANN401 (of torch's interpolate)
    """Planes (..., h, w) at the size (h', w') by torch's `interpolate`, round the circles.

    A circle is continued on both sides by whole pixels of both sizes, of which h/g and h'/g fall
    together, g their greatest common divisor; what is beyond is left out of the result.
    """
    margins, kept = list[int](), list[slice]()
    larger = list[int]()
    for length, target, around in zip(planes.shape[-2:], size, wraps, strict=True):
        common = gcd(length, target)
        unit, unit_there = length // common, target // common
        count = ceil(_REACH * max(1.0, length / target) / unit) if around else 0
        margins.append(count * unit)
        kept.append(slice(count * unit_there, count * unit_there + target))
        larger.append(target + 2 * count * unit_there)
    stacked = continued(planes, (margins[0], margins[1]), wraps)
    stacked = stacked.reshape(1, -1, *stacked.shape[-2:])
    found = interpolate(stacked, size=tuple(larger), **options)[0, :, kept[0], kept[1]]
    return found.reshape(*planes.shape[:-2], *size)

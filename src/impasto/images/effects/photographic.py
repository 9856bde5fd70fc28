"""A painted picture as a photograph: its colours and light on the photograph's own structure."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

__all__ = ["guided", "photographic"]

_REACH = 1 / 50  # of the longest side: from the middle of a window to its side
_NOISE = 0.02  # deviation of a colour below which a window of the photograph counts as flat
_LONGEST = 512  # px, longest side at which the functions are found


def photographic(picture: Tensor, strength: float, content: Tensor) -> Tensor:
    """The picture (3, h, w) in [0, 1], each small part as a linear function of the photograph's.

    Strokes go, for the photograph has none, and its own edges and textures come back. `strength`
    is 0 (no change) to 1; `content`, (3, h, w) in [0, 1], is the photograph.
    """
    if strength == 0:
        return picture
    return picture.lerp(guided(picture, content.to(picture)).clamp_(0, 1), strength)


def guided(picture: Tensor, guide: Tensor) -> Tensor:
    """The guided filter of a picture by a guide, (3, h, w) each and in [0, 1]; not bounded.

    In each window the picture is regressed on the guide's colours, p ~ A g + b with
    A = cov(p, g) (cov(g, g) + ε)⁻¹ and b = mean(p) - A mean(g); the result is A g + b, with the
    mean A and b of all windows around a pixel (He, Sun & Tang 2010, eqs. 14 to 16). Functions that
    are locally linear in the photograph's colours are those that cost nothing under its matting
    Laplacian, by which Luan et al. 2017, "Deep Photo Style Transfer", eq. 2, keep a photograph a
    photograph; the filter is a step of descent towards them. Of a large picture, A and b are found
    at 512 px and enlarged (He & Sun 2015, "Fast Guided Filter").
    """
    height, width = guide.shape[1:]
    scale = min(1.0, _LONGEST / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    reach = max(1, round(_REACH * max(size)))
    slope, offset = _regression(_at(picture, size), _at(guide, size), reach)
    found = _means(torch.cat([slope.flatten(0, 1), offset]), reach)  # (9 + 3, h', w')
    found = _at(found, (height, width))
    return (found[:9].view(3, 3, height, width) * guide).sum(1) + found[9:]


def _regression(picture: Tensor, guide: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """A (3, 3, h, w) and b (3, h, w) of picture ~ A guide + b in the window around each pixel."""
    mean, light = _means(picture, reach), _means(guide, reach)
    spread = _products(guide, guide, reach) - light[:, None] * light
    shared = _products(guide, picture, reach) - light[:, None] * mean  # Aᵀ's right side
    ridge = _NOISE**2 * torch.eye(3, dtype=guide.dtype, device=guide.device)
    inside, right = (x.permute(2, 3, 0, 1) for x in (spread, shared))  # (h, w, 3, 3) each
    slope = torch.linalg.solve(inside + ridge, right).permute(3, 2, 0, 1)
    return slope, mean - (slope * light).sum(1)


def _products(x: Tensor, y: Tensor, reach: int) -> Tensor:
    """Means of x yᵀ in windows: (3, h, w) twice -> (3, 3, h, w)."""
    return _means((x[:, None] * y).flatten(0, 1), reach).view(3, *y.shape)


def _means(planes: Tensor, reach: int) -> Tensor:
    """Means of planes (c, h, w) in the square window around each pixel, as far as it is within."""
    for side in ((2 * reach + 1, 1), (1, 2 * reach + 1)):
        margin = (side[0] // 2, side[1] // 2)
        planes = avg_pool2d(planes, side, 1, margin, count_include_pad=False)
    return planes


def _at(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Planes (c, h', w') at a size (h, w)."""
    if planes.shape[1:] == size:
        return planes
    return interpolate(planes[None], size=size, mode="bilinear", antialias=True)[0]

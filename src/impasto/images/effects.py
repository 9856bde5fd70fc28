"""Last touches on a painted picture (3, h, w), sRGB in [0, 1]: thick paint, or grain.

A finish is a pure function of picture and strength, 0 to 1. It draws a shade (h, w), 0 where the
picture stays as it is, and the picture is lit by it. Its lengths are parts of the picture's longest
side, so that a print looks like its preview. Nothing in a shade is finer than such a part: those of
large pictures are drawn on a smaller sheet and enlarged, which bounds time and memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample, interpolate, pad

__all__ = ["FINISHES"]

_SHEET = 2048  # longest side of a sheet, in pixels
_LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709, here of encoded values: close to lightness
_DARKEST = 0.45  # a shade's greatest value; below 0.5 no colour leaves the gamut (see `_lit`)

_HAIR = 1 / 700  # finest relief, part of the longest side: below it lies the network's own noise
_STROKE = 1 / 120  # broadest relief: what varies more slowly is the drawing
_FAINT = 0.03  # lightness: fainter strokes are as much flatter; stronger ones are equally thick
_THICKNESS = 1.3  # of the paint: the slope from the middle of a stroke down to its side

_GRAIN = 1 / 1800  # a grain's radius (standard deviation), part of the longest side …
_LEAST_GRAIN = 0.5  # … but this many pixels: a grain has a pixel across
_ROUGHNESS = 0.15  # standard deviation of the shade


def untouched(picture: Tensor, strength: float) -> Tensor:
    """The picture itself."""
    return picture


def relief(picture: Tensor, strength: float) -> Tensor:
    """Its own strokes as ridges of paint, lit from the upper left."""
    if strength == 0:
        return picture
    height = _height(_sheet(_luma(picture)))  # (h', w')
    slope = _THICKNESS * _HAIR * max(height.shape) * _gradient(height)
    # Lambert's n·l over that of flat paint, n ~ (-∂x, -∂y, 1) and l ~ (-1, -1, 1).
    shade = (1 + slope.sum(0)) / (1 + slope.square().sum(0)).sqrt() - 1
    return _lit(picture, strength * _DARKEST * torch.tanh(shade / _DARKEST))


def grain(picture: Tensor, strength: float) -> Tensor:
    """Grain of film or canvas, in the lightness alone; none in black and white."""
    if strength == 0:
        return picture
    height, width = _sheet_size(picture)
    radius = max(_LEAST_GRAIN, _GRAIN * max(height, width))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(height, width, generator=generator, dtype=torch.float32, device="cpu")
    noise = _blurred(noise, radius) / _gaussian(radius).square().sum()  # of variance 1
    shade = (_ROUGHNESS * noise).clamp(-_DARKEST, _DARKEST)
    return _lit(picture, strength * shade.to(picture))


FINISHES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "none": untouched,
    "relief": relief,
    "grain": grain,
}
"""Finish by name: picture (3, h, w) and strength in [0, 1] -> picture."""


def _lit(picture: Tensor, shade: Tensor) -> Tensor:
    """Colours times 1 + s·(1 - v²), v their greatest channel and s the shade, enlarged to them.

    Hue and saturation stay as they are, and so do black and white. v·(1 + s·(1 - v²)) rises with v,
    from 0 to 1, for |s| ≤ 1/2. The shade is shifted so that the mean lightness stays as well.
    """
    if shade.shape != picture.shape[1:]:
        shade = interpolate(shade[None, None], size=picture.shape[1:], mode="bicubic")[0, 0]
    room = 1 - picture.amax(0).square()
    change = _luma(picture) * room  # of lightness, for s = 1
    shade = shade - (shade * change).sum() / change.sum().clamp_min(1e-9)
    return (picture * (1 + shade * room)).clamp_(0, 1)


def _height(lightness: Tensor) -> Tensor:
    """Height of the paint, (h, w) in -1 to 1: lighter than what is around is higher.

    A stroke's height depends little on how much it stands out: ridges of paint are alike, and
    outlines would else be cut as with a knife.
    """
    hair, stroke = (part * max(lightness.shape) for part in (_HAIR, _STROKE))
    detail = lightness - _blurred(lightness, stroke)
    contrast = _blurred(detail.square(), 1.5 * stroke).sqrt()
    combed = _combed(_blurred(detail, hair / 2), _direction(lightness, hair), 1.5 * hair)
    return torch.tanh(combed / (contrast + _FAINT))


def _direction(lightness: Tensor, hair: float) -> Tensor:
    """Unit vectors (h, w, 2), across and down, along the strokes: where lightness varies least.

    They are eigenvectors of the structure tensor, ∇L ∇Lᵀ blurred (Bigün & Granlund 1987).
    """
    down, across = _gradient(_blurred(lightness, 0.7 * hair))
    even = _blurred(across.square() - down.square(), 2.5 * hair)
    odd = _blurred(2 * across * down, 2.5 * hair)
    steepest = torch.atan2(odd, even) / 2
    return torch.stack([-steepest.sin(), steepest.cos()], -1)


def _combed(height: Tensor, direction: Tensor, length: float) -> Tensor:
    """Height (h, w) averaged along `direction` (h, w, 2), up to seven lengths either way.

    In three rounds, each twice as far as the last: a step is blurred a little by sampling between
    pixels, and many short ones would blur across the strokes too.
    """
    rows, columns = height.shape
    down, across = (_middles(n, height) for n in (rows, columns))
    here = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)  # (h, w, 2) in [-1, 1]
    stride = direction * (2 * length / direction.new_tensor([columns, rows]))
    for far in (1, 2, 4):
        ahead, behind = (_sampled(height, here + step * stride) for step in (far, -far))
        height = height / 2 + (ahead + behind) / 4
    return height


def _sampled(plane: Tensor, places: Tensor) -> Tensor:
    """A plane (h, w) at places (h, w, 2) in [-1, 1]; beyond the border its pixels repeat."""
    sampled: Tensor = grid_sample(
        plane[None, None], places[None], "bicubic", padding_mode="border", align_corners=False
    )
    return sampled[0, 0]


def _gradient(plane: Tensor) -> Tensor:
    """Central differences (2, h, w) of a plane (h, w), down and across; 0 beyond the border."""
    padded = pad(plane[None, None], (1, 1, 1, 1), "replicate")[0, 0]
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    return torch.stack([down, across]) / 2


def _blurred(plane: Tensor, radius: float) -> Tensor:
    """A plane (h, w) under a Gaussian of this standard deviation; beyond the border it repeats."""
    weights = _gaussian(radius).to(plane)
    reach, plane = len(weights) // 2, plane[None, None]
    plane = conv2d(pad(plane, (0, 0, reach, reach), "replicate"), weights.view(1, 1, -1, 1))
    plane = conv2d(pad(plane, (reach, reach, 0, 0), "replicate"), weights.view(1, 1, 1, -1))
    return plane[0, 0]


def _middles(count: int, like: Tensor) -> Tensor:
    """The middles of `count` pixels that fill [-1, 1], (count,), in the dtype of `like`."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) * 2 + 1) / count - 1


def _gaussian(radius: float) -> Tensor:
    """A Gaussian's weights out to three standard deviations, of sum 1."""
    reach = math.ceil(3 * radius)
    places = torch.arange(-reach, reach + 1, dtype=torch.float32, device="cpu")
    weights: Tensor = torch.exp(-(places / radius).square() / 2)
    return weights / weights.sum()


def _luma(picture: Tensor) -> Tensor:
    """(3, h, w) -> (h, w) in [0, 1]."""
    luma: Tensor = torch.tensordot(picture.new_tensor(_LUMA), picture, 1)
    return luma


def _sheet(plane: Tensor) -> Tensor:
    """A plane (h, w) on its sheet; itself where that is no smaller."""
    size = _sheet_size(plane)
    if size == plane.shape:
        return plane
    return interpolate(plane[None, None], size=size, mode="bicubic", antialias=True)[0, 0]


def _sheet_size(picture: Tensor) -> tuple[int, int]:
    """(h', w') of the sheet for a picture (..., h, w)."""
    height, width = picture.shape[-2:]
    scale = min(1.0, _SHEET / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))

"""Relief: the painting's own strokes as ridges of paint, lit from the upper left."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from impasto.images.circles import OPEN, Wraps, continued
from impasto.images.effects.light import DARKEST, blurred, lit, luma, reduced

__all__ = ["relief"]

_HAIR = 1 / 700  # finest relief, fraction of the longest side: below it is the network's own noise
_STROKE = 1 / 120  # broadest relief: what varies more slowly is the drawing
_FAINT = 0.03  # lightness: fainter strokes are flatter; all stronger ones are equally thick
_THICKNESS = 1.3  # of the paint: the slope from the middle of a stroke down to its side


def relief(picture: Tensor, strength: float, wraps: Wraps = OPEN) -> Tensor:
    """Picture (3, h, w) in [0, 1] with its own strokes as ridges of paint, lit from the upper left.

    `strength` is 0 (no change) to 1.
    """
    if strength == 0:
        return picture
    height = _height(reduced(luma(picture), wraps), wraps)  # (h', w')
    slope = _THICKNESS * _HAIR * max(height.shape) * _gradient(height, wraps)
    # Lambert's n·l over that of flat paint, n ~ (-∂x, -∂y, 1) and l ~ (-1, -1, 1).
    shade = (1 + slope.sum(0)) / (1 + slope.square().sum(0)).sqrt() - 1
    return lit(picture, strength * DARKEST * torch.tanh(shade / DARKEST), wraps)


def _height(lightness: Tensor, wraps: Wraps) -> Tensor:
    """Lightness (h, w) in [0, 1] -> height of the paint (h, w) in [-1, 1].

    A stroke that is lighter than its surroundings is higher. How much lighter it is matters little:
    ridges of paint are alike, and outlines in proportion to their contrast look cut with a knife.
    """
    hair, stroke = (part * max(lightness.shape) for part in (_HAIR, _STROKE))
    detail = lightness - blurred(lightness, stroke, wraps)
    contrast = blurred(detail.square(), 1.5 * stroke, wraps).sqrt()
    fine, along = blurred(detail, hair / 2, wraps), _direction(lightness, hair, wraps)
    combed = _combed(fine, along, 1.5 * hair, wraps)
    return torch.tanh(combed / (contrast + _FAINT))


def _direction(lightness: Tensor, hair: float, wraps: Wraps) -> Tensor:
    """Unit vectors (h, w, 2), across and down, along the strokes: where lightness varies least.

    These are eigenvectors of the structure tensor, ∇L ∇Lᵀ blurred (Bigün & Granlund 1987).
    """
    down, across = _gradient(blurred(lightness, 0.7 * hair, wraps), wraps)
    even = blurred(across.square() - down.square(), 2.5 * hair, wraps)
    odd = blurred(2 * across * down, 2.5 * hair, wraps)
    steepest = torch.atan2(odd, even) / 2
    return torch.stack([-steepest.sin(), steepest.cos()], -1)


def _combed(height: Tensor, direction: Tensor, length: float, wraps: Wraps) -> Tensor:
    """Height (h, w) averaged along `direction` (h, w, 2), up to seven lengths either way.

    In three rounds, each twice as far as the last: sampling between pixels blurs a little, and many
    short steps would blur across the strokes too.
    """
    rows, columns = height.shape
    down, across = (_middles(n, height) for n in (rows, columns))
    here = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)  # (h, w, 2) in [-1, 1]
    stride = direction * (2 * length / direction.new_tensor([columns, rows]))
    for far in (1, 2, 4):
        reach = ceil(far * length) + 3  # of bicubic sampling too
        ahead, behind = (
            _sampled(height, here + step * stride, reach, wraps) for step in (far, -far)
        )
        height = height / 2 + (ahead + behind) / 4
    return height


def _middles(count: int, like: Tensor) -> Tensor:
    """The middles of `count` pixels that fill [-1, 1], (count,), in the dtype of `like`."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) * 2 + 1) / count - 1


def _sampled(plane: Tensor, places: Tensor, reach: int, wraps: Wraps) -> Tensor:
    """A plane (h, w) at places (h, w, 2), which are in [-1, 1] or at most `reach` pixels beyond.

    Beyond the border its pixels repeat; a circle has none.
    """
    margins = reach * wraps[0], reach * wraps[1]
    size, plane = plane.shape, continued(plane, margins, wraps)
    places = places * places.new_tensor(
        [here / there for here, there in zip(size[::-1], plane.shape[::-1], strict=True)]
    )
    sampled: Tensor = grid_sample(
        plane[None, None], places[None], "bicubic", padding_mode="border", align_corners=False
    )
    return sampled[0, 0]


def _gradient(plane: Tensor, wraps: Wraps) -> Tensor:
    """Central differences (2, h, w) of a plane (h, w), down and across; 0 beyond the border."""
    padded = continued(plane, (1, 1), wraps)
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    return torch.stack([down, across]) / 2

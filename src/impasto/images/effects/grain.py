"""Grain of film or canvas, in the lightness alone."""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.images.circles import OPEN, Wraps
from impasto.images.effects.light import DARKEST, blurred, gaussian, lit, reduced_size

__all__ = ["grain"]

_GRAIN = 1 / 1800  # a grain's radius (standard deviation), fraction of the longest side …
_MIN_GRAIN = 0.5  # … and at least this many pixels: a grain has a pixel across
_ROUGHNESS = 0.15  # standard deviation of the shade


def grain(picture: Tensor, strength: float, wraps: Wraps = OPEN) -> Tensor:
    """Picture (3, h, w) in [0, 1] with grain in its lightness; none in black and white.

    `strength` is 0 (no change) to 1. The grain of all pictures of one size is the same.
    """
    if strength == 0:
        return picture
    height, width = reduced_size(picture)
    radius = max(_MIN_GRAIN, _GRAIN * max(height, width))
    generator = torch.Generator("cpu").manual_seed(0)
    noise = torch.randn(height, width, generator=generator, dtype=torch.float32, device="cpu")
    noise = blurred(noise, radius, wraps) / gaussian(radius).square().sum()  # of variance 1
    shade = (_ROUGHNESS * noise).clamp(-DARKEST, DARKEST)
    return lit(picture, strength * shade.to(picture), wraps)

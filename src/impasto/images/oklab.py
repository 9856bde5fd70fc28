"""Oklab, a colour space of even steps to the eye, and the border of what sRGB shows in it.

Colours are (3, n) or (3, h, w): lightness L in [0, 1], green-red a and blue-yellow b in about ± 0.3
(Ottosson 2020, bottosson.github.io/posts/oklab). All functions keep the dtype and the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["encoded", "from_oklab", "nearer_lightness", "reduced_chroma", "to_oklab"]

_LMS = torch.tensor(  # of linear RGB
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=torch.float64,
    device="cpu",
)
_LAB = torch.tensor(  # of ∛LMS; in the digits of CSS Color 4, in which greys are a = b = 0
    [
        [0.2104542683, 0.7936177747, -0.0040720430],
        [1.9779985324, -2.4285922420, 0.4505937096],
        [0.0259040425, 0.7827717125, -0.8086757549],
    ],
    dtype=torch.float64,
    device="cpu",
)


def to_oklab(rgb: Tensor) -> Tensor:
    """SRGB in [0, 1] -> Oklab: M₂ ∛(M₁ rgb) with rgb linear."""
    lms = _times(_LMS, _linear(rgb))
    return _times(_LAB, lms.sign() * lms.abs() ** (1 / 3))


def from_oklab(lab: Tensor) -> Tensor:
    """Inverse of `to_oklab`; values lie outside [0, 1] for colours that sRGB lacks."""
    return encoded(_light(lab))


def encoded(light: Tensor) -> Tensor:
    """Linear light -> sRGB values (IEC 61966-2-1), odd below 0; any shape."""
    size = light.abs()
    curve = light.sign() * (1.055 * size ** (1 / 2.4) - 0.055)
    return torch.where(size > 0.0031308, curve, light * 12.92)


def nearer_lightness(lab: Tensor, move: Tensor) -> Tensor:
    """Oklab (3, n) with as much of `move` (1, n) in lightness as brings a colour into sRGB.

    Colours that sRGB shows stay. By bisection, to 1/256 of the move.
    """
    lost = ~_fits(lab)
    start, enough = lab[:, lost], lab.new_ones(int(lost.sum()))
    move, less = move[:, lost], torch.zeros_like(enough)
    for _ in range(8):
        middle = (less + enough) / 2
        fits = _fits(torch.cat([start[:1] + middle * move, start[1:]]))
        less, enough = torch.where(fits, less, middle), torch.where(fits, middle, enough)
    nearer = lab.clone()
    nearer[:1, lost] = start[:1] + enough * move
    return nearer


def reduced_chroma(lab: Tensor) -> Tensor:
    """Oklab (3, n), L in [0, 1], where sRGB lacks the colour with the most chroma that it shows.

    By bisection between the colour and the grey of the same lightness, to 1e-5 of the chroma.
    """
    lost = ~_fits(lab)
    beyond, inside = lab[:, lost], lab[:, lost]
    inside[1:] = 0
    for _ in range(16):
        middle = (inside + beyond) / 2
        fits = _fits(middle)
        inside, beyond = torch.where(fits, middle, inside), torch.where(fits, beyond, middle)
    reduced = lab.clone()
    reduced[:, lost] = inside
    return reduced


def _fits(lab: Tensor) -> Tensor:
    """Whether sRGB shows these colours (3, n): (n,)."""
    light = _light(lab)
    return ((light >= -1e-12) & (light <= 1 + 1e-12)).all(0)


def _light(lab: Tensor) -> Tensor:
    """Oklab -> linear RGB, outside [0, 1] for colours that sRGB lacks."""
    return _times(_LMS.inverse(), _times(_LAB.inverse(), lab) ** 3)


def _linear(rgb: Tensor) -> Tensor:
    """Inverse of `encoded`."""
    size = rgb.abs()
    return torch.where(size > 0.04045, rgb.sign() * ((size + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def _times(matrix: Tensor, colours: Tensor) -> Tensor:
    """Matrix (3, 3) times colours (3, ...)."""
    return (matrix.to(colours) @ colours.flatten(1)).view_as(colours)

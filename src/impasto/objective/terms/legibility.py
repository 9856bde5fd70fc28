"""Lettering and thin lines: differences of lightness between neighbours, as in the photograph.

    w · Σ m · (Δ(L - P) / 0.1)² / (h·w)

over the steps Δ from a pixel down and across, with L the lightness of the canvas, P that of the
photograph, both Rec. 709's luma of values in [0, 1], and m a map (h, w) in [0, 1] of where the
photograph has thin things of strong contrast. Only steps count: hue, and how light a place is as a
whole, are free to be the painting's. The energy is that of Poisson image editing (Pérez, Gangnet &
Blake 2003, eq. 3) with the photograph as guidance; Li et al. 2017, "Laplacian-Steered Neural Style
Transfer", hold second differences instead, everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from impasto.errors import SettingsError
from impasto.images.morphology import dilated, eroded
from impasto.images.spaces import LUMA, SRGB, ColourSpace
from impasto.objective.strips import Strip

__all__ = ["LegibilityTerm", "thin_parts"]

_BAND = 2**20  # pixels at a time: the differences of a print would be as large as the print
_UNIT = 0.1  # of lightness: a step that is lost by so much costs w
_THIN = 1 / 80  # of the longest side: what is thinner is thin
_CONTRAST = 0.25  # of lightness, at which the map is ½: grain and fur have less, letters more


class LegibilityTerm:
    """w · Σ m · (Δ(L - P) / 0.1)² / (h·w).

    Args:
        picture: the photograph, sRGB (3, h, w) in [0, 1], of the canvas's size and on its device.
        weight: w.
        space: the canvas's colour space.
        strip: the part of the canvas that is given; the photograph is whole.

    Raises SettingsError without a photograph.
    """

    name = "legibility"

    def __init__(
        self,
        picture: Tensor | None,
        weight: float,
        space: ColourSpace,
        strip: Strip | None = None,
    ) -> None:
        if picture is None:
            raise SettingsError("the legibility term has a weight, but there is no content picture")
        luma = picture.new_tensor(LUMA).view(3, 1, 1)
        light = (luma * picture).sum(0)
        where = thin_parts(light)
        self._light, self._where = (strip.of(x) if strip else x for x in (light, where))
        self._strip, self._height = strip, picture.shape[1]
        self._luma = space.convert_cotangent(luma, SRGB)  # ∂L/∂x
        self._weight = weight / _UNIT**2

    def add(self, canvas: Tensor, gradient: Tensor) -> Tensor:
        """The term at a canvas, a scalar; its gradient is added to `gradient`, both (3, h, w)."""
        (height, width), strip = canvas.shape[1:], self._strip
        scale, value = self._weight / (self._height * width), canvas.new_zeros(())
        first, last = (strip.above, strip.above + strip.rows) if strip else (0, height)
        band = max(1, _BAND // width)
        for top in range(first, last, band):
            rows = min(band, last - top)
            part = slice(top, top + rows + 1)  # with the row below, to which its last one steps
            apart = (self._luma * canvas[:, part]).sum(0) - self._light[part]
            found, slope = _steps(apart, self._where[part], rows)
            value = value + scale * found
            gradient[:, part].add_(self._luma * slope, alpha=scale)
        return value


def _steps(apart: Tensor, where: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Σ m·Δ² of the steps from the first `rows` of a plane (h, w), and its gradient (h, w)."""
    slope, value = torch.zeros_like(apart), apart.new_zeros(())
    down, across = apart.diff(dim=0), apart[:rows].diff(dim=1)
    for difference, axis in ((down, 0), (across, 1)):
        count = difference.shape[axis]
        weighted = where[: difference.shape[0], : difference.shape[1]] * difference
        value = value + (weighted * difference).sum()
        lines = slope[: rows if axis else None]
        lines.narrow(axis, 1, count).add_(weighted, alpha=2)
        lines.narrow(axis, 0, count).sub_(weighted, alpha=2)
    return value, slope


def thin_parts(light: Tensor) -> Tensor:
    """Where lightness (h, w) in [0, 1] has thin things of strong contrast: (h, w) in [0, 1].

    Closing L less L is what is darker than all around it and thinner than a window, L less opening
    L what is lighter (top-hat transforms; Meyer 1979). A step from one surface to another is in
    neither. t² / (t² + c²) of their maximum t is spread by a window, so that the ground between the
    strokes of a letter counts, and smoothed.
    """
    window = 2 * max(1, round(_THIN * max(light.shape) / 2)) + 1
    dark = eroded(dilated(light, window), window) - light
    pale = light - dilated(eroded(light, window), window)
    thin = torch.maximum(dark, pale).square()
    spread = dilated(thin / (thin + _CONTRAST**2), window)
    return _mean(spread, window)


def _mean(plane: Tensor, window: int) -> Tensor:
    reach = window // 2
    wide = pad(plane[None], (reach,) * 4, "replicate")
    return avg_pool2d(wide, window, 1)[0]

"""Squared difference to a given picture under a weight map.

    w · Σ m ‖x - r‖² / D

over the pixels of the canvas x (3, h, w), with r the reference (3, h, w), m the map (h, w) in
[0, 1], ‖·‖ over the three channels, all in the canvas's colour space, and D = 3·h·w. It holds parts
of a canvas near a picture. With the last frame of a film, warped by the optical flow, as r, and m
where the flow is reliable, it is the temporal loss of Ruder, Dosovitskiy & Brox 2016, "Artistic
Style Transfer for Videos", eq. 7.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from impasto.errors import SettingsError
from impasto.objective.terms.base import TermContext, TermFactory

__all__ = ["ReferenceTerm", "reference"]

_MIN_VARIANCE = 1e-6  # of a picture of one colour, which has no unit of its own


class ReferenceTerm:
    """w · Σ m ‖x - r‖² / (3·h·w).

    Args:
        picture: r, (3, h, w) in the canvas's colour space, on its device.
        where: m, (h, w) in [0, 1]; None for 1 everywhere.
        weight: w.
        name: what traces and reports call the term.

    Raises SettingsError for a map of another size.
    """

    def __init__(
        self,
        picture: Tensor,
        where: Tensor | None = None,
        *,
        weight: float = 1.0,
        name: str = "reference",
    ) -> None:
        if where is not None and where.shape != picture.shape[1:]:
            raise SettingsError(
                f"the weight map is {tuple(where.shape)}; its picture needs "
                f"{tuple(picture.shape[1:])}"
            )
        self.name = name
        self._picture, self._where, self._weight = picture, where, weight

    def add(self, canvas: Tensor, gradient: Tensor) -> Tensor:
        """The term at a canvas, a scalar; its gradient is added to `gradient`, both (3, h, w)."""
        scale = self._weight / canvas.numel()
        difference = canvas - self._picture
        weighted = difference if self._where is None else difference * self._where
        value = (weighted * difference).sum() * scale
        gradient.add_(weighted, alpha=2 * scale)
        return value


def reference(
    picture: Tensor,
    where: Tensor | None = None,
    *,
    weight: float = 1.0,
    relative: bool = False,
    name: str = "reference",
) -> TermFactory:
    """Makes a `ReferenceTerm` at each scale of a run: `Run(terms=[reference(picture)])`.

    `picture` is sRGB, (3, h, w), `where` (h, w) in [0, 1], both of any size; they are brought to
    the canvas's. A `relative` weight is in parts of what a canvas of the picture's mean colour has:
    it is divided by the mean of the three channels' variances, and so means the same in every
    colour space and for every picture.
    """

    def make(context: TermContext) -> ReferenceTerm:
        encoder = context.encoder
        accurate = torch.promote_types(encoder.dtype, torch.float32)
        at = [
            None if x is None else _resized(x.to(encoder.device, accurate), context.size)
            for x in (picture, where)
        ]
        assert at[0] is not None
        target = context.space.from_srgb(at[0])
        unit = target.var((1, 2), correction=0).mean().clamp_min(_MIN_VARIANCE) if relative else 1.0
        return ReferenceTerm(target, at[1], weight=weight / float(unit), name=name)

    return make


def _resized(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Planes (..., h, w) at a size of (width, height)."""
    if planes.shape[-2:] == size[::-1]:
        return planes
    stacked = planes.view(1, -1, *planes.shape[-2:])
    found = interpolate(stacked, size=size[::-1], mode="bilinear", antialias=True)
    return found.view(*planes.shape[:-2], *size[::-1])

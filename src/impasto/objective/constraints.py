"""Constraints on a canvas: protected pixels, luminance alone."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from impasto.images.spaces import SRGB, ColourSpace
from impasto.objective.objective import CanvasFunction, Evaluation

__all__ = ["luminance_only", "protected"]


def protected(evaluate: CanvasFunction, content: Tensor, where: Tensor) -> CanvasFunction:
    """The function of canvases x (3, h, w) at (1 - m)·x + m·content, m = where (h, w) in [0, 1].

    `content` is (3, h, w) in the canvas's colour space. The gradient is with respect to x.
    """

    def evaluated(canvas: Tensor) -> Evaluation:
        at = evaluate(canvas.lerp(content, where))
        return replace(at, gradient=at.gradient * (1 - where))

    return evaluated


def luminance_only(evaluate: CanvasFunction, space: ColourSpace) -> CanvasFunction:
    """The function of canvases (3, h, w) in `space` at the grey of equal mean of each pixel."""

    def grey(rgb: Tensor) -> Tensor:
        return rgb.mean(0, keepdim=True).expand_as(rgb)

    def evaluated(canvas: Tensor) -> Evaluation:
        at = evaluate(space.from_srgb(grey(space.to_srgb(canvas))))
        with_respect_to_srgb = SRGB.convert_cotangent(at.gradient, space)
        return replace(at, gradient=space.convert_cotangent(grey(with_respect_to_srgb), SRGB))

    return evaluated

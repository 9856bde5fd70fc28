"""What a canvas may not do: change what is kept of the photograph, or have colours of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from impasto.images.spaces import SRGB, ColourSpace
from impasto.objective.objective import Evaluation

__all__ = ["kept", "of_luminance"]

ValueAndGrad = Callable[[Tensor], Evaluation]


def kept(evaluate: ValueAndGrad, photograph: Tensor, where: Tensor) -> ValueAndGrad:
    """The function of canvases x (3, h, w) at (1 - m)·x + m·photograph, m = where (h, w).

    The photograph (3, h, w) is in the canvas's colour space. The gradient is with respect to x.
    """

    def evaluated(canvas: Tensor) -> Evaluation:
        at = evaluate(canvas.lerp(photograph, where))
        return replace(at, gradient=at.gradient * (1 - where))

    return evaluated


def of_luminance(evaluate: ValueAndGrad, space: ColourSpace) -> ValueAndGrad:
    """The function of canvases (3, h, w) at the grey of equal mean: all channels move as one."""

    def grey(rgb: Tensor) -> Tensor:
        return rgb.mean(0, keepdim=True).expand_as(rgb)

    def evaluated(canvas: Tensor) -> Evaluation:
        at = evaluate(space.from_srgb(grey(space.to_srgb(canvas))))
        with_respect_to_srgb = SRGB.pull_convert(at.gradient, space)
        return replace(at, gradient=space.pull_convert(grey(with_respect_to_srgb), SRGB))

    return evaluated

"""Style losses by name: our own, those a program registers, and those of installed packages."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import torch

from impasto.objective.statistics import Features, Moments, Statistic
from impasto.objective.style_losses.base import StyleLoss, declaration, declare
from impasto.objective.style_losses.gram import GRAMS, gram
from impasto.settings.variants import STYLE_LOSSES

__all__ = ["find_style_loss", "style_loss", "unit_of"]

_MIN_UNIT = 1e-12
_KINDS: dict[str, type[Statistic]] = {"moments": Moments, "features": Features}

Loss = TypeVar("Loss", bound=Callable[..., Any])


def style_loss(
    name: str,
    of: str | type[Statistic] = "moments",
    unit: float | None = None,
    reads: Collection[str] | None = None,
) -> Callable[[Loss], Loss]:
    """Register the decorated function as the style loss `name`, which settings can choose.

        @impasto.style_loss("means", reads={"mean"})
        def means(canvas, style):
            return (canvas.mean - style.mean).square().mean()

    The function takes two statistics of one layer, the canvas's and the style's, and returns a
    scalar that autograd can differentiate with respect to the canvas's. A package offers its own to
    every program by an entry point of the group `impasto.style_losses`.

    Args:
        name: what `style_loss` in settings calls it.
        of: the kind of statistic: "moments", "features", or a class of your own that has the
            methods of `impasto.objective.Statistic`.
        unit: the value that relative weights divide it by; by default its value for a canvas
            without features.
        reads: the attributes that it reads, such as {"mean"}; others are not measured, and NaN. By
            default it may read all of them.

    Raises SettingsError for an attribute that the statistic does not have.
    """
    statistic = _KINDS[of] if isinstance(of, str) else of
    note = declare(of=statistic, unit=unit, reads=reads)

    def register(function: Loss) -> Loss:
        STYLE_LOSSES.register(name, note(function))
        return function

    return register


def find_style_loss(name: str, normalisation: str = "elements") -> StyleLoss:
    """The style loss called `name`; of `gram`, the one with that normalisation.

    Raises SettingsError that lists the names.
    """
    found: StyleLoss = STYLE_LOSSES.get(name)
    return GRAMS[normalisation] if found is gram else found


def unit_of(loss: StyleLoss, style: Statistic) -> float:
    """The value that relative weights divide a loss by: its unit, or the loss of a blank canvas."""
    unit = declaration(loss).unit
    with torch.no_grad():
        return unit or max(float(loss(style.blank(), style)), _MIN_UNIT)

"""Style losses by name: our own, those a program registers, and those of installed packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar

import torch

from impasto.errors import SettingsError
from impasto.objective.features import Features
from impasto.objective.statistics import Moments
from impasto.objective.style_losses.gaussian import moments, wasserstein
from impasto.objective.style_losses.gram import GRAMS, StyleLoss
from impasto.objective.style_losses.matching import nearest_neighbour, sliced_wasserstein

__all__ = ["find_style_loss", "statistic_of", "style_loss", "style_losses", "unit_of"]

_GROUP = "impasto.style_losses"  # entry points of other packages
_LEAST = 1e-12  # unit
_OF: dict[str, type[Moments] | type[Features]] = {"moments": Moments, "features": Features}

_registered: dict[str, StyleLoss] = {}

Loss = TypeVar("Loss", bound=Callable[..., Any])


def style_loss(
    name: str, of: Literal["moments", "features"] = "moments", unit: float | None = None
) -> Callable[[Loss], Loss]:
    """Register the decorated function as the style loss `name`, for settings to choose.

        @impasto.style_loss("means")
        def means(canvas, style):
            return (canvas.mean - style.mean).square().mean()

    It is given the `Moments` of the canvas and of the style image at one layer, or their `Features`
    if it says so, and returns a scalar that autograd can differentiate with respect to the
    canvas's. Relative weights divide it by its `unit`, by default what it is for a canvas without
    features. A package offers one to every program by an entry point of the group
    `impasto.style_losses`.
    """
    statistic = _OF[of]

    def register(function: Loss) -> Loss:
        function.statistic, function.unit = statistic, unit  # type: ignore[attr-defined]
        _registered[name] = function
        return function

    return register


style_loss("moments")(moments)
style_loss("wasserstein")(wasserstein)
style_loss("sliced-wasserstein", of="features")(sliced_wasserstein)
style_loss("nearest-neighbour", of="features", unit=1.0)(nearest_neighbour)


def style_losses() -> tuple[str, ...]:
    """The names there are."""
    return ("gram", *sorted({*_registered, *(point.name for point in _points())}))


def find_style_loss(name: str, normalisation: str = "elements") -> StyleLoss:
    """The style loss called `name`; of `gram`, that of the `normalisation`.

    Raises SettingsError that lists the names there are.
    """
    if name == "gram":
        return GRAMS[normalisation]
    if name not in _registered:
        for point in _points():
            if point.name == name:
                found: StyleLoss = point.load()
                _registered[name] = found
                return found
        raise SettingsError(f"style_loss is {name!r}; expected one of {', '.join(style_losses())}")
    return _registered[name]


def statistic_of(loss: StyleLoss) -> type[Moments] | type[Features]:
    """What a style loss compares; the moments, unless it was registered otherwise."""
    statistic: type[Moments] | type[Features] = getattr(loss, "statistic", Moments)
    return statistic


def unit_of(loss: StyleLoss, style: Moments | Features) -> float:
    """What relative weights divide a style loss by: its own unit, or that of a blank canvas."""
    unit: float | None = getattr(loss, "unit", None)
    with torch.no_grad():
        return unit or max(float(loss(style.blank(), style)), _LEAST)


def _points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=_GROUP))

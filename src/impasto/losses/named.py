"""Style losses by name: our own, those a program registers, and those of installed packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from impasto.errors import SettingsError
from impasto.losses.gaussian import moments
from impasto.losses.style import GRAMS, StyleLoss

__all__ = ["find_style_loss", "style_loss", "style_losses"]

_GROUP = "impasto.style_losses"  # entry points of other packages

_registered: dict[str, StyleLoss] = {"moments": moments}


def style_loss(name: str) -> Callable[[StyleLoss], StyleLoss]:
    """Register the decorated function as the style loss `name`, for settings to choose.

        @impasto.style_loss("means")
        def means(canvas, style):
            return (canvas.mean - style.mean).square().mean()

    It is given the `Moments` of the canvas and of the style image at one layer, and returns a
    scalar that autograd can differentiate with respect to the canvas's. A package offers one to
    every program by an entry point of the group `impasto.style_losses`.
    """

    def register(function: StyleLoss) -> StyleLoss:
        _registered[name] = function
        return function

    return register


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
                return style_loss(name)(point.load())
        raise SettingsError(f"style_loss is {name!r}; expected one of {', '.join(style_losses())}")
    return _registered[name]


def _points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=_GROUP))

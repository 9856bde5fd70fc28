"""What a style loss is, and what it declares about itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from impasto.objective.statistics import Moments, Statistic

__all__ = ["Declaration", "StyleLoss", "declaration", "declare"]

StyleLoss = Callable[[Any, Any], Tensor]
"""The statistics of the canvas and of the style at a layer -> a scalar for autograd."""

Loss = TypeVar("Loss", bound=Callable[..., Any])


@dataclass(frozen=True)
class Declaration:
    """What a style loss compares, and how.

    Attributes:
        statistic: the kind of statistic that it is given.
        unit: the value that relative weights divide it by; None: its value for a canvas without
            features.
        needs: what is to be measured of that statistic.
    """

    statistic: type[Statistic]
    unit: float | None
    needs: frozenset[str]


def declare(
    *,
    of: type[Statistic] = Moments,
    unit: float | None = None,
    reads: Collection[str] | None = None,
) -> Callable[[Loss], Loss]:
    """Decorator that notes these on a style loss; `reads` are attributes of the statistic.

    Raises SettingsError for an attribute that the statistic does not have.
    """
    declared = Declaration(of, unit, of.needs(reads))

    def decorate(function: Loss) -> Loss:
        function.declaration = declared  # type: ignore[attr-defined]  # a note on a function
        return function

    return decorate


def declaration(loss: StyleLoss) -> Declaration:
    """What a style loss declares; one that declares nothing is given all moments."""
    declared: Declaration = getattr(loss, "declaration", _EVERYTHING)
    return declared


_EVERYTHING = Declaration(Moments, None, Moments.needs(None))

"""What every kind of statistic can do, so that a new kind is one class.

A statistic is measured of features at one tap, window by window, with a weight for each position
where there is a mask. It says nothing about where features are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar, cast

from torch import Tensor

__all__ = ["Collector", "Memo", "Statistic", "StatisticGradient"]

T = TypeVar("T")
Made = TypeVar("Made")
S = TypeVar("S", bound="Statistic")


class StatisticGradient(Protocol):
    """The gradient of a loss with respect to a statistic.

    A frozen dataclass of tensors, so that a CUDA graph finds them.
    """

    def add(self, into: Tensor, features: Tensor, weights: Tensor | None, index: int) -> None:
        """Add the gradient with respect to a window's features to `into`, in place.

        `into` and `features` are (1, c, h, w); `weights` (h, w) are those with which the features
        were measured; `index` is that of the window.
        """


class Statistic(Protocol):
    """What is measured at one tap. Statistics of disjoint sets of positions add up."""

    @property
    def count(self) -> float | Tensor:
        """The sum of the weights of all positions, a scalar: without weights, their number."""

    @classmethod
    def needs(cls, reads: Collection[str] | None) -> frozenset[str]:
        """What is to be measured for a loss that reads these attributes; None: all of them.

        Raises SettingsError for an attribute that this kind does not have.
        """

    @classmethod
    def of(
        cls: type[S], features: Tensor, needs: Collection[str] = ..., weights: Tensor | None = None
    ) -> S:
        """The statistic of features (1, c, h, w), with `weights` (h, w) if any."""

    @classmethod
    def collector(cls: type[S], positions: int, needs: Collection[str]) -> Collector:
        """Collects the statistic of a style picture that has so many positions at the tap."""

    @classmethod
    def extra_bytes(cls, shapes: Sequence[tuple[int, int]], itemsize: int) -> int:
        """Memory an evaluation takes for the statistic, beyond C x C matrices.

        `shapes` are (channels, positions) of each tap, `itemsize` the bytes of a feature.
        """

    def __add__(self: S, other: S) -> S:
        """The statistic of the union of two disjoint sets of positions."""

    def times(self: S, factor: float | Tensor) -> S:
        """The same distribution, each position with its weight times `factor`, a scalar."""

    def blank(self: S) -> S:
        """The statistic of as many positions whose features are 0."""

    def value_and_gradient(
        self: S, loss: Callable[[S], Tensor]
    ) -> tuple[Tensor, StatisticGradient]:
        """A scalar loss at this statistic, and its gradient by autograd."""


class Collector(Protocol):
    """Measures a picture window by window."""

    def add(self, core: Tensor, weights: Tensor | None, place: tuple[slice, slice]) -> None:
        """Take in a window's core (1, c, h, w), which lies at that place among all positions."""

    def statistic(self) -> Statistic:
        """The statistic of all windows."""


class Memo:
    """Results of functions of one object that never changes, each computed once."""

    def __init__(self) -> None:
        self._made: dict[object, object] = {}

    def __call__(self, make: Callable[[T], Made], of: T) -> Made:
        """`make(of)`, computed now or before."""
        if make not in self._made:
            self._made[make] = make(of)
        return cast("Made", self._made[make])

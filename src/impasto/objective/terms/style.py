"""Style distance: a style loss between the statistics of the canvas and of each style target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from impasto.encoder import Architecture
from impasto.errors import SettingsError
from impasto.objective.measure import StyleStatistics, is_there
from impasto.objective.statistics import Statistic, StatisticGradient
from impasto.objective.style_losses.base import StyleLoss, declaration
from impasto.objective.style_losses.registry import unit_of
from impasto.objective.terms.base import TapGradient
from impasto.objective.threads import side_by_side
from impasto.objective.tiles import Tile, Window, at_tap

__all__ = ["StyleTarget", "StyleTerm"]

Key = tuple[str, int]  # a tap, and the index of a target there


@dataclass(frozen=True, eq=False)
class StyleTarget:
    """The style of a region of the canvas.

    Attributes:
        style: the statistics that the region's are compared with.
        guide: the region, weights (h, w) in [0, 1]; None for all of the canvas.
        share: the part of the style term that this target is.
    """

    style: StyleStatistics
    guide: Tensor | None = None
    share: float = 1.0


@dataclass(frozen=True, eq=False)
class _TapTarget:
    """A style target at one tap; its `guide` is (h', w')."""

    weight: float
    style: Statistic
    guide: Tensor | None


class _Sums(dict[Key, Statistic]):
    """Statistics of the canvas by tap and target; those of disjoint tiles add up."""

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums({key: mine + other[key] for key, mine in self.items()})


class StyleTerm:
    """Σ weight · share · loss(canvas, style) over taps and targets.

    Args:
        architecture: of the network.
        targets: what regions of the canvas are compared with; may be empty without weights.
        weights: tap -> weight.
        loss: the distance between two statistics of a tap.
        relative: whether each distance is divided by its value for a canvas without features.
        wraps: whether the canvas's rows and columns are circles.
        device: of the features.
        total: adds up float64 values over the processes that share the canvas; each has the rows of
            the guides that the tiling's strip holds.
        name: what traces and reports call the term.
    """

    def __init__(
        self,
        architecture: Architecture,
        targets: Sequence[StyleTarget],
        weights: Mapping[str, float],
        loss: StyleLoss,
        *,
        relative: bool = False,
        wraps: tuple[bool, bool] = (False, False),
        device: torch.device | str = "cpu",
        total: Callable[[Tensor], Tensor] = lambda parts: parts,
        name: str = "style",
    ) -> None:
        self.name = name
        self._device, self._total = torch.device(device), total
        self._weights = {tap: weight for tap, weight in weights.items() if weight != 0}
        if self._weights and not targets:
            raise SettingsError("the style term has a weight, but there is no style picture")
        self._loss, self._relative, self._wraps = loss, relative, wraps
        self._statistic, self._needs = declaration(loss).statistic, declaration(loss).needs
        self._targets: dict[str, tuple[_TapTarget, ...]] = {}
        for tap in self._weights:
            found = (self._at_tap(architecture, target, tap) for target in targets)
            self._targets[tap] = tuple(target for target in found if target)

    @property
    def taps(self) -> tuple[str, ...]:
        """Where style is compared."""
        return tuple(self._weights)

    def measure(self, tile: Tile) -> _Sums:
        """The statistics of a tile's core at each tap, once for each target's guide."""
        found = _Sums()
        for tap, targets in self._targets.items():
            core = tile.packed(tap)
            for index, target in enumerate(targets):
                weights = tile.window.part(tap, target.guide)
                found[tap, index] = self._statistic.of(core, self._needs, weights)
        return found

    def compare(self, measured: _Sums) -> tuple[Tensor, dict[Key, StatisticGradient]]:
        """The term, and its gradient with respect to each statistic."""
        loss = torch.zeros((), dtype=torch.float32, device=self._device)
        gradients = dict[Key, StatisticGradient]()
        tasks = [partial(self._compare, *each) for each in measured.items()]
        for key, (part, slope) in zip(measured, side_by_side(tasks, self._device), strict=True):
            loss, gradients[key] = loss + part, slope
        return loss, gradients

    def cotangents(
        self, tile: Tile, gradient: Mapping[Key, StatisticGradient]
    ) -> dict[str, TapGradient]:
        """At each tap the sum of the gradients of all targets, made when it is needed."""
        return {
            tap: partial(self._add, tile.window, tile.index, tap, gradient)
            for tap, targets in self._targets.items()
            if targets
        }

    def _at_tap(self, net: Architecture, target: StyleTarget, tap: str) -> _TapTarget | None:
        """A target at one tap; None where its region or its style has no position."""
        style, guide = target.style[tap], at_tap(target.guide, net, tap, self._wraps)
        if not is_there(style.count):
            return None
        if guide is not None and not is_there(self._total(guide.sum().cpu().double())):
            return None
        weight = self._weights[tap] * target.share
        if self._relative:
            weight /= unit_of(self._loss, style)
        return _TapTarget(weight, style, guide)

    def _compare(self, key: Key, canvas: Statistic) -> tuple[Tensor, StatisticGradient]:
        """A target's part of the term, and its gradient with respect to the canvas's statistic."""
        tap, index = key
        target = self._targets[tap][index]
        return canvas.value_and_gradient(
            lambda canvas: target.weight * self._loss(canvas, target.style)
        )

    def _add(
        self,
        window: Window,
        index: int,
        tap: str,
        gradients: Mapping[Key, StatisticGradient],
        into: Tensor,
        features: Tensor,
    ) -> None:
        """Add the gradients of a tap's targets at the features of a window's core to `into`."""
        for number, target in enumerate(self._targets[tap]):
            part = window.part(tap, target.guide)
            gradients[tap, number].add(into, features, part, index)

"""The objective's terms in features: content position by position, style by what is measured.

Both look at a canvas through its windows. What style measures of the windows adds up; content
compares each by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor

from impasto.encoder import Architecture, Encoder
from impasto.errors import SettingsError
from impasto.objective.features import Features
from impasto.objective.measure import (
    StyleStatistics,
    accumulate,
    at_tap,
    core_of,
    is_there,
    part_of,
    positions_at,
    windows_over,
)
from impasto.objective.statistics import Moments, Pull, statistics_read
from impasto.objective.style_losses.gram import StyleLoss
from impasto.objective.style_losses.registry import statistic_of, unit_of
from impasto.objective.terms.content import CONTENT_SCALES
from impasto.objective.tiles import Tiling, Window

__all__ = ["ContentTerm", "StyleTarget", "StyleTerm", "Term"]

_LEAST = 1e-12  # Σ P²


@dataclass(frozen=True)
class Term:
    """One term's choices: its weight, the weight of each tap within it, and its normalisation.

    A `relative` term measures each tap's distance in what a picture without features would have.
    """

    weight: float
    normalisation: str
    layers: Mapping[str, float] = field(default_factory=dict)
    relative: bool = False

    def taps(self) -> dict[str, float]:
        """Tap -> full weight, without those of weight 0, which need not be computed."""
        full = {tap: self.weight * weight for tap, weight in self.layers.items()}
        return {tap: weight for tap, weight in full.items() if weight != 0}


@dataclass(frozen=True, eq=False)
class StyleTarget:
    """What a region of the canvas is to look like: `where` (h, w) in [0, 1], None for all of it.

    `share` is how much of the style term it is.
    """

    style: StyleStatistics
    where: Tensor | None = None
    share: float = 1.0


class ContentTerm:
    """Σ weight · scale · Σ(F - P)² over taps, P the features of a photograph."""

    def __init__(
        self,
        encoder: Encoder,
        picture: Tensor | None,
        term: Term,
        tiling: Tiling,
        taps: tuple[str, ...],
    ) -> None:
        """`taps` are those of all terms: they share their windows."""
        self.weights = term.taps()
        if self.weights and picture is None:
            raise SettingsError("the content term has a weight, but there is no content picture")
        self._encoder, self._taps, self._tiling = encoder, taps, tiling
        self._picture = picture if self.weights else None
        self._kept = self._measured_targets()
        self._scales = self._relative_scales() if term.relative else self._fixed_scales(term)

    def retiled(self, tiling: Tiling) -> ContentTerm:
        """The same, looked at in other windows."""
        other = copy(self)
        other._tiling = tiling
        other._kept = other._measured_targets()
        return other

    def target(self, window: Window) -> Mapping[str, Tensor]:
        """The photograph's features at each tap, in the window's core."""
        if not self.weights:
            return {}
        return self._kept[window] if window in self._kept else self._measured_target(window)

    def slopes(
        self, window: Window, features: Mapping[str, Tensor], target: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """A window's part of the term, and its gradient at each tap, in the window's core.

        That is 2 · weight · scale · (F - P), the scale that of the whole canvas.
        """
        loss, slopes = torch.zeros((), dtype=torch.float32, device="cpu"), dict[str, Tensor]()
        for tap, weight in self.weights.items():
            slopes[tap] = window.core(tap, features[tap]) - target[tap]
            scale = weight * self._scales[tap]
            loss = loss + scale * _squares(slopes[tap])
            slopes[tap].mul_(2 * scale)
        return loss, slopes

    def _measured_targets(self) -> dict[Window, dict[str, Tensor]]:
        """The photograph's features in each window, where they are to be kept."""
        keep = self._tiling.keep_content
        return {window: self._measured_target(window) for window in self._windows() if keep}

    def _measured_target(self, window: Window) -> dict[str, Tensor]:
        assert self._picture is not None
        part = window.of(self._picture)
        features = self._encoder.features(part, self.weights, ends=window.ends)[1]
        return {tap: core_of(window, tap, features.pop(tap)) for tap in self.weights}

    def _fixed_scales(self, term: Term) -> dict[str, float]:
        """What a tap's Σ(F - P)² is multiplied by in the term's normalisation."""
        picture, net = self._picture, self._encoder.architecture
        if picture is None:
            return {}
        scale = CONTENT_SCALES[term.normalisation]
        return {
            tap: scale(net.channels(tap), positions_at(picture, net, tap)) for tap in self.weights
        }

    def _relative_scales(self) -> dict[str, float]:
        """1 / ΣP²: a picture without features has 1 at each tap, and normalisations cancel."""
        sums = dict.fromkeys(self.weights, 0.0)
        for window in self._windows():
            for tap, features in self.target(window).items():
                sums[tap] += float(_squares(features))
        return {tap: 1 / max(total, _LEAST) for tap, total in sums.items()}

    def _windows(self) -> tuple[Window, ...]:
        if self._picture is None:
            return ()
        return windows_over(self._picture, self._encoder, self._taps, self._tiling.tile)


@dataclass(frozen=True, eq=False)
class _Target:
    """A guide at one tap: what the canvas is compared with there, and `where` (h', w')."""

    weight: float
    style: Moments | Features
    where: Tensor | None


class StyleTerm:
    """Σ weight · loss(canvas, style) over taps and guides."""

    def __init__(
        self,
        architecture: Architecture,
        guides: Sequence[StyleTarget],
        term: Term,
        loss: StyleLoss,
    ) -> None:
        self.weights, self._loss = term.taps(), loss
        of_moments = bool(self.weights) and statistic_of(loss) is Moments
        self._read = statistics_read(loss) if of_moments else frozenset[str]()
        if self.weights and not guides:
            raise SettingsError("the style term has a weight, but there is no style picture")
        self._targets: dict[str, tuple[_Target, ...]] = {}
        for tap in self.weights:
            found = (self._target(architecture, guide, tap, term) for guide in guides)
            self._targets[tap] = tuple(target for target in found if target)

    def _target(
        self, architecture: Architecture, guide: StyleTarget, tap: str, term: Term
    ) -> _Target | None:
        """A guide at one tap; None where its region or its style is too small to be there."""
        style = guide.style[tap]
        where = at_tap(guide.where, architecture, tap)
        if not is_there(style.count) or not is_there(1 if where is None else where.sum()):
            return None
        weight = self.weights[tap] * guide.share
        if term.relative:
            weight /= unit_of(self._loss, style)
        return _Target(weight, style, where)

    def measure(
        self,
        window: Window,
        features: Mapping[str, Tensor],
        measure_statistics: dict[tuple[str, int], Moments | Features],
    ) -> None:
        """Add what there is in a window to what was measured in those before."""
        for tap, targets in self._targets.items():
            core = core_of(window, tap, features[tap])
            for number, target in enumerate(targets):
                there = part_of(target.where, window, tap)
                found = type(target.style).of(core, self._read, there)
                accumulate(measure_statistics, (tap, number), found)

    def compared(
        self, measure_statistics: Mapping[tuple[str, int], Moments | Features]
    ) -> tuple[Tensor, dict[str, list[Pull]]]:
        """The term, and at each tap its gradients' ways back, guide by guide."""
        loss, pulls = torch.zeros((), dtype=torch.float32, device="cpu"), dict[str, list[Pull]]()
        for (tap, number), found in measure_statistics.items():
            target = self._targets[tap][number]

            def distance(canvas: Moments | Features, target: _Target = target) -> Tensor:
                return target.weight * self._loss(canvas, target.style)

            part, pull = found.compared(distance)
            loss = loss + part.to(torch.promote_types(part.dtype, loss.dtype))
            pulls.setdefault(tap, []).append(pull)
        return loss, pulls

    def add(
        self, pulls: Sequence[Pull], core: Tensor, features: Tensor, place: tuple[Window, str, int]
    ) -> None:
        """Add all gradients at the features of a window's core to `core`, in place.

        `place` is the window, the tap, and the how manieth window that is.
        """
        window, tap, number = place
        for pull, target in zip(pulls, self._targets[tap], strict=True):
            pull.add(core, features, part_of(target.where, window, tap), number)


def _squares(x: Tensor) -> Tensor:
    """Σ x², accumulated in float32 or better."""
    accurate = torch.promote_types(x.dtype, torch.float32)
    return x.to(accurate).square().sum()

"""The objective's terms in features: content position by position, style by what is measured.

Both look at a canvas through its windows. What style measures of the windows adds up; content
compares each by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from impasto.encoder import Architecture, Encoder
from impasto.errors import SettingsError
from impasto.losses import (
    CONTENT_SCALES,
    STATISTICS,
    Features,
    Moments,
    Pull,
    StyleLoss,
    statistic_of,
    statistics_read,
)
from impasto.tiles import Tiling, Window, windows

__all__ = ["ContentTerm", "Guide", "Measured", "StyleTerm", "Term", "measured", "windows_over"]

Measured = Mapping[str, Moments] | Mapping[str, Features]
"""Tap -> what was measured of a picture there."""

_MOST = 2**18  # features of a painting that are kept at a tap
_NOWHERE = 1e-6  # of a layer's positions: a region smaller than this is not there


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
class Guide:
    """What a region of the canvas is to look like: `where` (h, w) in [0, 1], None for all of it.

    `share` is how much of the style term it is.
    """

    style: Measured
    where: Tensor | None = None
    share: float = 1.0


def measured(
    encoder: Encoder,
    picture: Tensor,
    taps: Iterable[str],
    tile: int | None = None,
    *,
    loss: StyleLoss | None = None,
    where: Tensor | None = None,
) -> Measured:
    """What a style loss compares of an sRGB picture (3, h, w) at each tap.

    It is looked at in windows of `tile` pixels, and where there are weights (h, w), through them.
    """
    taps, found = tuple(taps), dict[str, Moments | Features]()
    statistic = Moments if loss is None else statistic_of(loss)
    wanted = STATISTICS if loss is None or statistic is Features else {*STATISTICS, *_read(loss)}
    masks = {tap: _at_tap(where, encoder.architecture, tap) for tap in taps}
    for window in windows_over(picture, encoder, taps, tile):
        features = encoder.features(window.of(picture), taps, ends=window.ends)[1]
        for tap in taps:
            core = core_of(window, tap, features.pop(tap))
            part = statistic.of(core, wanted, _part(masks[tap], window, tap))
            if isinstance(part, Features):
                part = part.thinned(-(-_positions(picture, encoder.architecture, tap) // _MOST))
            _accumulate(found, tap, part)
    return found  # type: ignore[return-value]


def _read(loss: StyleLoss) -> set[str]:
    """What a loss of moments looks at, whatever they are."""
    rows = torch.eye(3, dtype=torch.float64)
    return statistics_read(loss, Moments(rows.sum(0), rows, 3))


def windows_over(
    picture: Tensor, encoder: Encoder, taps: tuple[str, ...], tile: int | None
) -> tuple[Window, ...]:
    """Windows over a picture (3, h, w); none where there is nothing to look at."""
    size = (picture.shape[-2], picture.shape[-1])
    return windows(size, encoder.architecture, taps, tile) if taps else ()


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
        self._scale = CONTENT_SCALES[term.normalisation]
        self._kept = self._measured_targets()
        self._references: dict[str, float] = {}
        self._references = self._measured_references() if term.relative else {}

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
        loss, slopes = torch.zeros(()), dict[str, Tensor]()
        for tap, weight in self.weights.items():
            slopes[tap] = window.core(tap, features[tap]) - target[tap]
            scale = weight * self._scale_at(tap)
            loss = loss + scale * _squares(slopes[tap])
            slopes[tap].mul_(2 * scale)
        return loss, slopes

    def _scale_at(self, tap: str) -> float:
        """What a tap's Σ(F - P)² is multiplied by, but for the weight."""
        assert self._picture is not None
        net = self._encoder.architecture
        scale = self._scale(net.channels(tap), _positions(self._picture, net, tap))
        return scale / self._references.get(tap, 1.0)

    def _measured_targets(self) -> dict[Window, dict[str, Tensor]]:
        """The photograph's features in each window, where they are to be kept."""
        keep = self._tiling.keep_content
        return {window: self._measured_target(window) for window in self._windows() if keep}

    def _measured_target(self, window: Window) -> dict[str, Tensor]:
        assert self._picture is not None
        part = window.of(self._picture)
        features = self._encoder.features(part, self.weights, ends=window.ends)[1]
        return {tap: core_of(window, tap, features.pop(tap)) for tap in self.weights}

    def _measured_references(self) -> dict[str, float]:
        """The term at each tap, without its weight, of a picture that has no features."""
        sums = dict.fromkeys(self.weights, 0.0)
        for window in self._windows():
            for tap, features in self.target(window).items():
                sums[tap] += float(_squares(features))
        return {tap: max(total, 1e-12) * self._scale_at(tap) for tap, total in sums.items()}

    def _windows(self) -> tuple[Window, ...]:
        if self._picture is None:
            return ()
        return windows_over(self._picture, self._encoder, self._taps, self._tiling.tile)


@dataclass(frozen=True, eq=False)
class _Target:
    """A guide at one tap: what is read there, `where` (h', w'), and what it is compared with."""

    weight: float
    style: Moments | Features
    where: Tensor | None
    read: frozenset[str]

    def measured(self, window: Window, tap: str, core: Tensor) -> Moments | Features:
        return type(self.style).of(core, self.read, _part(self.where, window, tap))


class StyleTerm:
    """Σ weight · loss(canvas, style) over taps and guides."""

    def __init__(
        self,
        architecture: Architecture,
        guides: Sequence[Guide],
        term: Term,
        loss: StyleLoss,
    ) -> None:
        self.weights, self._loss = term.taps(), loss
        if self.weights and not guides:
            raise SettingsError("the style term has a weight, but there is no style picture")
        self._targets: dict[str, tuple[_Target, ...]] = {}
        for tap in self.weights:
            found = (self._target(architecture, guide, tap, term) for guide in guides)
            self._targets[tap] = tuple(target for target in found if target)

    def _target(
        self, architecture: Architecture, guide: Guide, tap: str, term: Term
    ) -> _Target | None:
        """A guide at one tap; None where its region is too small to be there at all."""
        style = guide.style[tap]
        where = _at_tap(guide.where, architecture, tap)
        if where is not None and where.mean() < _NOWHERE:
            return None
        weight = self.weights[tap] * guide.share
        if term.relative:
            with torch.no_grad():
                weight /= max(float(self._loss(style.blank(), style)), 1e-12)
        read = statistics_read(self._loss, style) if isinstance(style, Moments) else set[str]()
        return _Target(weight, style, where, frozenset(read))

    def measure(
        self,
        window: Window,
        features: Mapping[str, Tensor],
        measured: dict[tuple[str, int], Moments | Features],
    ) -> None:
        """Add what there is in a window to what was measured in those before."""
        for tap, targets in self._targets.items():
            core = core_of(window, tap, features[tap])
            for number, target in enumerate(targets):
                _accumulate(measured, (tap, number), target.measured(window, tap, core))

    def compared(
        self, measured: Mapping[tuple[str, int], Moments | Features]
    ) -> tuple[Tensor, dict[str, list[Pull]]]:
        """The term, and at each tap its gradients' ways back, guide by guide."""
        loss, pulls = torch.zeros(()), dict[str, list[Pull]]()
        for (tap, number), found in measured.items():
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
            pull.add(core, features, _part(target.where, window, tap), number)


def core_of(window: Window, tap: str, features: Tensor) -> Tensor:
    """The core of features at a tap, in memory of its own where it is a part of them."""
    core = window.core(tap, features)
    last = not features.is_contiguous()
    return core.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def _accumulate(sums: dict[Any, Any], key: object, more: Moments | Features) -> None:
    sums[key] = sums[key] + more if key in sums else more


def _at_tap(where: Tensor | None, architecture: Architecture, tap: str) -> Tensor | None:
    """Weights (h, w) of pixels -> the mean of those beneath each position of a tap, (h', w')."""
    if where is None:
        return None
    side = 2 ** architecture.level(tap)
    return torch.nn.functional.avg_pool2d(where[None], side)[0]


def _part(where: Tensor | None, window: Window, tap: str) -> Tensor | None:
    """The weights of a window's core at a tap."""
    return None if where is None else where[window.place(tap)]


def _positions(picture: Tensor, architecture: Architecture, tap: str) -> int:
    """How many positions the whole of a picture (3, h, w) has at a tap."""
    level = architecture.level(tap)
    return int((picture.shape[-2] >> level) * (picture.shape[-1] >> level))


def _squares(x: Tensor) -> Tensor:
    """Σ x², accumulated in float32 or better."""
    accurate = torch.promote_types(x.dtype, torch.float32)
    return x.to(accurate).square().sum()

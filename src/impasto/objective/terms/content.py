"""Content distance: the squared difference of features, under three normalisations.

All are scale · Σ(F - P)² over the C channels and M positions of a layer. The gradient is
2 · scale · (F - P), so that a normalisation is only a scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy

import torch
from torch import Tensor

from impasto.encoder import Encoder
from impasto.errors import SettingsError
from impasto.images.precision import neutral
from impasto.objective.terms.base import TapGradient
from impasto.objective.tiles import Tile, Tiling, Window, positions_at, windows_over

__all__ = ["CONTENT_SCALES", "ContentTerm"]

_MIN_SQUARES = 1e-12  # Σ P²


def mean(channels: int, positions: int) -> float:
    """Mean of (F - P)²."""
    return 1 / (channels * positions)


def half_mean(channels: int, positions: int) -> float:
    """Mean of ½(F - P)²."""
    return 0.5 / (channels * positions)


def half_sum(channels: int, positions: int) -> float:
    """½ Σ(F - P)² (Gatys et al. 2016, eq. 1)."""
    return 0.5


CONTENT_SCALES: dict[str, Callable[[int, int], float]] = {
    "mean": mean,
    "half-mean": half_mean,
    "half-sum": half_sum,
}
"""(C, M) -> scale of Σ(F - P)², by name of the normalisation."""


class ContentTerm:
    """Σ weight · scale · Σ(F - P)² over taps, P the features of the content picture.

    Args:
        encoder: the network.
        picture: sRGB content, (3, h, w) in [0, 1], of the canvas's size; None without weights.
        weights: tap -> weight.
        normalisation: a name in CONTENT_SCALES.
        relative: whether the scale is 1 / ΣP² instead, so that a canvas without features has 1 at
            each tap.
        check: called before the features of each window are measured.
        total: adds up float64 values over the processes that share the canvas; each has the rows of
            `picture` that the tiling's strip holds.
    """

    name = "content"

    def __init__(
        self,
        encoder: Encoder,
        picture: Tensor | None,
        weights: Mapping[str, float],
        *,
        normalisation: str = "mean",
        relative: bool = False,
        check: Callable[[], object] = lambda: None,
        total: Callable[[Tensor], Tensor] = lambda parts: parts,
    ) -> None:
        self._weights = {tap: weight for tap, weight in weights.items() if weight != 0}
        if self._weights and picture is None:
            raise SettingsError("the content term has a weight, but there is no content picture")
        self._encoder, self._check, self._total = encoder, check, total
        self._picture = picture if self._weights else None
        self._kept: dict[Window, dict[str, Tensor]] = {}
        self._scale = None if relative else CONTENT_SCALES[normalisation]
        self._scales: dict[str, float] | None = None

    @property
    def taps(self) -> tuple[str, ...]:
        """Where content is compared."""
        return tuple(self._weights)

    @neutral()
    def for_windows(self, tiling: Tiling, taps: tuple[str, ...]) -> ContentTerm:
        """The same term with the targets of these windows, kept if `tiling` says so."""
        other, picture = copy(self), self._picture
        if picture is None:
            return other
        net, wraps, strip = self._encoder.architecture, tiling.wraps, tiling.strip
        parts = windows_over(picture, net, taps, tiling.tile, wraps, strip)
        other._kept = {w: self._measured_target(w) for w in parts if tiling.keep_content}
        if self._scale is None and self._scales is None:
            other._scales = other._relative_scales(parts)
        elif self._scale is not None:
            counts = {tap: positions_at(picture, net, tap, wraps, strip) for tap in self._weights}
            other._scales = {t: self._scale(net.channels(t), n) for t, n in counts.items()}
        return other

    def value_and_cotangents(self, tile: Tile) -> tuple[Tensor, Mapping[str, TapGradient]]:
        """A tile's part of the term, and 2 · weight · scale · (F - P) in its core at each tap."""
        loss = torch.zeros((), dtype=torch.float32, device=self._encoder.device)
        slopes = dict[str, TapGradient]()
        target, scales = self._target(tile.window), self._scales
        for tap, weight in self._weights.items():
            assert scales is not None
            difference = tile.core(tap) - target[tap]
            scale = weight * scales[tap]
            loss = loss + scale * _squares(difference)
            slopes[tap] = difference.mul_(2 * scale)
        return loss, slopes

    def _target(self, window: Window) -> Mapping[str, Tensor]:
        """The features of the content picture at each tap in the window's core, (1, c, h, w)."""
        if not self._weights:
            return {}
        return self._kept[window] if window in self._kept else self._measured_target(window)

    def _measured_target(self, window: Window) -> dict[str, Tensor]:
        assert self._picture is not None
        self._check()
        part = window.of(self._picture)
        features = self._encoder.features(part, self._weights, ends=window.ends)[1]
        return {tap: window.packed(tap, features.pop(tap)) for tap in self._weights}

    def _relative_scales(self, parts: tuple[Window, ...]) -> dict[str, float]:
        """1 / ΣP² at each tap, which any fixed scale would cancel out of."""
        sums = dict.fromkeys(self._weights, 0.0)
        for window in parts:
            for tap, features in self._target(window).items():
                sums[tap] += float(_squares(features))
        totals = self._total(torch.tensor([*sums.values()], dtype=torch.float64, device="cpu"))
        found = zip(sums, totals.tolist(), strict=True)
        return {tap: 1 / max(total, _MIN_SQUARES) for tap, total in found}


def _squares(x: Tensor) -> Tensor:
    """Σ x², accumulated in float32 or better."""
    accurate = torch.promote_types(x.dtype, torch.float32)
    return x.to(accurate).square().sum()

"""What a style loss compares, measured of pictures through windows and masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from impasto.encoder import Architecture, Encoder
from impasto.objective.features import Features, SampledFeatures
from impasto.objective.statistics import STATISTICS, Moments, statistics_read
from impasto.objective.style_losses.gram import StyleLoss
from impasto.objective.style_losses.registry import statistic_of
from impasto.objective.tiles import Window, windows

__all__ = [
    "StyleStatistics",
    "accumulate",
    "at_tap",
    "blend_statistics",
    "core_of",
    "is_there",
    "measure_statistics",
    "part_of",
    "positions_at",
    "windows_over",
]

StyleStatistics = Mapping[str, Moments] | Mapping[str, Features]
"""Tap -> what was measured of a picture there."""

_MOST = 2**18  # features of a painting that are kept at a tap
_NOWHERE = 1e-6  # of a position: what is smaller is not there


def measure_statistics(
    encoder: Encoder,
    picture: Tensor,
    taps: Iterable[str],
    tile: int | None = None,
    *,
    loss: StyleLoss | None = None,
    where: Tensor | None = None,
) -> StyleStatistics:
    """What a style loss compares of an sRGB picture (3, h, w) at each tap.

    It is looked at in windows of `tile` pixels, and where there are weights (h, w), through them.
    """
    taps, net = tuple(taps), encoder.architecture
    masks = {tap: at_tap(where, net, tap) for tap in taps}
    if loss is not None and statistic_of(loss) is Features:
        thinned = {tap: SampledFeatures(positions_at(picture, net, tap), _MOST) for tap in taps}
        for window, tap, core in _cores(encoder, picture, taps, tile):
            thinned[tap].add(core, part_of(masks[tap], window, tap), window.place(tap))
        return {tap: found.features() for tap, found in thinned.items()}
    wanted = {*STATISTICS, *(statistics_read(loss) if loss else ())}
    moments: dict[str, Moments] = {}
    for window, tap, core in _cores(encoder, picture, taps, tile):
        accumulate(moments, tap, Moments.of(core, wanted, part_of(masks[tap], window, tap)))
    return moments


def blend_statistics(styles: Sequence[tuple[StyleStatistics, float]]) -> StyleStatistics:
    """What would have been measured of a mixture of pictures, in parts that add up to 1.

    Of as many positions as the pictures have on the average. Who has none at a tap is left out.
    """
    if len(styles) == 1:
        return styles[0][0]
    found: dict[str, Moments | Features] = {}
    for tap in styles[0][0]:
        there = [(s, part) for s, part in styles if is_there(s[tap].count)] or styles[:1]
        count = sum(part * style[tap].count for style, part in there)
        for style, part in there:
            factor = part * count / style[tap].count if len(there) > 1 else 1.0
            accumulate(found, tap, style[tap].times(factor))
    return found  # type: ignore[return-value]


def windows_over(
    picture: Tensor, encoder: Encoder, taps: tuple[str, ...], tile: int | None
) -> tuple[Window, ...]:
    """Windows over a picture (3, h, w); none where there is nothing to look at."""
    size = (picture.shape[-2], picture.shape[-1])
    return windows(size, encoder.architecture, taps, tile) if taps else ()


def core_of(window: Window, tap: str, features: Tensor) -> Tensor:
    """The core of features at a tap, in memory of its own where it is a part of them."""
    core = window.core(tap, features)
    last = not features.is_contiguous()
    return core.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def at_tap(where: Tensor | None, architecture: Architecture, tap: str) -> Tensor | None:
    """Weights (h, w) of pixels -> the mean of those beneath each position of a tap, (h', w')."""
    if where is None:
        return None
    side = 2 ** architecture.level(tap)
    return torch.nn.functional.avg_pool2d(where[None], side)[0]


def part_of(where: Tensor | None, window: Window, tap: str) -> Tensor | None:
    """The weights of a window's core at a tap."""
    return None if where is None else where[window.place(tap)]


def positions_at(picture: Tensor, architecture: Architecture, tap: str) -> int:
    """How many positions the whole of a picture (3, h, w) has at a tap."""
    level = architecture.level(tap)
    return int((picture.shape[-2] >> level) * (picture.shape[-1] >> level))


def accumulate(sums: dict[Any, Any], key: object, more: Moments | Features) -> None:
    """Add to the sum of that key, the first of which it may be."""
    sums[key] = sums[key] + more if key in sums else more


def is_there(positions: float | Tensor) -> bool:
    """Whether so many positions of a tap are any at all."""
    return float(positions) > _NOWHERE


def _cores(
    encoder: Encoder, picture: Tensor, taps: tuple[str, ...], tile: int | None
) -> Iterator[tuple[Window, str, Tensor]]:
    """Features of a picture (3, h, w) at each tap in the core of each window."""
    for window in windows_over(picture, encoder, taps, tile):
        features = encoder.features(window.of(picture), taps, ends=window.ends)[1]
        for tap in taps:
            yield window, tap, core_of(window, tap, features.pop(tap))

"""Style statistics of pictures, measured through windows and masks, and blended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor

from impasto.encoder import Encoder
from impasto.images.precision import neutral
from impasto.objective.statistics import Collector, Moments, Statistic
from impasto.objective.strips import Strip
from impasto.objective.style_losses.base import StyleLoss, declaration
from impasto.objective.tiles import at_tap, positions_at, windows_over

__all__ = ["StyleStatistics", "blend_statistics", "is_there", "measure_statistics", "unchecked"]

StyleStatistics = Mapping[str, Statistic]
"""Tap -> the statistic of a picture there."""

_NOWHERE = 1e-6  # of a position: less than this is no position


def unchecked() -> None:
    """A check between tiles that lets every computation go on."""


@neutral()
def measure_statistics(
    encoder: Encoder,
    picture: Tensor,
    taps: Iterable[str],
    tile: int | None = None,
    *,
    loss: StyleLoss | None = None,
    where: Tensor | None = None,
    wraps: tuple[bool, bool] = (False, False),
    check: Callable[[], object] = unchecked,
    strip: Strip | None = None,
) -> StyleStatistics:
    """The statistics that a style loss compares, of an sRGB picture at each tap.

    Args:
        encoder: the network.
        picture: (3, h, w) in [0, 1].
        taps: where features are measured.
        tile: the longest side of a window, pixels; None for one window.
        loss: the style loss; without one, moments are measured.
        where: weights (h, w) in [0, 1]; None counts all pixels.
        wraps: whether the picture's rows and columns are circles.
        check: called before each window; what it raises ends the measurement.
        strip: the rows that are given of the picture and of the weights; statistics are of its own.
    """
    taps, net = tuple(taps), encoder.architecture
    masks = {tap: at_tap(where, net, tap, wraps) for tap in taps}
    kind: type[Statistic] = Moments
    needs = frozenset[str]()
    if loss is not None:
        kind, needs = declaration(loss).statistic, declaration(loss).needs
    found: dict[str, Collector] = {
        tap: kind.collector(positions_at(picture, net, tap, wraps, strip), needs) for tap in taps
    }
    for window in windows_over(picture, net, taps, tile, wraps, strip):
        check()
        features = encoder.features(window.of(picture), taps, ends=window.ends)[1]
        for tap in taps:
            core = window.packed(tap, features.pop(tap))
            found[tap].add(core, window.part(tap, masks[tap]), window.place(tap))
    return {tap: collector.statistic() for tap, collector in found.items()}


def blend_statistics(styles: Sequence[tuple[StyleStatistics, float]]) -> StyleStatistics:
    """The statistics of a mixture of pictures, whose parts add up to 1.

    The mixture has as many positions as the pictures on average. A picture that has no position at
    a tap is left out there.
    """
    if len(styles) == 1:
        return styles[0][0]
    return {tap: _blended([(s[tap], part) for s, part in styles]) for tap in styles[0][0]}


def is_there(positions: float | Tensor) -> bool:
    """Whether this sum of weights, a scalar, is more than rounding leaves of no position."""
    return float(positions) > _NOWHERE


def _blended(parts: Sequence[tuple[Statistic, float]]) -> Statistic:
    there = [(s, part) for s, part in parts if is_there(s.count)] or parts[:1]
    if len(there) == 1:
        return there[0][0].times(1.0)
    count = sum(part * statistic.count for statistic, part in there)
    blend: Statistic | None = None
    for statistic, part in there:
        scaled = statistic.times(part * count / statistic.count)
        blend = scaled if blend is None else blend + scaled
    assert blend is not None
    return blend

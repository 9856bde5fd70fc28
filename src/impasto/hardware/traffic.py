"""What processes that share a canvas send one another, in bytes, before any of them is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from impasto.encoder import Architecture
from impasto.objective.strips import Strip
from impasto.objective.style_losses import declaration, find_style_loss
from impasto.optimisers.lbfgs import is_preconditioned
from impasto.optimisers.turning import even_parts
from impasto.settings import Settings

__all__ = ["Traffic", "traffic"]

_NUMBER = 8  # bytes of a number that is added up: float64
_TERMS = 3  # content, style, variation
_TRANSFORMS = 4  # of an iteration: of two gradients, of the direction, of the step


@dataclass(frozen=True)
class Traffic:
    """Bytes that one process gives away, to neighbours or to a sum over all.

    Attributes:
        evaluation: of the objective, with its gradient.
        transforms: of an iteration of L-BFGS that is preconditioned; 0 without.
    """

    evaluation: int
    transforms: int


def traffic(
    settings: Settings,
    width: int,
    strips: Sequence[Strip],
    network: Architecture,
    *,
    itemsize: int = 4,
) -> Traffic:
    """What the process that sends most gives away, for canvases of `width` pixels in strips.

    `itemsize` is that of the canvas's values, bytes. One style target is assumed; each region has
    as many sums. The inner products of an optimiser, a few kilobytes, are left out.
    """
    halos = max(_halo_rows(strips, rank) for rank in range(len(strips)))
    statistics = sum(_numbers(settings, network.channels(tap)) for tap in settings.style_taps)
    terms = _TERMS + bool(settings.legibility)
    evaluation = 3 * itemsize * width * halos + _NUMBER * (statistics + terms)
    return Traffic(evaluation, _transforms(settings, width, strips, itemsize))


def _halo_rows(strips: Sequence[Strip], rank: int) -> int:
    """Rows that a process sends: of its canvas for others' halos, of its halo's gradient back."""
    own, others = strips[rank], [s for n, s in enumerate(strips) if n != rank]
    pairs = [(own, other) for other in others] + [(other, own) for other in others]
    shared = (owner.shared(holder) for owner, holder in pairs)
    return sum(rows.stop - rows.start for rows in shared)


def _numbers(settings: Settings, channels: int) -> int:
    """How many sums a layer has."""
    needs = declaration(find_style_loss(settings.style_loss, settings.style_normalisation)).needs
    return 1 + channels * ("total" in needs) + channels**2 * ("outer" in needs)


def _transforms(settings: Settings, width: int, strips: Sequence[Strip], itemsize: int) -> int:
    """Bytes of a block's Fourier coefficients that go to other processes, over an iteration."""
    if not is_preconditioned(settings):
        return 0
    columns = width // 2 + 1
    kept = even_parts(columns, len(strips))
    sent = max(s.rows * (columns - own) for s, own in zip(strips, kept, strict=True))
    return _TRANSFORMS * 3 * 2 * itemsize * sent

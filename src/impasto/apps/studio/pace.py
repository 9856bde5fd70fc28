"""How long a run still takes, from how long it took so far.

An iteration costs as much as its canvas has pixels; each scale costs one more, for its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Leg", "Pace", "work"]

_SHARE = 0.25  # of the newest measurement in the mean


@dataclass(frozen=True)
class Leg:
    """One scale: the canvas's (width, height) in pixels, and iterations planned."""

    size: tuple[int, int]
    iterations: int

    @property
    def pixels(self) -> int:
        """Pixels of the canvas."""
        return self.size[0] * self.size[1]


def work(legs: Sequence[Leg], stage: int = 0, iteration: int = -1) -> int:
    """Pixels times evaluations from after `iteration` of `stage` to the end; -1 is its start."""
    if stage >= len(legs):
        return 0
    rest = sum(leg.pixels * (leg.iterations + 1) for leg in legs[stage + 1 :])
    return rest + legs[stage].pixels * max(0, legs[stage].iterations - iteration)


@dataclass
class Pace:
    """Seconds for a pixel's evaluation, as measured; starts from that of another run, if known."""

    legs: Sequence[Leg]
    rate: float | None = None
    _measured: int = field(default=0, repr=False)

    def note(self, stage: int, seconds: float) -> None:
        """One evaluation at that stage took so many seconds."""
        if not 0 <= stage < len(self.legs) or seconds <= 0:
            return
        rate, self._measured = seconds / self.legs[stage].pixels, self._measured + 1
        share = max(_SHARE, 1 / self._measured)
        self.rate = rate if self.rate is None else self.rate + share * (rate - self.rate)

    def remaining(self, stage: int, iteration: int) -> float | None:
        """Seconds to the end; None before anything was measured."""
        if self.rate is None:
            return None
        return round(self.rate * work(self.legs, stage, iteration), 1)

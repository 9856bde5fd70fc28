"""From coarse to fine: which sizes a picture is painted at, one after the other, and how long."""

from __future__ import annotations

from dataclasses import dataclass

from impasto.settings.settings import Settings, spread

__all__ = ["Stage", "most_iterations", "schedule"]

Size = tuple[int, int]

_LARGEST = 1_000_000  # pixels a side that settings accept


@dataclass(frozen=True)
class Stage:
    """What a run does at one of its scales: the canvas's (width, height), and how long."""

    size: Size
    iterations: int
    decay_every: int


def schedule(settings: Settings, size: Size) -> tuple[Stage, ...]:
    """The stages of a result of (width, height), the smallest first and the result's last.

    Automatic scales go down from the result by `scale_factor`, as long as the longest side is at
    least `smallest`: all sizes have the result's shape, and the last enlargement is no smaller than
    the others. What is said for each scale is said from the smallest on, and its last value holds
    for all that follow.
    """
    parts = _parts(settings, max(size))
    sizes = [(_side(size[0], part), _side(size[1], part)) for part in parts]
    counts = (settings.iterations, settings.decay_every)
    return tuple(map(Stage, sizes, *(spread(value, len(parts)) for value in counts)))


def most_iterations(settings: Settings) -> int:
    """Iterations over all scales; the most there can be where the photograph decides the size."""
    longest = max(settings.size) if isinstance(settings.size, tuple) else settings.size
    stages = schedule(settings, (longest or _LARGEST, 1))
    return sum(stage.iterations for stage in stages)


def _parts(settings: Settings, longest: int) -> list[float]:
    """The scales as parts of the result, rising to 1."""
    if isinstance(settings.scales, tuple):
        return list(settings.scales)
    parts = [1.0]
    while longest * parts[-1] / settings.scale_factor >= settings.smallest - 0.5:
        parts.append(parts[-1] / settings.scale_factor)
    return parts[::-1]


def _side(length: int, part: float) -> int:
    return max(1, round(length * part))

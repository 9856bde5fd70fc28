"""From coarse to fine: the sizes at which a picture is painted one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from impasto.settings.settings import Settings, spread

__all__ = ["Stage", "most_iterations", "painted_larger", "rescheduled", "schedule"]

Size = tuple[int, int]

_LARGEST = 1_000_000  # pixels a side that settings accept


@dataclass(frozen=True)
class Stage:
    """One scale of a run; a run yields it when the scale begins.

    Attributes:
        index, count: which of how many stages, from 0.
        size: (width, height) of the canvas, pixels.
        iterations: how many at this scale.
        decay_every: iterations between two decays of Adam's learning rate; 0 for never.
        done: iterations planned before this stage.
        total: iterations planned over all stages.
    """

    index: int
    count: int
    size: Size
    iterations: int
    decay_every: int
    done: int
    total: int

    def line(self) -> dict[str, object]:
        """Plain values by name."""
        return {
            "stage": self.index,
            "stages": self.count,
            "size": list(self.size),
            "iterations": self.iterations,
            "done": self.done,
            "total": self.total,
        }


def schedule(settings: Settings, size: Size, multiples: Size = (1, 1)) -> tuple[Stage, ...]:
    """The stages of a result of (width, height), the smallest first and the result's last.

    Canvases have sides that are `multiples`, the next above: the last may be larger than the
    result, and is shrunk afterwards.

    Automatic scales go down from the result by `scale_factor`, as long as the longest side is at
    least `smallest`: all sizes have the result's shape, and the last enlargement is no smaller than
    the others. A result below `supersample_below` is painted larger and shrunk afterwards: a
    network does not see its forms, and its strokes are coarse. Values given for each scale apply
    from the smallest on; the last applies to all that follow.
    """
    parts = _parts(settings, max(size))
    across, down = multiples
    sizes = [(_side(size[0], part, across), _side(size[1], part, down)) for part in parts]
    counts = spread(settings.iterations, len(parts))
    decays = spread(settings.decay_every, len(parts))
    before = accumulate(counts, initial=0)
    rows = enumerate(zip(sizes, counts, decays, before, strict=False))
    return tuple(Stage(index, len(parts), *row, sum(counts)) for index, row in rows)


def rescheduled(stages: Sequence[Stage], iterations: Sequence[int]) -> tuple[Stage, ...]:
    """The stages with other iterations of the first few."""
    counts = [*iterations, *(stage.iterations for stage in stages[len(iterations) :])]
    before = accumulate(counts, initial=0)
    rows = zip(stages, counts, before, strict=False)
    return tuple(
        replace(stage, iterations=count, done=done, total=sum(counts))
        for stage, count, done in rows
    )


def most_iterations(settings: Settings) -> int:
    """Iterations over all scales; the maximum where the content picture decides the size."""
    longest = max(settings.size) if isinstance(settings.size, tuple) else settings.size
    return schedule(settings, (longest or _LARGEST, 1))[-1].total


def painted_larger(settings: Settings, longest: int) -> bool:
    """Whether a result with this longest side, in pixels, is painted larger and then shrunk."""
    return settings.scales == "auto" and longest < settings.supersample_below


def _parts(settings: Settings, longest: int) -> list[float]:
    """The scales as parts of the result, rising to 1, or above it."""
    if isinstance(settings.scales, tuple):
        return list(settings.scales)
    parts = [_largest(settings, longest) / longest]
    while longest * parts[-1] / settings.scale_factor >= settings.smallest - 0.5:
        parts.append(parts[-1] / settings.scale_factor)
    return parts[::-1]


def _largest(settings: Settings, longest: int) -> float:
    """The longest side of the last canvas, pixels: the result's, or one scale above it."""
    if not painted_larger(settings, longest):
        return longest
    larger = min(longest * settings.scale_factor, settings.supersample_below)
    return max(larger, settings.smallest)


def _side(length: int, part: float, multiple: int) -> int:
    return -(-max(1, round(length * part)) // multiple) * multiple

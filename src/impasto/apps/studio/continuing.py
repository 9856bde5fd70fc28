"""What goes on from a canvas: the stages that are left, and how many iterations each is given.

    canvas ── sketch: a few iterations at the smallest scale, whose changes are added to it
           ── a few iterations at its own scale ── the larger scales, as planned

The sketch takes a fraction of the time, and shows within a second where a change of settings leads.
Pure functions of settings and sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, Literal

from impasto.settings import Settings, Stage, schedule, spread

__all__ = [
    "SHOWN",
    "SKETCH",
    "Begun",
    "Change",
    "change",
    "continued",
    "cost",
    "merged",
    "sketch",
    "with_more",
]

Size = tuple[int, int]
Change = Literal["none", "longer", "shown", "painted"]

SHARE = 0.25  # of a new run's cost, for which a settled canvas settles again
FEWEST = 4  # iterations of a stage that is begun, if it has as many
SKETCH = 6  # iterations of a sketch
_SMALLER = 1.3  # how much smaller than the canvas a sketch is at least
_START = 2  # evaluations' worth of beginning a stage: features of the content, first canvas

SHOWN = ("finish", "finish_strength", "tones", "select")
"""Settings that change how a canvas is shown, and nothing that is minimised."""


@dataclass(frozen=True)
class Begun:
    """A canvas to go on from.

    Attributes:
        size: its (width, height), pixels.
        left: iterations that its own scale still had to go; 0 for a canvas that is settled.
    """

    size: Size
    left: int = 0


def change(before: Settings, after: Settings) -> Change:
    """How far settings differ: not at all, in iterations or the machine, as shown, as painted."""
    if before == after:
        return "none"
    there, here = before.pixels(), after.pixels()
    differing = {name for name in there if there[name] != here[name]}
    if not differing:
        return "longer"
    return "shown" if differing <= {*SHOWN} else "painted"


def continued(settings: Settings, size: Size, begun: Begun | None) -> Settings:
    """The settings of a run that goes on from a canvas, to a result of `size` (w, h).

    Its stages are those of a new run from the canvas's scale upwards, at the same sizes. Larger
    ones keep their iterations. The first has those that the canvas's scale still had to go, and at
    least its part of a quarter of a new run's cost. Without a canvas the settings are those of a
    new run.
    """
    if begun is None:
        return settings
    stages = schedule(settings, size)
    first = _nearest(stages, begun.size)
    left = stages[first:]
    counts = [stage.iterations for stage in left]
    counts[0] = min(counts[0], max(begun.left, _settling(stages, left)))
    changes: dict[str, Any] = {"iterations": _plain(counts)}
    if first:
        changes["scales"] = _parts(settings, len(stages))[first:]
        changes["decay_every"] = _plain([stage.decay_every for stage in left])
    return settings.replaced(**changes)


def with_more(settings: Settings, size: Size, extra: int) -> Settings:
    """The settings with so many more iterations at the last scale of a result of `size` (w, h)."""
    if not extra:
        return settings
    stages = schedule(settings, size)
    counts = list(spread(settings.iterations, len(stages)))
    counts[-1] += extra
    return settings.replaced(iterations=_plain(counts))


def sketch(settings: Settings, size: Size, begun: Begun) -> Settings | None:
    """The settings of a sketch for a canvas and a result of `size` (w, h).

    It has the size of a new run's first stage; None where the canvas is hardly larger.
    """
    smallest = schedule(settings, size)[0].size
    if max(begun.size) < _SMALLER * max(smallest):
        return None
    one: dict[str, Any] = {"scales": (1.0,), "iterations": SKETCH, "decay_every": 0}
    return settings.replaced(size=smallest, **one)


def _settling(stages: Sequence[Stage], left: Sequence[Stage]) -> int:
    """Iterations for which the first stage that is left settles again, after a sketch."""
    first = left[0]
    budget = SHARE * sum(map(cost, stages))
    part = min(1.0, budget / sum(map(cost, left)))
    count = part * (first.iterations + _START) - _START
    if first is not stages[0]:
        count -= (SKETCH + _START) * _pixels(stages[0]) / _pixels(first)
    return min(first.iterations, max(FEWEST, int(count)))


def cost(stage: Stage) -> int:
    """What a stage costs: its pixels times its evaluations."""
    return _pixels(stage) * (stage.iterations + _START)


def _pixels(stage: Stage) -> int:
    return stage.size[0] * stage.size[1]


def _nearest(stages: Sequence[Stage], size: Size) -> int:
    """Index of the stage whose canvas is nearest in size, as a ratio."""
    return min(range(len(stages)), key=lambda n: abs(log(max(stages[n].size) / max(size))))


def _parts(settings: Settings, count: int) -> tuple[float, ...]:
    """The scales of a schedule of so many stages, as parts of the result, rising to 1."""
    if isinstance(settings.scales, tuple):
        return settings.scales
    parts = [1.0]
    while len(parts) < count:
        parts.append(parts[-1] / settings.scale_factor)
    return tuple(parts[::-1])


def _plain(counts: Sequence[int]) -> int | tuple[int, ...]:
    return counts[0] if len(counts) == 1 else tuple(counts)


def merged(request: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A request with other settings over its own; None takes the recipe's value back."""
    own = {**dict(request.get("settings") or {}), **settings}
    kept = {name: value for name, value in own.items() if value is not None}
    return {**request, "settings": kept}

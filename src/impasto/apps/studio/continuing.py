"""What goes on from a canvas: the stages that are left, and how many iterations each is given.

A canvas that was painted with other settings is settled where it is, and then taken to the larger
scales. Pure functions of settings and sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log
from typing import Any, Literal

from impasto.settings import Settings, Stage, schedule, spread

__all__ = ["SHOWN", "Begun", "Change", "change", "continued", "merged", "with_more"]

Size = tuple[int, int]
Change = Literal["none", "longer", "shown", "painted"]

SHARE = 0.25  # of a new run's cost, for which a settled canvas settles again
FEWEST = 4  # iterations of a stage that is begun, if it has as many

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


def _settling(stages: Sequence[Stage], left: Sequence[Stage]) -> int:
    """Iterations for which the first stage that is left settles again."""
    first = left[0]
    budget = SHARE * sum(_cost(stage) for stage in stages)
    part = min(1.0, budget / max(1, sum(_cost(stage) for stage in left)))
    return min(first.iterations, max(FEWEST, ceil(part * first.iterations)))


def _cost(stage: Stage) -> int:
    return stage.size[0] * stage.size[1] * stage.iterations


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

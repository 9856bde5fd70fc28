"""Numbers of a run in words, the same in every report."""

from __future__ import annotations

import re
from collections.abc import Sequence

from impasto.run.events import Step

__all__ = ["brief", "captions", "duration", "summary"]


def brief(number: float) -> str:
    """A number with three digits: 0.0123, 45.6, 7.89e4."""
    return re.sub(r"e(-?)\+?0*", r"e\1", f"{number:.3g}")


def duration(seconds: float) -> str:
    """A time in words: 8.2 s, 41 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def captions(step: Step, scales: Sequence[int]) -> tuple[str, str]:
    """Two lines: the iteration, with the scale if there are several; the loss."""
    scale = f" · {step.scale} px" if len(scales) > 1 else ""
    return f"iteration {step.done}{scale}", f"loss {brief(step.loss)}"


def summary(steps: Sequence[Step], scales: Sequence[int]) -> str:
    """One line on a run; it has the number of planned iterations only if fewer were done."""
    if not steps:
        return "no iterations"
    last = steps[-1]
    planned = f" of {last.total}" if last.done < last.total else ""
    noun = "iteration" if last.total == 1 else "iterations"
    sizes = " → ".join(str(scale) for scale in scales)
    return (
        f"{last.done}{planned} {noun} at {sizes} px in {duration(last.seconds)}, "
        f"final loss {brief(last.loss)}"
    )

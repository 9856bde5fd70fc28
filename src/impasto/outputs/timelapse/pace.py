"""Which steps of a run to show."""

from impasto.run.events import Step

__all__ = ["Pace"]


class Pace:
    """Divides a planned run into `parts` of equal length: due are the first step and each end.

    Where there are fewer iterations than parts, every one of them is due; where a new scale
    repeats a count of iterations, only the first step with that count.
    """

    def __init__(self, parts: int) -> None:
        self._parts = parts
        self._reached = -1

    def due(self, step: Step) -> bool:
        """Whether to show this one, the next of the run; at most `parts` + 1 of them."""
        reached = min(self._parts, step.done * self._parts // max(1, step.total))
        due = reached > self._reached
        self._reached = max(reached, self._reached)
        return due

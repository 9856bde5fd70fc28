"""Which steps of a run to show."""

from impasto.run.events import Step

__all__ = ["EvenSampler"]


class EvenSampler:
    """Divides a planned run into `parts` of equal length; due are the first step and each end.

    If there are fewer iterations than parts, each iteration is due. Where a new scale repeats a
    count of iterations, only the first step with that count is due.
    """

    def __init__(self, parts: int) -> None:
        self._parts = parts
        self._reached = -1

    def due(self, step: Step) -> bool:
        """Whether the next step of the run is due; this holds for `parts` + 1 steps at most."""
        reached = min(self._parts, step.done * self._parts // max(1, step.total))
        due = reached > self._reached
        self._reached = max(reached, self._reached)
        return due

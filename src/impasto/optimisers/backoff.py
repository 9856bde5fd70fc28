"""A descent that steps back where its function is no number, and goes on with smaller steps.

A learning rate that is too large for a picture shows in the midst of a run: the loss or the
gradient overflows, and all that follows is lost. Whoever begins anew from the last good canvas with
a smaller step loses only what the optimiser had learned of the curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import final

import torch
from torch import Tensor

from impasto.optimisers.base import Iterate, Minimiser
from impasto.optimisers.state import Memory, beneath, number, recalled_number, within

__all__ = ["recovering"]

Begin = Callable[[Tensor, float], Minimiser]

_PARTS = ("a quarter", "a sixteenth", "a 64th")
_MOST = len(_PARTS)


def recovering(begin: Begin, x: Tensor, on_trouble: Callable[[str], object]) -> Minimiser:
    """Iterates of begin(x, 1), whose second argument is a factor of the learning rate.

    An iterate whose loss or gradient is not finite is not passed on: `on_trouble` is told in one
    line, and begin(last good x, 1/4) goes on from the last good iterate, the next time with 1/16,
    then 1/64. The fourth such iterate is passed on, as is a start that is not finite.
    """
    return _Recovering(begin, x, on_trouble)


@final
class _Recovering(Minimiser):
    """See `recovering`. It remembers how often it began anew, and its descent's memory."""

    def __init__(self, begin: Begin, x: Tensor, on_trouble: Callable[[str], object]) -> None:
        super().__init__(x)
        self._begin, self._on_trouble = begin, on_trouble
        self._restarts = 0
        self._descent = begin(x, 1.0)

    def _first(self, x: Tensor) -> Iterate:
        return next(self._descent)

    def _after(self, last: Iterate) -> Iterate | None:
        reached = next(self._descent, None)
        while reached is not None and self._mendable(reached, last):
            self._on_trouble(f"{_trouble(reached)}; {_remedy(self._restarts)}")
            del reached  # as large as a canvas, and there may be no room to spare
            self._restart(last.x)
            self._descent.start_at(last)
            reached = next(self._descent, None)
        return reached

    def _mendable(self, reached: Iterate, last: Iterate) -> bool:
        return self._restarts < _MOST and not _is_finite(reached) and _is_finite(last)

    def _restart(self, x: Tensor, times: int = 1) -> None:
        """Another descent, with the step that is due after so many more restarts."""
        self._restarts += times
        del self._descent  # before another takes as much memory
        self._descent = self._begin(x, 4.0**-self._restarts)

    def _memory(self) -> dict[str, Tensor]:
        return {"restarts": number(self._restarts), **beneath("descent", self._descent.memory())}

    def _recall(self, iterate: Iterate, memory: Memory) -> None:
        restarts = recalled_number(memory, "restarts", _MOST)
        if restarts:
            self._restart(iterate.x, restarts)
        self._descent.resume(iterate, within("descent", memory))

    def _forget_before(self, iterate: Iterate) -> None:
        self._descent.start_at(iterate)


def _is_finite(iterate: Iterate) -> bool:
    """Whether loss and gradient are, by one sum read back from the device once.

    A sum that is finite has finite parts. One that is not may have overflowed: then all parts are
    looked at.
    """
    if isfinite(float(iterate.gradient.sum() + iterate.at.loss)):
        return True
    return bool(torch.isfinite(iterate.gradient).all() & torch.isfinite(iterate.at.loss))


def _trouble(iterate: Iterate) -> str:
    loss, after = float(iterate.at.loss), f"after {iterate.iteration} iterations"
    if isfinite(loss):
        return f"the gradient is not finite {after}"
    return f"the loss is {loss} {after}"


def _remedy(restarts: int) -> str:
    return f"going on from the last good canvas with {_PARTS[restarts]} of the step"

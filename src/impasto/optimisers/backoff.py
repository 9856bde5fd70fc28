"""A minimiser that goes back where its function is not finite, and continues with smaller steps.

A learning rate that is too large for a picture shows in the middle of a run: the loss or the
gradient overflows, and everything after it is lost. Restarting from the last finite canvas with a
smaller step loses only what the optimiser has learned of the curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import final

import torch
from torch import Tensor

from impasto.optimisers.base import Iterate, Minimiser, ValueAndGrad
from impasto.optimisers.parts import WHOLE, Parts
from impasto.optimisers.state import State, integer, load_integer, with_prefix, without_prefix

__all__ = ["Backoff"]

Start = Callable[[ValueAndGrad, Tensor, float], Minimiser]
"""(function, start, factor on the learning rate) -> minimiser."""

_FRACTIONS = ("a quarter", "a sixteenth", "a 64th")
_MAX_RESTARTS = len(_FRACTIONS)


@final
class Backoff(Minimiser):
    """Iterates of start(function, x, 1), whose last argument is a factor on the learning rate.

    An iterate whose loss or gradient is not finite is dropped: `notify` gets a line about it, and
    start(function, last finite x, 1/4) continues from the last finite iterate, the next time with
    1/16, then with 1/64. The fourth such iterate is passed on, as is a start that is not finite.

    Args:
        function, x: see `Minimiser`.
        start: starts the minimiser that makes the steps.
        notify: is called with one line at each restart.
        parts: makes sums of vectors that processes share.
    """

    def __init__(
        self,
        function: ValueAndGrad,
        x: Tensor,
        start: Start,
        notify: Callable[[str], object],
        parts: Parts = WHOLE,
    ) -> None:
        super().__init__(function, x)
        self._parts = parts
        self._start_inner, self._notify = start, notify
        self._restarts = 0
        self._inner = start(function, x, 1.0)

    def on_start(self, iterate: Iterate) -> None:
        """Start the inner minimiser at the same iterate."""
        self._inner.start_at(iterate)

    def advance(self, last: Iterate) -> Iterate | None:
        """The inner minimiser's next iterate, after as many restarts as it takes."""
        reached = next(self._inner, None)
        while reached is not None and self._can_restart(reached, last):
            self._notify(f"{_fault(reached)}; {_remedy(self._restarts)}")
            del reached  # as large as a canvas, and memory may be short
            self._restart(last.x, self._restarts + 1)
            self._inner.start_at(last)
            reached = next(self._inner, None)
        return reached

    def extra_state(self) -> dict[str, Tensor]:
        """The number of restarts, and the inner minimiser's state."""
        return {
            "restarts": integer(self._restarts),
            **with_prefix("inner", self._inner.state_dict()),
        }

    def load_extra_state(self, iterate: Iterate, state: State) -> None:
        """Take the number of restarts, and let the inner minimiser load its state."""
        restarts = load_integer(state, "restarts", _MAX_RESTARTS)
        if restarts:
            self._restart(iterate.x, restarts)
        self._inner.load_state_dict(iterate, without_prefix("inner", state))

    def _can_restart(self, reached: Iterate, last: Iterate) -> bool:
        left = self._restarts < _MAX_RESTARTS
        return left and not self._is_finite(reached) and self._is_finite(last)

    def _is_finite(self, iterate: Iterate) -> bool:
        return self._parts.every(_is_finite(iterate))

    def _restart(self, x: Tensor, restarts: int) -> None:
        """Another inner minimiser, with the step of so many restarts."""
        self._restarts = restarts
        del self._inner  # before another takes as much memory
        self._inner = self._start_inner(self.function, x, 4.0**-restarts)


def _is_finite(iterate: Iterate) -> bool:
    """Whether loss and gradient are finite, by one sum that is read back from the device once.

    A finite sum has finite parts. One that is not finite may have overflowed: then all parts are
    checked.
    """
    if isfinite(float(iterate.gradient.sum() + iterate.at.loss)):
        return True
    return bool(torch.isfinite(iterate.gradient).all() & torch.isfinite(iterate.at.loss))


def _fault(iterate: Iterate) -> str:
    loss, after = float(iterate.at.loss), f"after {iterate.iteration} iterations"
    if isfinite(loss):
        return f"the gradient is not finite {after}"
    return f"the loss is {loss} {after}"


def _remedy(restarts: int) -> str:
    return f"continuing from the last finite canvas with {_FRACTIONS[restarts]} of the step"

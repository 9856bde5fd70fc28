"""A minimiser that restarts every so many evaluations, as callers of scipy's L-BFGS-B do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import final

from torch import Tensor

from impasto.optimisers.base import Iterate, Minimiser, ValueAndGrad, Valued
from impasto.optimisers.box import Box
from impasto.optimisers.parts import WHOLE, Parts

__all__ = ["Restarts"]

Minimise = Callable[[ValueAndGrad, Tensor], Iterator[Iterate]]
"""(function, start) -> iterates of a minimisation."""


@final
class Restarts(Minimiser):
    """Iterates that each are the end of a minimisation, started without state from the one before.

    A minimisation ends by itself, or at its first iterate after more than `max_evaluations`
    evaluations. They are counted as scipy's L-BFGS-B counts `maxfun`: the start counts, a point
    requested twice in a row counts once. The end is then projected onto the box.

    Args:
        function, x: see `Minimiser`.
        minimise: starts one of the minimisations.
        max_evaluations: of one minimisation.
        box: bounds on the iterates, if any.
        parts: compares vectors that processes share.
    """

    def __init__(
        self,
        function: ValueAndGrad,
        x: Tensor,
        *,
        minimise: Minimise,
        max_evaluations: int,
        box: Box | None = None,
        parts: Parts = WHOLE,
    ) -> None:
        super().__init__(function, x)
        self._parts = parts
        self._minimise, self._max_evaluations, self._box = minimise, max_evaluations, box

    def advance(self, last: Iterate) -> Iterate:
        """The end of a minimisation from `last`."""
        end = self._end(last)
        return self._projected(end, self._box) if self._box else end

    def _end(self, last: Iterate) -> Iterate:
        function, end = _Counted(self.function, last, self._parts), last
        for reached in self._minimise(function, last.x):
            end = reached
            if function.count > self._max_evaluations:
                break
        return Iterate(last.iteration + 1, end.x, end.at)

    def _projected(self, iterate: Iterate, box: Box) -> Iterate:
        """The iterate in the box, evaluated again only if that moves it."""
        x = box.project(iterate.x)
        still = self._parts.equal(x, iterate.x)
        return iterate if still else self.evaluate(iterate.iteration, x)


class _Counted:
    """A function that counts its evaluations, that at the start included, and repeats none.

    A line search may end at the point that it tried last, and request it again.
    """

    def __init__(self, function: ValueAndGrad, start: Iterate, parts: Parts) -> None:
        self._function, self._parts = function, parts
        self._x, self._at = start.x, start.at
        self.count = 1

    def __call__(self, x: Tensor) -> Valued:
        if not self._parts.equal(x, self._x):
            self._x, self._at = x, self._function(x)
            self.count += 1
        return self._at

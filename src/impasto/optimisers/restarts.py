"""A descent that is started anew every so many evaluations, as callers of scipy's L-BFGS-B do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import final

import torch
from torch import Tensor

from impasto.optimisers.base import Box, Iterate, Minimiser, ValueAndGrad, Valued
from impasto.optimisers.state import Memory

__all__ = ["rounds"]

Descend = Callable[[ValueAndGrad, Tensor], Iterator[Iterate]]


def rounds(
    evaluate: ValueAndGrad, x: Tensor, *, descend: Descend, evaluations: int, box: Box | None = None
) -> Minimiser:
    """Iterates that are each the end of one descent, started from the one before without memory.

    A descent ends at its first iterate after more than `evaluations` evaluations, which is how
    scipy's L-BFGS-B counts `maxfun`, or by itself: its start counts, a point asked for twice in a
    row does not. Its end is then projected onto the box.
    """
    return _Rounds(evaluate, x, descend, evaluations, box)


@final
class _Rounds(Minimiser):
    """See `rounds`. Between two of them there is nothing to remember."""

    def __init__(
        self,
        evaluate: ValueAndGrad,
        x: Tensor,
        descend: Descend,
        evaluations: int,
        box: Box | None,
    ) -> None:
        super().__init__(x)
        self._evaluate, self._descend = evaluate, descend
        self._evaluations, self._box = evaluations, box

    def _first(self, x: Tensor) -> Iterate:
        return Iterate(0, x, self._evaluate(x))

    def _after(self, last: Iterate) -> Iterate:
        end = self._end(last)
        return _projected(end, self._box, self._evaluate) if self._box else end

    def _end(self, last: Iterate) -> Iterate:
        """Where one descent from there ends."""
        counted, end = _Counted(self._evaluate, last), last
        for reached in self._descend(counted, last.x):
            end = reached
            if counted.made > self._evaluations:
                break
        return Iterate(last.iteration + 1, end.x, end.at)

    def _memory(self) -> dict[str, Tensor]:
        return {}

    def _recall(self, iterate: Iterate, memory: Memory) -> None:
        pass


def _projected(iterate: Iterate, box: Box, evaluate: ValueAndGrad) -> Iterate:
    """The iterate in the box, evaluated again only where that moves it."""
    x = box.project(iterate.x)
    return iterate if torch.equal(x, iterate.x) else Iterate(iterate.iteration, x, evaluate(x))


class _Counted:
    """An objective that counts its evaluations, that at the start among them, and repeats none.

    A line search may end at the point that it tried last, and ask for it again.
    """

    def __init__(self, evaluate: ValueAndGrad, start: Iterate) -> None:
        self._evaluate = evaluate
        self._x, self._at = start.x, start.at
        self.made = 1

    def __call__(self, x: Tensor) -> Valued:
        if not torch.equal(x, self._x):
            self._x, self._at = x, self._evaluate(x)
            self.made += 1
        return self._at

"""A descent that is started anew every so many evaluations, as callers of scipy's L-BFGS-B do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import torch
from torch import Tensor

from impasto.optimisers.iterates import Box, Evaluate, Iterate, Valued

__all__ = ["rounds"]

Descend = Callable[[Evaluate, Tensor], Iterator[Iterate]]


def rounds(
    evaluate: Evaluate, x: Tensor, *, descend: Descend, evaluations: int, box: Box | None = None
) -> Iterator[Iterate]:
    """Iterates that are each the end of one descent, started from the one before without memory.

    A descent ends at its first iterate after more than `evaluations` evaluations, which is how
    scipy's L-BFGS-B counts `maxfun`, or by itself: its start counts, a point asked for twice in a
    row does not. Its end is then projected onto the box.
    """
    iterate = Iterate(0, x, evaluate(x))
    for iteration in count(1):
        yield iterate
        counted = _Counted(evaluate, iterate)
        for reached in descend(counted, iterate.x):
            iterate = Iterate(iteration, reached.x, reached.at)
            if counted.made > evaluations:
                break
        if box:
            iterate = _projected(iterate, box, evaluate)


def _projected(iterate: Iterate, box: Box, evaluate: Evaluate) -> Iterate:
    """The iterate in the box, evaluated again only where that moves it."""
    x = box.project(iterate.x)
    return iterate if torch.equal(x, iterate.x) else Iterate(iterate.iteration, x, evaluate(x))


class _Counted:
    """An objective that counts its evaluations, that at the start among them, and repeats none.

    A line search may end at the point that it tried last, and ask for it again.
    """

    def __init__(self, evaluate: Evaluate, start: Iterate) -> None:
        self._evaluate = evaluate
        self._x, self._at = start.x, start.at
        self.made = 1

    def __call__(self, x: Tensor) -> Valued:
        if not torch.equal(x, self._x):
            self._x, self._at = x, self._evaluate(x)
            self.made += 1
        return self._at

"""L-BFGS (Liu & Nocedal 1989) by the two-loop recursion, in the order of torch's L-BFGS.

The order matters more than it should. Without a line search, and with the published first step,
the early iterates amplify rounding: in float32 an algebraically equal form of the same direction
(Byrd, Nocedal & Schnabel's compact one) parts from torch's trace by per cents within 50
iterations, where this one follows it to a few parts in a million. Both read the history twice,
which is what they cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import sqrt
from typing import Literal

from torch import Tensor

from impasto.optimisers.iterates import Box, Evaluate, Iterate
from impasto.optimisers.line_search import Ray, Search, Trial, line_search

__all__ = ["FirstStep", "History", "lbfgs"]

FirstStep = float | Literal["l1", "l2"]

_TINY = 1e-30  # keeps a division by a vanishing gradient finite
_LEAST_CURVATURE = 1e-10  # pairs with sᵀy at or below this are skipped, as torch's L-BFGS does


class History:
    """The last `length` curvature pairs s = x⁺ - x and y = g⁺ - g, rows of two matrices.

    They stand for an inverse Hessian H: γI with γ = sᵀy / yᵀy of the newest pair, updated by each
    pair from oldest to newest, H ← (I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ with ρ = 1 / sᵀy.
    """

    def __init__(self, length: int, like: Tensor) -> None:
        self._steps = like.new_empty(length, like.numel())
        self._changes = like.new_empty(length, like.numel())
        self._inverse_curvatures = like.new_empty(length)  # ρ
        self._order: list[int] = []  # rows in use, oldest first
        self._gamma = like.new_ones(())

    def update(self, step: Tensor, change: Tensor) -> None:
        """Add the pair s = `step`, y = `change`, unless sᵀy is too small; forget the oldest."""
        curvature = change.dot(step)
        if not curvature > _LEAST_CURVATURE:
            return
        full = len(self._order) == len(self._steps)
        row = self._order.pop(0) if full else len(self._order)
        self._order.append(row)
        self._steps[row], self._changes[row] = step, change
        self._inverse_curvatures[row] = 1 / curvature
        self._gamma = curvature / change.dot(change)

    def direction(self, gradient: Tensor) -> Tensor:
        """-H g for g of n entries; -g while there are no pairs."""
        q, along = gradient.neg(), {}
        for row in reversed(self._order):
            along[row] = self._steps[row].dot(q) * self._inverse_curvatures[row]
            q.add_(self._changes[row], alpha=-float(along[row]))
        q.mul_(self._gamma)
        for row in self._order:
            excess = self._changes[row].dot(q) * self._inverse_curvatures[row]
            q.add_(self._steps[row], alpha=float(along[row] - excess))
        return q

    def forget(self) -> None:
        """Drop all pairs, so that the next direction is steepest descent."""
        self._order.clear()
        self._gamma.fill_(1)


def lbfgs(
    evaluate: Evaluate,
    x: Tensor,
    *,
    learning_rate: float = 1.0,
    first_step: FirstStep = "l1",
    history: int = 100,
    search: str = "none",
    box: Box | None = None,
) -> Iterator[Iterate]:
    """Iterates of L-BFGS from `x`; ends where no step along the direction descends.

    The first step length tried is learning_rate times min(1, 1/‖g‖₁) if `first_step` is `l1`,
    1/‖g‖₂ if it is `l2`, else what moves entries by it in root mean square; later it is
    learning_rate. `search` is one of LINE_SEARCHES. In a box, entries held at a bound are left out
    of the direction and steps are projected onto it.
    """
    descent = _Descent(
        evaluate, History(history, x), line_search(search), learning_rate, first_step, box
    )
    iterate = Iterate(0, x, evaluate(x))
    for iteration in count(1):
        yield iterate
        trial = descent.step(iterate)
        if trial is None:
            return
        iterate = Iterate(iteration, trial.x, trial.at)


@dataclass(frozen=True, eq=False)
class _Descent:
    """What all iterations share."""

    evaluate: Evaluate
    pairs: History
    seek: Search
    learning_rate: float
    first_step: FirstStep
    box: Box | None

    def step(self, iterate: Iterate) -> Trial | None:
        """The step taken along -H g, or if that fails along -g without history; None if both do."""
        free = self.box.free(iterate.x, iterate.gradient) if self.box else None
        gradient = _masked(iterate.gradient, free)
        fresh = iterate.iteration == 0
        for _ in range(2):
            direction = _masked(self.pairs.direction(gradient), free)
            length = _first_length(gradient, self.first_step) if fresh else 1.0
            if direction.dot(gradient) < 0:
                ray = Ray(self.evaluate, iterate, direction, self.box)
                trial = self.seek(ray, self.learning_rate * length)
                if trial is not None:
                    self.pairs.update(trial.step, trial.at.gradient.reshape(-1) - iterate.gradient)
                    return trial
            self.pairs.forget()
            fresh = True
        return None


def _masked(vector: Tensor, mask: Tensor | None) -> Tensor:
    return vector if mask is None else vector * mask


def _first_length(gradient: Tensor, first_step: FirstStep) -> float:
    """How far to go before any curvature is known.

    torch's min(1, 1/‖g‖₁) moves all entries by at most 1 in sum, scipy's 1/‖g‖₂ by 1 in norm: for
    a picture less than bfloat16 can tell. A number states a root mean square instead.
    """
    if first_step == "l1":
        return min(1.0, 1.0 / max(float(gradient.abs().sum()), _TINY))
    norm = max(float(gradient.norm()), _TINY)
    return 1.0 / norm if first_step == "l2" else first_step * sqrt(gradient.numel()) / norm

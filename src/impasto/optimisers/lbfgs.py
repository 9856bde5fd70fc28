"""L-BFGS in compact form (Byrd, Nocedal & Schnabel 1994, theorem 2.2).

The curvature pairs s = x⁺ - x and y = g⁺ - g are rows of two matrices S and Y, so that applying
the inverse Hessian is four matrix-vector products and two triangular solves of the history's
size. It is the two-loop recursion's direction exactly, with H₀ = γI and γ = sᵀy / yᵀy.
"""

from collections.abc import Iterator
from itertools import count

import torch
from torch import Tensor

from impasto.optimisers.iterates import Box, Evaluate, Iterate
from impasto.optimisers.line_search import Ray, Search, Trial, line_search

__all__ = ["InverseHessian", "lbfgs"]

_TINY = 1e-30  # keeps a division by a vanishing gradient finite
_LEAST_CURVATURE = 1e-10  # pairs with sᵀy at or below this are skipped, as torch's L-BFGS does


class InverseHessian:
    """The last `history` curvature pairs of a function of n variables, as an operator.

    With R the upper triangle of SYᵀ, D its diagonal and p = R⁻¹ S g, where rows are pairs from
    oldest to newest,

        H g = γ g + Sᵀ R⁻ᵀ ((D + γ Y Yᵀ) p - γ Y g) - γ Yᵀ p.
    """

    def __init__(self, history: int, like: Tensor) -> None:
        self._steps = like.new_empty(history, like.numel())
        self._changes = like.new_empty(history, like.numel())
        self._products = like.new_zeros(history, history, dtype=torch.float64)  # S Yᵀ
        self._changes_gram = torch.zeros_like(self._products)  # Y Yᵀ
        self._order: list[int] = []  # rows in use, oldest first

    def update(self, step: Tensor, change: Tensor) -> None:
        """Add the pair s = `step`, y = `change`, unless sᵀy is too small; forget the oldest."""
        curvature = step.dot(change)
        if not curvature > _LEAST_CURVATURE:
            return
        history = len(self._steps)
        row = self._order.pop(0) if len(self._order) == history else len(self._order)
        self._order.append(row)
        self._steps[row], self._changes[row] = step, change
        used = len(self._order)
        self._products[:used, row] = (self._steps[:used] @ change).double()
        gram = (self._changes[:used] @ change).double()
        self._changes_gram[:used, row] = self._changes_gram[row, :used] = gram

    def apply(self, gradient: Tensor) -> Tensor:
        """H g, for g of n entries; g itself while there are no pairs."""
        used = len(self._order)
        if used == 0:
            return gradient.clone()
        order = torch.tensor(self._order, device=gradient.device)
        upper = self._products[order][:, order].triu()
        gram = self._changes_gram[order][:, order]
        gamma = upper[-1, -1] / gram[-1, -1]
        along_steps = (self._steps[:used] @ gradient).double()[order]
        along_changes = (self._changes[:used] @ gradient).double()[order]
        p = _solve(upper, along_steps, upper_triangle=True)
        right = upper.diagonal() * p + gamma * (gram @ p - along_changes)
        q = _solve(upper.T, right, upper_triangle=False)
        by_step, by_change = torch.empty_like(q), torch.empty_like(p)
        by_step[order], by_change[order] = q, -gamma * p
        result = gradient * gamma.to(gradient.dtype)
        result.addmv_(self._steps[:used].T, by_step.to(gradient.dtype))
        return result.addmv_(self._changes[:used].T, by_change.to(gradient.dtype))

    def forget(self) -> None:
        """Drop all pairs, so that the next direction is steepest descent."""
        self._order.clear()


def _solve(triangle: Tensor, right: Tensor, *, upper_triangle: bool) -> Tensor:
    return torch.linalg.solve_triangular(triangle, right[:, None], upper=upper_triangle)[:, 0]


def lbfgs(
    evaluate: Evaluate,
    x: Tensor,
    *,
    learning_rate: float = 1.0,
    first_step: float = 0.0,
    history: int = 100,
    search: str = "none",
    box: Box | None = None,
) -> Iterator[Iterate]:
    """Iterates of L-BFGS from `x`; ends where no step along the direction descends.

    The first step length tried is min(1, 1/‖g‖₁) · learning_rate, or the one that moves entries
    by `first_step` in root mean square if that is given; later learning_rate. `search` is `none` (take it), `armijo` (halve until sufficient decrease) or `strong-wolfe`. In a box,
    entries held at a bound are left out of the direction and steps are projected onto it.
    """
    seek = line_search(search)
    hessian = InverseHessian(history, x)
    iterate = Iterate(0, x, evaluate(x))
    for iteration in count(1):
        yield iterate
        trial = _descend(hessian, iterate, evaluate, seek, learning_rate, first_step, box)
        if trial is None:
            return
        reached = Iterate(iteration, trial.x, trial.at)
        hessian.update(trial.step, reached.gradient - iterate.gradient)
        iterate = reached


def _descend(
    hessian: InverseHessian,
    iterate: Iterate,
    evaluate: Evaluate,
    seek: Search,
    learning_rate: float,
    first_step: float,
    box: Box | None,
) -> Trial | None:
    """The step taken along -H g, or if that fails along -g with a new history; None if both do."""
    gradient = iterate.gradient
    free = box.free(iterate.x, gradient) if box else None
    gradient = gradient * free if free is not None else gradient
    fresh = iterate.iteration == 0
    for _ in range(2):
        direction = hessian.apply(gradient).neg_()
        direction = direction * free if free is not None else direction
        length = learning_rate * _first_length(gradient, first_step) if fresh else learning_rate
        if direction.dot(gradient) < 0:
            trial = seek(Ray(evaluate, iterate, direction, box), length)
            if trial is not None:
                return trial
        hessian.forget()
        fresh = True
    return None


def _first_length(gradient: Tensor, first_step: float) -> float:
    """How far to go before any curvature is known.

    The published min(1, 1/‖g‖₁) moves all entries by 1 in sum, for a picture far less than
    bfloat16 can tell; `first_step` states a root mean square instead.
    """
    if first_step > 0:
        return first_step * gradient.numel() ** 0.5 / max(float(gradient.norm()), _TINY)
    return min(1.0, 1.0 / max(float(gradient.abs().sum()), _TINY))

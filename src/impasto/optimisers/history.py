"""The curvature pairs of L-BFGS and the inverse Hessian they stand for.

The last pairs s = x⁺ - x and y = g⁺ - g make an inverse Hessian H of γI, with γ = sᵀy / yᵀy of the
newest pair, updated by each from oldest to newest: H ← (I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ with
ρ = 1 / sᵀy. There are two representations, `Recursion` here and `impasto.optimisers.compact`. Both
read all pairs twice for a direction, and that is their cost: it depends on the bandwidth of memory
and on the size of a number, not on arithmetic.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from impasto.optimisers.parts import WHOLE, Parts
from impasto.optimisers.state import State, integers, load_integers, load_tensor

__all__ = ["MIN_CURVATURE", "History", "Recursion", "Rows"]

MIN_CURVATURE = 1e-10
"""Pairs with sᵀy at or below this are skipped, as torch's L-BFGS does."""


class History(Protocol):
    """The last pairs, at most `length`; `like`, (n,), gives their size, precision and device.

    `parts` makes products of vectors that processes share.
    """

    def __init__(self, length: int, like: Tensor, parts: Parts = WHOLE) -> None: ...

    def update(self, step: Tensor, change: Tensor) -> None:
        """Add the pair s = `step`, y = `change`, (n,) each, in place of the oldest if full.

        Skips the pair if sᵀy is too small.
        """

    def direction(self, gradient: Tensor) -> Tensor:
        """-H g for the gradient g, (n,) -> (n,); -g without pairs."""

    def clear(self) -> None:
        """Drop all pairs, so that the next direction is steepest descent."""

    def state_dict(self) -> dict[str, Tensor]:
        """The pairs in use and what is known of them: the tensors themselves, or views."""

    def load_state_dict(self, state: State) -> None:
        """Copy what `state_dict` gave into a new history; ValueError if it does not fit.

        Of more pairs than the history's length it takes the newest.
        """


class Rows:
    """Which rows of a store of `length` are in use, oldest first; a new pair replaces the oldest.

    The rows in use are always the first few, in some order.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self.order: list[int] = []

    def add(self) -> int:
        """The row of a new pair, which is the newest from now on."""
        full = len(self.order) == self._length
        row = self.order.pop(0) if full else len(self.order)
        self.order.append(row)
        return row

    def load(self, state: State) -> tuple[int, list[int]]:
        """Take the order from a state: how many rows it has, and which of them each row here is.

        If they are more than `length`, the newest are kept. Raises ValueError if there is no order.
        """
        order = load_integers(state, "order")
        count, surplus = len(order), max(0, len(order) - self._length)
        if sorted(order) != [*range(count)]:
            raise ValueError("the state's order skips rows, or repeats them")
        kept = order[surplus:] if surplus else [*range(count)]
        self.order = [*range(self._length)] if surplus else order
        return count, kept


class Recursion:
    """The two loops over the pairs, in the vectors' precision (Nocedal & Wright 2006, 7.4).

    The order of operations is that of torch's L-BFGS, and it matters: without a line search, and
    with the published first step, early iterates amplify rounding. In float32 this representation
    follows torch's trace to a few parts in a million, where the compact one departs by per cents
    within 50 iterations.

    A direction reads nothing back from the device. Processes that share vectors add up two numbers
    a pair, one after the other.
    """

    def __init__(self, length: int, like: Tensor, parts: Parts = WHOLE) -> None:
        self._dot = parts.dot
        self._steps = like.new_empty(length, like.numel())
        self._changes = like.new_empty(length, like.numel())
        self._inverse_curvatures = like.new_empty(length)  # ρ
        self._rows = Rows(length)
        self._gamma = like.new_ones(())

    def update(self, step: Tensor, change: Tensor) -> None:
        """Add a pair; see `History`."""
        curvature = self._dot(change, step)
        if not curvature > MIN_CURVATURE:
            return
        row = self._rows.add()
        self._steps[row], self._changes[row] = step, change
        self._inverse_curvatures[row] = 1 / curvature
        self._gamma = curvature / self._dot(change, change)

    def direction(self, gradient: Tensor) -> Tensor:
        """-H g, (n,) -> (n,)."""
        q, along = gradient.neg(), {}
        for row in reversed(self._rows.order):
            along[row] = self._dot(self._steps[row], q) * self._inverse_curvatures[row]
            q.addcmul_(self._changes[row], along[row], value=-1)
        q.mul_(self._gamma)
        for row in self._rows.order:
            excess = self._dot(self._changes[row], q) * self._inverse_curvatures[row]
            q.addcmul_(self._steps[row], along[row] - excess)
        return q

    def clear(self) -> None:
        """Drop all pairs."""
        self._rows.order.clear()
        self._gamma.fill_(1)

    def state_dict(self) -> dict[str, Tensor]:
        """The pairs in use; see `History`."""
        return {"order": integers(self._rows.order), "gamma": self._gamma, **self._used()}

    def load_state_dict(self, state: State) -> None:
        """Copy the pairs of a state; ValueError if they do not fit."""
        count, kept = self._rows.load(state)
        for name, rows in self._used().items():
            saved = load_tensor(state, name, (count, *rows.shape[1:]), rows.dtype)
            for row, origin in zip(rows, kept, strict=True):  # no copy of all
                row.copy_(saved[origin])
        self._gamma.copy_(load_tensor(state, "gamma", (), self._gamma.dtype))

    def _used(self) -> dict[str, Tensor]:
        """The rows in use, as views."""
        n = len(self._rows.order)
        return {
            "steps": self._steps[:n],
            "changes": self._changes[:n],
            "inverse_curvatures": self._inverse_curvatures[:n],
        }

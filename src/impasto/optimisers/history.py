"""The curvature pairs of L-BFGS and the inverse Hessian they stand for, in two forms.

The last pairs s = x⁺ - x and y = g⁺ - g make an inverse Hessian H of γI, with γ = sᵀy / yᵀy of the
newest pair, updated by each from oldest to newest: H ← (I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ with
ρ = 1 / sᵀy. Both forms read all pairs twice a direction, which is what they cost: memory's speed
and the size of a number decide, not arithmetic.

`Recursion` keeps full precision and the order of operations of torch's L-BFGS. The order matters
more than it should: without a line search, and with the published first step, the early iterates
amplify rounding, and in float32 the compact form parts from torch's trace by per cents within 50
iterations where this one follows it to a few parts in a million.

`Compact` keeps the pairs of float32 vectors in bfloat16, half the size, for evaluations that are no
more accurate. It is a few matrix products, and reads nothing back from the device but the sign of a
pair's curvature.
"""

from typing import Protocol

import torch
from torch import Tensor

from impasto.optimisers.state import Memory, recalled, recalled_rows

__all__ = ["HISTORIES", "Compact", "History", "Recursion"]

_LEAST_CURVATURE = 1e-10  # pairs with sᵀy at or below this are skipped, as torch's L-BFGS does


class History(Protocol):
    """The last pairs, at most so many; made from (length, a vector like those to come)."""

    def __init__(self, length: int, like: Tensor) -> None: ...

    def update(self, step: Tensor, change: Tensor) -> None:
        """Add the pair s = `step`, y = `change`, unless sᵀy is too small; forget the oldest."""

    def direction(self, gradient: Tensor) -> Tensor:
        """-H g for g of n entries; -g while there are no pairs."""

    def forget(self) -> None:
        """Drop all pairs, so that the next direction is steepest descent."""

    def memory(self) -> dict[str, Tensor]:
        """The pairs in use and what is kept of them: the tensors themselves, or views."""

    def restore(self, memory: Memory) -> None:
        """Copy what `memory` gave into a history that is new; ValueError if it does not fit."""


class _Rows:
    """Which rows of a store of `length` are in use, oldest first; a full one overwrites that.

    They are always the first few rows, in some order.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self.order: list[int] = []

    def take(self) -> int:
        full = len(self.order) == self._length
        row = self.order.pop(0) if full else len(self.order)
        self.order.append(row)
        return row

    def restore(self, memory: Memory) -> None:
        order = recalled_rows(memory, "order", self._length)
        if sorted(order) != list(range(len(order))):
            raise ValueError("the memory's order skips rows, or has them twice")
        self.order = order


class Recursion:
    """Two loops over the pairs, in the vectors' own precision (Nocedal & Wright 2006, 7.4)."""

    def __init__(self, length: int, like: Tensor) -> None:
        self._steps = like.new_empty(length, like.numel())
        self._changes = like.new_empty(length, like.numel())
        self._inverse_curvatures = like.new_empty(length)  # ρ
        self._rows = _Rows(length)
        self._gamma = like.new_ones(())

    def update(self, step: Tensor, change: Tensor) -> None:
        """See `History`."""
        curvature = change.dot(step)
        if not curvature > _LEAST_CURVATURE:
            return
        row = self._rows.take()
        self._steps[row], self._changes[row] = step, change
        self._inverse_curvatures[row] = 1 / curvature
        self._gamma = curvature / change.dot(change)

    def direction(self, gradient: Tensor) -> Tensor:
        """See `History`."""
        q, along = gradient.neg(), {}
        for row in reversed(self._rows.order):
            along[row] = self._steps[row].dot(q) * self._inverse_curvatures[row]
            q.add_(self._changes[row], alpha=-float(along[row]))
        q.mul_(self._gamma)
        for row in self._rows.order:
            excess = self._changes[row].dot(q) * self._inverse_curvatures[row]
            q.add_(self._steps[row], alpha=float(along[row] - excess))
        return q

    def forget(self) -> None:
        """See `History`."""
        self._rows.order.clear()
        self._gamma.fill_(1)

    def memory(self) -> dict[str, Tensor]:
        """See `History`."""
        return {"order": _integers(self._rows.order), "gamma": self._gamma, **self._used()}

    def restore(self, memory: Memory) -> None:
        """See `History`."""
        self._rows.restore(memory)
        for name, rows in self._used().items():
            rows.copy_(recalled(memory, name, rows.shape, rows.dtype))
        self._gamma = _like(self._gamma, memory, "gamma")

    def _used(self) -> dict[str, Tensor]:
        """The rows in use, as views."""
        n = len(self._rows.order)
        return {
            "steps": self._steps[:n],
            "changes": self._changes[:n],
            "inverse_curvatures": self._inverse_curvatures[:n],
        }


class Compact:
    """-Hg by products of matrices (Byrd, Nocedal & Schnabel 1994, eq. 3.1), pairs in bfloat16.

    With S and Y the pairs as columns, oldest first, R the upper triangle of SᵀY and D its diagonal,

        Hg = γg + S p - γY q,   q = R⁻¹ Sᵀg,   p = R⁻ᵀ((D + γ YᵀY) q - γ Yᵀg)

    The inner products among pairs are kept; those with g and the newest pair are one reading of
    the store, and Sp - γYq is another. bfloat16 products are rounded chunk by chunk and then added
    up; coefficients are split into a rounded part and the rest, which keeps 16 bits of them.

    Pairs lie in blocks, made as they are needed: (chunks, places, chunk), with s of row n at place
    2n and y at 2n + 1, counted over all blocks.
    """

    def __init__(self, length: int, like: Tensor) -> None:
        self._like, self._entries = like.new_empty(0), like.numel()  # not to hold on to the vector
        self._rows, self._block = _Rows(length), min(_BLOCK, length)  # pairs in a block
        self._type = torch.bfloat16 if like.dtype == torch.float32 else like.dtype
        self._blocks: list[Tensor] = []
        self._products = like.new_zeros((2 * length, 2 * length), dtype=torch.float64)
        self._gamma = like.new_ones(())
        self._new: list[int] = []  # rows of which the products are still to be taken

    def update(self, step: Tensor, change: Tensor) -> None:
        """See `History`."""
        curvature = change.dot(step)
        if not curvature > _LEAST_CURVATURE:
            return
        row = self._rows.take()
        self._new.append(row)
        for place, vector in zip(self._pair(row).unbind(1), (step, change), strict=True):
            self._lay(place, vector)
        self._gamma = curvature / change.dot(change)

    def direction(self, gradient: Tensor) -> Tensor:
        """See `History`."""
        if not self._rows.order:
            return gradient.neg()
        coefficients = self._coefficients(self._multiply(gradient))
        return self._combined(coefficients).addcmul_(gradient, self._gamma, value=-1)

    def forget(self) -> None:
        """See `History`."""
        self._rows.order.clear()
        self._new.clear()
        self._gamma.fill_(1)

    def memory(self) -> dict[str, Tensor]:
        """See `History`."""
        order, new = _integers(self._rows.order), _integers(self._new)
        return {"order": order, "new": new, "gamma": self._gamma, **self._used()}

    def restore(self, memory: Memory) -> None:
        """See `History`."""
        self._rows.restore(memory)
        self._new = recalled_rows(memory, "new", len(self._rows.order))
        for row in range(0, len(self._rows.order), self._block):
            self._pair(row)  # makes its block
        for name, places in self._used().items():
            places.copy_(recalled(memory, name, places.shape, places.dtype))
        self._gamma = _like(self._gamma, memory, "gamma")

    def _used(self) -> dict[str, Tensor]:
        """The places in use, as views; what other places hold has no weight in any sum."""
        n = 2 * len(self._rows.order)
        starts = range(0, n, 2 * self._block)
        blocks = {
            f"block.{index}": block[:, : n - start]
            for index, (start, block) in enumerate(zip(starts, self._blocks, strict=False))
        }
        return {"products": self._products[:n, :n], **blocks}

    def _multiply(self, gradient: Tensor) -> Tensor:
        """[s₀ᵀg, y₀ᵀg, s₁ᵀg, …]; with the same reading, the new pairs' own products."""
        new = list(dict.fromkeys(self._new))
        columns = self._places(1 + 2 * len(new))
        self._lay(columns[:, 0], gradient)
        for index, row in enumerate(new):
            columns[:, 1 + 2 * index : 3 + 2 * index] = self._pair(row)
        taken = columns.transpose(1, 2)
        products = torch.cat([torch.bmm(block, taken).double().sum(0) for block in self._blocks])
        products = products[: len(self._products)]
        places = [place for row in new for place in (2 * row, 2 * row + 1)]
        for place, column in zip(places, products[:, 1:].unbind(1), strict=True):
            self._products[: len(column), place] = self._products[place, : len(column)] = column
        self._new.clear()
        return products[:, 0]

    def _coefficients(self, along: Tensor) -> Tensor:
        """Of S p - γY q, negative, place by place; 0 for those not in use."""
        order = torch.tensor(self._rows.order, device=along.device)
        s, y, gamma = 2 * order, 2 * order + 1, self._gamma.double()
        crossed = self._products[s][:, y]
        upper, diagonal = crossed.triu(), crossed.diagonal()
        q = torch.linalg.solve_triangular(upper, along[s, None], upper=True)
        inner = diagonal[:, None] * q + gamma * (self._products[y][:, y] @ q - along[y, None])
        p = torch.linalg.solve_triangular(upper.T, inner, upper=False)
        coefficients = along.new_zeros(len(self._blocks) * 2 * self._block)
        coefficients[s], coefficients[y] = -p[:, 0], gamma * q[:, 0]
        return coefficients

    def _combined(self, coefficients: Tensor) -> Tensor:
        """All that is stored, added up with these weights: n entries."""
        rounded = coefficients.to(self._type)
        both = torch.stack([rounded, (coefficients - rounded).to(self._type)])
        total = self._like.new_zeros(self._blocks[0].shape[::2])
        for block, weights in zip(self._blocks, torch.split(both, 2 * self._block, 1), strict=True):
            parts = torch.bmm(weights.expand(len(block), -1, -1), block)
            total.add_(parts[:, 0]).add_(parts[:, 1])
        return total.flatten()[: self._entries]

    def _pair(self, row: int) -> Tensor:
        """Where a row's s and y lie, (chunks, 2, chunk)."""
        block, place = divmod(row, self._block)
        if block == len(self._blocks):
            self._blocks.append(self._places(2 * self._block))
        return self._blocks[block][:, 2 * place : 2 * place + 2]

    def _places(self, count: int) -> Tensor:
        """Room for so many vectors of n entries: (chunks, count, chunk), zeros."""
        shape = (-(-self._entries // _CHUNK), count, _CHUNK)
        return self._like.new_zeros(shape, dtype=self._type)

    def _lay(self, place: Tensor, vector: Tensor) -> None:
        """Write n entries to a place, (chunks, chunk); what follows them stays 0."""
        whole = self._entries // _CHUNK
        place[:whole] = vector[: whole * _CHUNK].view(-1, _CHUNK)
        place[whole:, : self._entries % _CHUNK] = vector[whole * _CHUNK :]


def _integers(values: list[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def _like(own: Tensor, memory: Memory, name: str) -> Tensor:
    """A copy of what was remembered in the place of `own`."""
    return torch.empty_like(own).copy_(recalled(memory, name, own.shape, own.dtype))


_CHUNK = 12288  # entries: the rows of one chunk stay in a core's cache
_BLOCK = 10  # pairs

HISTORIES: dict[str, type[History]] = {"recursion": Recursion, "compact": Compact}

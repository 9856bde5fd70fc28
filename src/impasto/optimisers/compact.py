"""L-BFGS's inverse Hessian as a few matrix products, its pairs in bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.optimisers.history import MIN_CURVATURE, Rows
from impasto.optimisers.parts import WHOLE, Parts
from impasto.optimisers.state import State, integers, load_rows, load_tensor

__all__ = ["Compact", "allocated_pairs"]

_BLOCK, _GPU_BLOCK = 10, 50  # pairs that are allocated at once
_CHUNK = 12288  # entries: the rows of one chunk stay in a core's cache
_GPU_CHUNK = 1024  # a GPU needs as many chunks as it has multiprocessors, and more


def allocated_pairs(pairs: int, device: torch.device) -> int:
    """How many pairs there is memory for when `pairs` are in use."""
    block = _block(pairs, device)
    return -(-pairs // block) * block


def _block(length: int, device: torch.device) -> int:
    """Pairs that are allocated at once, of at most `length`."""
    return min(_GPU_BLOCK if device.type == "cuda" else _BLOCK, length)


class Compact:
    """-Hg by matrix products (Byrd, Nocedal & Schnabel 1994, eq. 3.1); a `History`.

    Pairs of float32 vectors are kept in bfloat16, half the size: for evaluations that are no more
    accurate. With S and Y the pairs as columns, oldest first, R the upper triangle of SᵀY and D its
    diagonal,

        Hg = γg + S p - γY q,   q = R⁻¹ Sᵀg,   p = R⁻ᵀ((D + γ YᵀY) q - γ Yᵀg)

    The inner products among pairs are kept. Those with g and with the newest pair take one pass
    over the store, and Sp - γYq takes another. bfloat16 products are rounded chunk by chunk and
    then added up; coefficients are split into a rounded part and the rest, which keeps 16 bits.

    Pairs lie in blocks, allocated as they are needed: (chunks, columns, chunk), with s of row n in
    column 2n and y in column 2n + 1, counted over all blocks. Products and coefficients are in
    float64, which the vectors' device must have. Only the sign of a pair's curvature is read back
    from the device. Processes that share vectors add up all products of a direction at once.
    """

    def __init__(self, length: int, like: Tensor, parts: Parts = WHOLE) -> None:
        self._parts = parts
        self._like, self._entries = like.new_empty(0), like.numel()  # does not keep the vector
        self._rows, self._block = Rows(length), _block(length, like.device)
        self._chunk = _GPU_CHUNK if like.is_cuda else _CHUNK
        self._type = torch.bfloat16 if like.dtype == torch.float32 else like.dtype
        self._blocks: list[Tensor] = []
        self._products = like.new_zeros((2 * length, 2 * length), dtype=torch.float64)
        self._gamma = like.new_ones(())
        self._new: list[int] = []  # rows whose products are not taken yet

    def update(self, step: Tensor, change: Tensor) -> None:
        """Add a pair; see `History`."""
        curvature = self._parts.dot(change, step)
        if not curvature > MIN_CURVATURE:
            return
        row = self._rows.add()
        self._new.append(row)
        for column, vector in zip(self._pair(row).unbind(1), (step, change), strict=True):
            self._write(column, vector)
        self._gamma = curvature / self._parts.dot(change, change)

    def direction(self, gradient: Tensor) -> Tensor:
        """-H g, (n,) -> (n,)."""
        if not self._rows.order:
            return gradient.neg()
        coefficients = self._coefficients(self._multiply(gradient))
        return self._combine(coefficients).addcmul_(gradient, self._gamma, value=-1)

    def clear(self) -> None:
        """Drop all pairs."""
        self._rows.order.clear()
        self._new.clear()
        self._gamma.fill_(1)

    def state_dict(self) -> dict[str, Tensor]:
        """The pairs in use; see `History`."""
        order, new = integers(self._rows.order), integers(self._new)
        return {"order": order, "new": new, "gamma": self._gamma, **self._used()}

    def load_state_dict(self, state: State) -> None:
        """Copy the pairs of a state; ValueError if they do not fit."""
        count, kept = self._rows.load(state)
        new = load_rows(state, "new", count)
        self._new = [kept.index(row) for row in new if row in kept]
        pairs = self._saved_pairs(state, count)
        for row, origin in enumerate(kept):
            self._pair(row).copy_(pairs[origin])
        columns = [column for row in kept for column in (2 * row, 2 * row + 1)]
        products = load_tensor(state, "products", (2 * count, 2 * count), self._products.dtype)
        self._products[: len(columns), : len(columns)] = products[columns][:, columns]
        self._gamma.copy_(load_tensor(state, "gamma", (), self._gamma.dtype))

    def _saved_pairs(self, state: State, count: int) -> list[Tensor]:
        """The columns of each pair of a state, (chunks, 2, chunk), in blocks of any length."""
        pairs: list[Tensor] = []
        chunks = -(-self._entries // self._chunk)
        for index in range(count):
            left = 2 * (count - len(pairs))
            if left == 0:
                break
            found = state.get(f"block.{index}")
            columns = left if found is None or found.dim() != 3 else min(found.shape[1], left)
            shape = (chunks, columns, self._chunk)
            pairs += torch.split(load_tensor(state, f"block.{index}", shape, self._type), 2, 1)
        return pairs

    def _used(self) -> dict[str, Tensor]:
        """The columns in use, as views; the others have no weight in any sum."""
        n = 2 * len(self._rows.order)
        width = 2 * self._block
        blocks = {
            f"block.{index}": self._blocks[index][:, : n - start]
            for index, start in enumerate(range(0, n, width))
        }
        return {"products": self._products[:n, :n], **blocks}

    def _multiply(self, gradient: Tensor) -> Tensor:
        """[s₀ᵀg, y₀ᵀg, s₁ᵀg, …], and in the same pass the products of new pairs."""
        new = list(dict.fromkeys(self._new))
        right = self._allocate(1 + 2 * len(new))
        self._write(right[:, 0], gradient)
        for index, row in enumerate(new):
            right[:, 1 + 2 * index : 3 + 2 * index] = self._pair(row)
        right = right.transpose(1, 2)  # (chunks, chunk, 1 + 2 new)
        products = torch.cat([torch.bmm(block, right).double().sum(0) for block in self._blocks])
        products = self._parts.total(products[: len(self._products)])  # (2 length, 1 + 2 new)
        columns = [column for row in new for column in (2 * row, 2 * row + 1)]
        for column, values in zip(columns, products[:, 1:].unbind(1), strict=True):
            self._products[: len(values), column] = self._products[column, : len(values)] = values
        self._new.clear()
        return products[:, 0]

    def _coefficients(self, along: Tensor) -> Tensor:
        """The weights of -(S p - γY q), column by column; 0 for those not in use."""
        order = torch.tensor(self._rows.order, dtype=torch.int64, device=along.device)
        s, y, gamma = 2 * order, 2 * order + 1, self._gamma.double()
        crossed = self._products[s][:, y]
        upper, diagonal = crossed.triu(), crossed.diagonal()
        q = torch.linalg.solve_triangular(upper, along[s, None], upper=True)
        inner = diagonal[:, None] * q + gamma * (self._products[y][:, y] @ q - along[y, None])
        p = torch.linalg.solve_triangular(upper.T, inner, upper=False)
        coefficients = along.new_zeros(len(self._blocks) * 2 * self._block)
        coefficients[s], coefficients[y] = -p[:, 0], gamma * q[:, 0]
        return coefficients

    def _combine(self, coefficients: Tensor) -> Tensor:
        """The sum of all columns with these weights, (n,)."""
        rounded = coefficients.to(self._type)
        parts = torch.stack([rounded, (coefficients - rounded).to(self._type)])  # (2, columns)
        total = self._like.new_zeros(self._blocks[0].shape[::2])  # (chunks, chunk)
        weights = torch.split(parts, 2 * self._block, 1)
        for block, part in zip(self._blocks, weights, strict=True):
            sums = torch.bmm(part.expand(len(block), -1, -1), block)  # (chunks, 2, chunk)
            total.add_(sums[:, 0]).add_(sums[:, 1])
        return total.flatten()[: self._entries]

    def _pair(self, row: int) -> Tensor:
        """The columns of a row's s and y, (chunks, 2, chunk)."""
        block, place = divmod(row, self._block)
        if block == len(self._blocks):
            self._blocks.append(self._allocate(2 * self._block))
        return self._blocks[block][:, 2 * place : 2 * place + 2]

    def _allocate(self, columns: int) -> Tensor:
        """Zeros for so many vectors of n entries: (chunks, columns, chunk)."""
        shape = (-(-self._entries // self._chunk), columns, self._chunk)
        return self._like.new_zeros(shape, dtype=self._type)

    def _write(self, column: Tensor, vector: Tensor) -> None:
        """Write a vector (n,) to a column (chunks, chunk), whose end stays 0."""
        whole = self._entries // self._chunk
        column[:whole] = vector[: whole * self._chunk].view(-1, self._chunk)
        column[whole:, : self._entries % self._chunk] = vector[whole * self._chunk :]

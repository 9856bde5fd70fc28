"""A matrix whose rows are shared among processes, as one whose columns are, and back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from impasto.objective.ranks import Ranks

__all__ = ["Turning", "even_parts"]


def even_parts(whole: int, count: int) -> list[int]:
    """`whole` as so many parts that differ by 1 at most."""
    ends = [whole * n // count for n in range(count + 1)]
    return [stop - start for start, stop in pairwise(ends)]


class Turning:
    """Moves complex matrices between two divisions: by rows, and by columns.

    Args:
        rows: how many each process has.
        columns: how many there are; each process gets about equally many.
        ranks: the processes; None for one, which has the matrix.
    """

    def __init__(self, rows: Sequence[int], columns: int, ranks: Ranks | None) -> None:
        self._rows, self._ranks, count = list(rows), ranks, len(rows)
        self._columns, rank = even_parts(columns, count), ranks.rank if ranks else 0
        first = sum(self._columns[:rank])
        self.columns = slice(first, first + self._columns[rank])
        self.height, self._own_rows = sum(rows), self._rows[rank]

    def by_columns(self, part: Tensor) -> Tensor:
        """Own rows of a complex matrix, (rows, columns) -> its own columns, (height, columns)."""
        if self._ranks is None:
            return part
        width = self.columns.stop - self.columns.start
        outgoing = torch.split(part, self._columns, 1)
        return torch.cat(self._swap(outgoing, [(rows, width) for rows in self._rows]), 0)

    def by_rows(self, part: Tensor) -> Tensor:
        """The inverse of `by_columns`: (height, columns) -> (rows, columns)."""
        if self._ranks is None:
            return part
        outgoing = torch.split(part, self._rows, 0)
        shapes = [(self._own_rows, width) for width in self._columns]
        return torch.cat(self._swap(outgoing, shapes), 1)

    def _swap(self, outgoing: Sequence[Tensor], shapes: list[tuple[int, int]]) -> list[Tensor]:
        """Complex numbers as pairs of real ones, which every backend sends."""
        assert self._ranks is not None
        real = [torch.view_as_real(part.contiguous()) for part in outgoing]
        found = self._ranks.swap(real, [(*shape, 2) for shape in shapes])
        return [torch.view_as_complex(part) for part in found]

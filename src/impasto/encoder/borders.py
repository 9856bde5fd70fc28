"""Positions added around features, copied from the edge nearby or, on a circle, the far end."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.encoder.operations import Conv, Ends, Operation, Pool

__all__ = ["Border", "copied", "zeros"]

Sides = tuple[int, int]  # positions before and after

_NONE: Sides = (0, 0)


@dataclass(frozen=True)
class Border:
    """How many positions are added: above and below, left and right.

    Along an axis that `wraps` they continue with the other end, elsewhere they repeat the edge.
    """

    rows: Sides = _NONE
    columns: Sides = _NONE
    wraps: tuple[bool, bool] = (False, False)

    def around(self, x: Tensor, layout: torch.memory_format) -> Tensor:
        """(1, c, h, w) with the border added, in this memory format; x itself without one."""
        if self.rows == self.columns == _NONE:
            return x
        height, width = x.shape[-2:]
        (above, below), (left, right) = self.rows, self.columns
        shape = (*x.shape[:2], above + height + below, left + width + right)
        padded = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)
        padded[..., above : above + height, left : left + width] = x
        for place, source in _copies(self.columns, width, self.wraps[1]):
            padded[..., place] = padded[..., source]
        for place, source in _copies(self.rows, height, self.wraps[0]):
            padded[..., place, :] = padded[..., source, :]
        return padded

    def folded(self, g: Tensor, layout: torch.memory_format) -> Tensor:
        """Transpose of `around`, (1, c, h', w') -> (1, c, h, w), which writes into its argument.

        What was copied adds its part to where it came from.
        """
        if self.rows == self.columns == _NONE:
            return g
        (above, below), (left, right) = self.rows, self.columns
        height, width = g.shape[-2] - above - below, g.shape[-1] - left - right
        for place, source in _copies(self.rows, height, self.wraps[0]):
            g[..., source, :] += g[..., place, :]
        for place, source in _copies(self.columns, width, self.wraps[1]):
            g[..., source] += g[..., place]
        inner = g[..., above : above + height, left : left + width]
        return inner.contiguous(memory_format=layout)


def copied(operation: Operation, ends: Ends, *, edges: bool) -> Border:
    """The border that an operation's input is given: a circle's, and elsewhere with `edges`."""
    rows, columns = (
        _sides(operation, padded=padded and edges, wraps=wraps)
        for padded, wraps in zip(ends.padded, ends.wraps, strict=True)
    )
    return Border(rows, columns, ends.wraps)


def zeros(operation: Conv, ends: Ends, *, edges: bool) -> tuple[int, int]:
    """Zeros around a convolution's input, above and below, left and right, beside any border."""
    down, across = (
        operation.padding * (padded and not wraps and not edges)
        for padded, wraps in zip(ends.padded, ends.wraps, strict=True)
    )
    return down, across


def _sides(operation: Operation, *, padded: bool, wraps: bool) -> Sides:
    if wraps and isinstance(operation, Conv | Pool):
        after = operation.kernel - operation.stride - operation.padding
        return operation.padding, max(0, after)
    return (operation.padding, operation.padding) if padded else _NONE


def _copies(sides: Sides, length: int, wraps: bool) -> Iterator[tuple[int, int]]:
    """Place and source of each added position along an axis of `length` positions."""
    before, after = sides
    for place in (*range(before), *range(before + length, before + length + after)):
        inner = place - before
        source = inner % length if wraps else min(max(inner, 0), length - 1)
        yield place, before + source

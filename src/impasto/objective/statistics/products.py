"""Sums over positions of features and of their products, in the accuracy that a loss needs.

Columns are (c, n): the features of n positions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.images import precision

__all__ = ["add_product", "exact_outer", "exact_total", "flat", "outer", "total"]

_CHUNKS = 8  # bfloat16 products round their result; a float32 sum of a few averages that out
_GPU_CHUNK = 2**14  # positions: enough chunks that each multiprocessor has one
_RUN = 64  # length of bfloat16 sums, for the same reason
_EXACT_RUN = 2**16  # positions added up in float32 before float64 takes over


def flat(features: Tensor) -> Tensor:
    """(1, c, h, w) -> (c, h·w), a view whether the memory is channels-last or not."""
    return features[0].flatten(1)


def total(columns: Tensor, root: Tensor | None) -> Tensor:
    """Σ √w f of columns (c, n), with `root` √w (n,), else 1 -> (c,)."""
    columns = columns if root is None else columns * root
    if columns.dtype != torch.bfloat16:
        return columns.sum(1)
    runs, rest = _split(columns, _RUN)
    return runs.sum(1).sum(0, dtype=torch.float32) + rest.sum(0, dtype=torch.float32)


def outer(columns: Tensor) -> Tensor:
    """Σ f fᵀ of columns (c, n) -> (c, c)."""
    if columns.dtype != torch.bfloat16:
        return columns @ columns.T
    length = max(1, columns.shape[1] // _CHUNKS)
    chunks, rest = _split(columns, min(length, _GPU_CHUNK) if columns.is_cuda else length)
    product = torch.bmm(chunks.transpose(1, 2), chunks).sum(0, dtype=torch.float32)
    return product + rest.T @ rest if len(rest) else product


def exact_total(columns: Tensor, root: Tensor | None) -> Tensor:
    """Σ √w f of columns (c, n), with `root` √w (n,), else 1, to 16 bits or better -> (c,)."""
    root = columns.new_ones(columns.shape[1]) if root is None else root
    found = _exact_product(root[:, None], columns.T)[0]
    return found.to(torch.promote_types(columns.dtype, torch.float32))


def exact_outer(columns: Tensor) -> Tensor:
    """Σ f fᵀ of columns (c, n) to 16 bits or better, float64 (float32 on MPS), (c, c)."""
    return _exact_product(columns.T, columns.T)


def add_product(into: Tensor, matrix: Tensor, columns: Tensor) -> None:
    """Add matrix · columns (c, n), of a symmetric matrix, to features (1, c, h, w), in place.

    Channels-last memory takes the product at once. Otherwise it is rounded before it is added, as
    autograd does: the first iterations of published traces agree to the last digit of float32.
    """
    if columns.is_contiguous():
        into.add_((matrix @ columns).view(into.shape))
    elif into.is_contiguous(memory_format=torch.channels_last):
        torch.addmm(flat(into).T, columns.T, matrix, out=flat(into).T)
    else:
        into.add_((columns.T @ matrix).T.reshape(into.shape))


def _exact_product(a: Tensor, b: Tensor) -> Tensor:
    """aᵀb of (n, i) and (n, j) in float64 (float32 on MPS), added up from runs of positions."""
    double = torch.float64 if precision.has_float64(a.device) else torch.float32
    runs = zip(torch.split(a, _EXACT_RUN), torch.split(b, _EXACT_RUN), strict=True)
    return torch.stack([_run_product(*run, double) for run in runs]).sum(0)


def _run_product(a: Tensor, b: Tensor, double: torch.dtype) -> Tensor:
    """aᵀb in float32 or better; of bfloat16 on a CPU to 16 bits: the rounded product, and the rest.

    Two products of bfloat16 are a fraction of the work of one in float32 there.
    """
    if a.dtype == torch.bfloat16 and a.device.type == "cpu":
        rounded = a.T @ b
        return rounded.to(double).add_(torch.addmm(-rounded, a.T, b))
    accurate = torch.promote_types(a.dtype, torch.float32)
    return (a.to(accurate).T @ b.to(accurate)).to(double)


def _split(columns: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Positions of columns (c, n) in chunks of `length` > 0, (chunks, length, c); rest (m, c)."""
    rows = columns.T
    whole = len(rows) // length * length
    return rows[:whole].reshape(-1, length, rows.shape[1]), rows[whole:]

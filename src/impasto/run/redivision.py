"""The state of processes that share a canvas, divided anew among another number of them.

Vectors of a checkpoint's parts are of own rows of the canvas, (3, rows, w), or, where the optimiser
is preconditioned, of own columns of its Fourier transform, (3, h, columns, 2). All other tensors
are the same at each process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import prod

import torch
from torch import Tensor

from impasto.optimisers.turning import even_parts
from impasto.run.checkpoint import Checkpoint

__all__ = ["redivided"]

_CANVASES = ("x", "gradient", "best", "average", "mean", "square")
_PAIRS = ("steps", "changes", "block")


def redivided(
    parts: Iterable[Checkpoint],
    before: Sequence[int],
    after: Sequence[int],
    rank: int,
    *,
    spectral: bool,
) -> Checkpoint:
    """The part of process `rank` of those with `after` rows each, from those with `before`.

    `spectral` tells whether curvature pairs are of Fourier transforms. One part is in memory at a
    time. Raises KeyError or RuntimeError for tensors that do not fit.
    """
    found: dict[str, Tensor] = {}
    shapes: dict[str, tuple[Sequence[int], torch.Size]] = {}
    facts = None
    for source, part in enumerate(parts):
        facts = part.facts if facts is None else facts
        width = part.tensors["gradient"].shape[2]
        rows = _Axis(list(before), list(after), (3,), (width,))
        had, have = (even_parts(width // 2 + 1, len(each)) for each in (before, after))
        columns = _Axis(had, have, (3, sum(before)), (2,))
        for name, tensor in part.tensors.items():
            kind = _kind(name)
            if kind is None:
                found.setdefault(name, tensor)
                continue
            axis = columns if spectral and kind in _PAIRS else rows
            vectors = _unpacked(kind, tensor, prod(axis.shape(axis.before[source])))
            own = axis.shape(axis.after[rank])
            target = found.setdefault(name, vectors.new_zeros(len(vectors), *own))
            shapes[name] = own, tensor.shape
            axis.copy(vectors, source, target, rank)
    assert facts is not None
    packed = {name: _packed(_kind(name) or "", found[name], *shapes[name]) for name in shapes}
    return Checkpoint(facts, {**found, **packed})


class _Axis:
    """One axis of vectors, of which processes have so many entries `before` and `after`."""

    def __init__(
        self, before: list[int], after: list[int], above: tuple[int, ...], below: tuple[int, ...]
    ) -> None:
        self.before, self.after, self._above, self._below = before, after, above, below

    def shape(self, count: int) -> tuple[int, ...]:
        """That of a vector with so many entries of the axis."""
        return (*self._above, count, *self._below)

    def copy(self, vectors: Tensor, source: int, target: Tensor, rank: int) -> None:
        """Copy what both have; vectors are (k, n), the target (k, …)."""
        axis = 1 + len(self._above)
        given = vectors.view(len(vectors), *self.shape(self.before[source]))
        here, there = _start(self.before, source), _start(self.after, rank)
        low = max(here, there)
        high = min(here + self.before[source], there + self.after[rank])
        if low < high:
            part = given.narrow(axis, low - here, high - low)
            target.narrow(axis, low - there, high - low).copy_(part)


def _start(counts: Sequence[int], index: int) -> int:
    return [0, *accumulate(counts)][index]


def _kind(name: str) -> str | None:
    """The kind of vectors that a tensor has; None if it is the same everywhere."""
    words = name.split(".")
    word = words[-2] if words[-1].isdecimal() else words[-1]
    known = word in _CANVASES or word in _PAIRS
    return word if known and words[0] != "terms" else None


def _unpacked(kind: str, tensor: Tensor, entries: int) -> Tensor:
    """Vectors (k, entries); blocks of pairs are (chunks, k, chunk), filled up with zeros."""
    if kind == "block":
        return tensor.transpose(0, 1).reshape(tensor.shape[1], -1)[:, :entries].contiguous()
    return tensor.reshape(-1, entries)


def _packed(kind: str, vectors: Tensor, own: Sequence[int], like: torch.Size) -> Tensor:
    """Vectors (k, …) in the form of a tensor of the shape `like`, which another process has."""
    entries = prod(own)
    if kind == "block":
        chunk = like[2]
        whole = vectors.new_zeros(len(vectors), -(-entries // chunk) * chunk)
        whole[:, :entries] = vectors.reshape(len(vectors), entries)
        return whole.view(len(vectors), -1, chunk).transpose(0, 1).contiguous()
    if len(like) == 1:
        return vectors.reshape(-1)
    if kind in ("steps", "changes"):
        return vectors.reshape(len(vectors), entries)
    return vectors.reshape(tuple(own))

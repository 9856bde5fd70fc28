"""The processes that compute together, as all mathematics knows them.

Two operations are all there is: a sum over all processes, and an exchange in which each has a
tensor for each other. Both are collective: every process calls them in the same order.
`impasto.hardware.ranks` makes them of torch.distributed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Ranks", "fingerprint", "gathered"]

Shape = Sequence[int]

_BITS = 48  # of a checksum, which float64 holds exactly


class Ranks(Protocol):
    """The processes that compute together, seen from one of them."""

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""

    @property
    def count(self) -> int:
        """How many there are."""

    def total(self, parts: Tensor) -> Tensor:
        """The sum of all processes' float64 tensors of the same shape: the same bits everywhere.

        Raises ProcessLost where a process has ended, as `swap` does.
        """

    def swap(self, outgoing: Sequence[Tensor], shapes: Sequence[Shape]) -> list[Tensor]:
        """What each process has for this one, for what this one has for each.

        `outgoing` has a tensor of any shape, (n, …), for each process; `shapes` are those of what
        comes. All are of one type, on one device. Nothing is sent for tensors without entries.
        """


def gathered(ranks: Ranks, value: float) -> list[float]:
    """The value, a scalar, of each process, in order of rank."""
    values = torch.zeros(ranks.count, dtype=torch.float64, device="cpu")
    values[ranks.rank] = value
    found: list[float] = ranks.total(values).tolist()
    return found


def fingerprint(text: str) -> float:
    """A number by which processes compare texts that they do not send; never 0."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return 1.0 + (int.from_bytes(digest, "big") >> (8 * len(digest) - _BITS))

"""Bytes and multiply-adds of a forward pass of a window and its pullback, without running them.

`ForwardPass` follows `Encoder.features` and `Encoder.pullback` operation by operation and adds up
what is in memory at once: the residuals on the tape, and each operation's input, output and
temporaries. What the allocator and the libraries add is measured, in
`impasto.hardware.memory_model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise, zip_longest

import torch

from impasto.encoder import Architecture, Conv, Operation, Pool

__all__ = ["ForwardPass", "Network"]

_LEADS = 2 + 1  # numbers per output of max pooling of four in its two leads; see encoder.pooling
_INDEX = 8  # bytes per output of any other max pooling: where the largest is


@dataclass(frozen=True)
class Network:
    """What the cost depends on.

    Attributes:
        architecture: the operations.
        content, style: taps at which each term measures features.
        pooling: max, avg or l2.
        dtype: of features and cotangents.
        channels_last: the layout of features; style's gradient then needs no temporary.
        edges: whether every convolution is given a copy with what is around it.
        wraps: whether rows and columns of the canvas are circles.
    """

    architecture: Architecture
    content: tuple[str, ...]
    style: tuple[str, ...]
    pooling: str
    dtype: torch.dtype
    channels_last: bool = True
    edges: bool = False
    wraps: tuple[bool, bool] = (False, False)

    @property
    def taps(self) -> tuple[str, ...]:
        """Taps of all terms; empty where no term measures features."""
        return (*self.content, *self.style)

    @cached_property
    def path(self) -> tuple[str, ...]:
        """The taps up to the deepest."""
        return tuple(operation.name for operation in self.operations)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """The operations up to the deepest tap."""
        return self.architecture.path(self.taps) if self.taps else ()

    def measuring(self, taps: tuple[str, ...]) -> Network:
        """The network of a forward pass that only measures `taps`, without a pullback."""
        return replace(self, content=(), style=taps)

    def channels(self, name: str) -> int:
        """Channels at a tap, 3 of the `image`."""
        return 3 if name == "image" else self.architecture.channels(name)


@dataclass(frozen=True)
class ForwardPass:
    """A forward pass of one window, and its pullback.

    Attributes:
        network: what is computed.
        sizes: bytes of the `image` and of the features at each tap on the path, halo included.
        cores: bytes of the features at each measured tap, without the halo.
    """

    network: Network
    sizes: Mapping[str, int]
    cores: Mapping[str, int]

    @property
    def tape(self) -> int:
        """Bytes that `features` leaves: the residuals, some of which are features as well."""
        return sum(self._kept.values())

    @cached_property
    def forward(self) -> int:
        """Maximum of bytes in use during `features`, and while moments are measured after it."""
        path = self.network.path
        before = accumulate(self._kept.values(), initial=0)  # and last, after all operations
        steps = zip(before, pairwise(("image", *path)), strict=False)
        largest = max((kept + self._operation(*names) for kept, names in steps), default=0)
        return max(largest, self.tape + self._core_copies)

    @cached_property
    def backward(self) -> int:
        """Maximum of bytes in use during `pullback`, content's cotangents included."""
        cotangents = sum(self.cores[tap] for tap in self.network.content)
        alive = self.tape + cotangents
        largest = alive + self._squares
        for below, name in reversed([*pairwise(("image", *self.network.path))]):
            largest = max(largest, alive + self._pullback(below, name))
            alive -= self._kept[name]
        return largest

    @cached_property
    def _kept(self) -> dict[str, int]:
        """Bytes that each tap on the path adds to the tape, in order of evaluation."""
        operations = self.network.operations
        return {
            each.name: self._residual(each, after)
            for each, after in zip_longest(operations, operations[1:])
        }

    def _residual(self, operation: Operation, following: Operation | None) -> int:
        """Bytes that an operation leaves on the tape.

        A ReLU leaves its output, unless max pooling follows, which keeps the ReLU's mask as well.
        Average pooling keeps its input, which is that output, for its shape.
        """
        measured, size = operation.name in self.network.taps, self.sizes[operation.name]
        match operation:
            case Conv():  # unless measured, the ReLU overwrites it
                return size if measured else 0
            case Pool():
                leads = self._leads(operation, size) if self.network.pooling == "max" else 0
                return leads + (size if measured or self.network.pooling != "avg" else 0)
            case _:
                masked = isinstance(following, Pool) and self.network.pooling == "max"
                return 0 if masked and not measured else size

    def _leads(self, operation: Pool, size: int) -> int:
        """Bytes of max pooling's choices, for so many bytes of its output."""
        if operation.kernel == operation.stride == 2:
            return _LEADS * size
        return size * _INDEX // self.network.dtype.itemsize

    def _operation(self, below: str, name: str) -> int:
        """Bytes in use while a tap is computed from the one `below` it, without the tape."""
        size, source = self.sizes[name], 0 if self._kept.get(below) else self.sizes[below]
        match operation := self.network.architecture.operation(name):
            case Conv() if self.network.edges:  # the copy, of which the source is let go
                return self.sizes[below] + max(source, size)
            case Conv():
                return source + size
            case Pool():  # max: the larger of pairs, two leads, output; l2: squares and output
                own = {"max": 3 * size, "l2": size + self.sizes[below], "avg": size}
                leads = self._leads(operation, size) if self.network.pooling == "max" else 0
                return source + own[self.network.pooling] + leads
            case _:
                return size if self._kept.get(below) else source  # in place unless measured

    def _pullback(self, below: str, name: str) -> int:
        """Bytes in use while a cotangent passes a tap, without tape and content's cotangents."""
        size, under = self.sizes[name], self.sizes[below]
        match self.network.architecture.operation(name):
            case Conv():  # with edges the cotangent has them, and then is copied without
                passing = max(size, under) + under if self.network.edges else size + under
            case Pool():  # max: the pairs' share; l2: the ratio, twice
                passing = {"max": 3, "l2": 3, "avg": 1}[self.network.pooling] * size + under
            case _:
                passing = size
        added = size + self._products(name) if name in self.network.style else size
        return max(passing, added)

    def _products(self, tap: str) -> int:
        """Temporaries of style's gradient: the core's columns and their product with a matrix."""
        if self.cores[tap] < self.sizes[tap]:
            return 2 * self.cores[tap]
        return 0 if self.network.channels_last else self.sizes[tap]

    @property
    def _core_copies(self) -> int:
        """Copies of two cores, of a style tap and of the next."""
        taps = [tap for tap in self.network.path if tap in self.network.style]
        copied = [self.cores[tap] if self.cores[tap] < self.sizes[tap] else 0 for tap in taps]
        return max((sum(pair) for pair in pairwise([0, *copied])), default=0)

    @property
    def _squares(self) -> int:
        """Temporaries of content's difference: itself in float32 or better, and its squares."""
        size = self.network.dtype.itemsize
        largest = max((self.cores[tap] for tap in self.network.content), default=0)
        return largest * 8 // size if size < 4 else largest

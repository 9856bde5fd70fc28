"""Bytes and multiply-adds of a forward pass of a window and its pullback, without running them.

`ForwardPass` follows `Encoder.features` and `Encoder.pullback` operation by operation and adds up
what is in memory at once: the residuals on the tape, and each operation's input, output and
temporaries. What the allocator and the libraries add is measured, in
`impasto.hardware.memory_model`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise, zip_longest

import torch

from impasto.encoder import Architecture, Conv, Operation, Pool
from impasto.objective.tiles import Span, windows

__all__ = ["Cut", "ForwardPass", "Network"]

_RIGHT, _BELOW = 2, 1  # numbers per output of max pooling in its two leads; see encoder.layers


@dataclass(frozen=True)
class Network:
    """What the cost depends on.

    Attributes:
        architecture: the operations.
        content, style: taps at which each term measures features.
        pooling: max, avg or l2.
        dtype: of features and cotangents.
        channels_last: the layout of features; style's gradient then needs no temporary.
        edges: whether every convolution is given a copy with its edge repeated.
    """

    architecture: Architecture
    content: tuple[str, ...]
    style: tuple[str, ...]
    pooling: str
    dtype: torch.dtype
    channels_last: bool = True
    edges: bool = False

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
                leads = (_RIGHT + _BELOW) * size if self.network.pooling == "max" else 0
                return leads + (size if measured or self.network.pooling != "avg" else 0)
            case _:
                masked = isinstance(following, Pool) and self.network.pooling == "max"
                return 0 if masked and not measured else size

    def _operation(self, below: str, name: str) -> int:
        """Bytes in use while a tap is computed from the one `below` it, without the tape."""
        size, source = self.sizes[name], 0 if self._kept.get(below) else self.sizes[below]
        match self.network.architecture.operation(name):
            case Conv() if self.network.edges:  # the copy, of which the source is let go
                return self.sizes[below] + max(source, size)
            case Conv():
                return source + size
            case Pool():  # max: the larger of pairs, two leads, output; l2: squares and output
                own = {"max": 2 + _RIGHT + _BELOW + 1, "l2": 1 + 4, "avg": 1}
                return source + own[self.network.pooling] * size
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


@dataclass(frozen=True)
class Cut:
    """A picture cut into windows, each a span of pixels of `rows` and one of `columns`."""

    network: Network
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @classmethod
    def of(cls, network: Network, size: tuple[int, int], tile: int | None) -> Cut:
        """A picture of (w, h) in windows of at most `tile` px a side, as the objective cuts it.

        SettingsError for a tile that is too small to have a core.
        """
        if not network.taps:
            return cls(network, (), ())
        narrow = 2 ** network.architecture.level(network.path[-1])  # each axis by itself
        width, height = size
        rows = windows((height, narrow), network.architecture, network.taps, tile)
        columns = windows((narrow, width), network.architecture, network.taps, tile)
        return cls(network, tuple(w.rows for w in rows), tuple(w.columns for w in columns))

    @property
    def count(self) -> int:
        """Number of windows."""
        return len(self.rows) * len(self.columns)

    @cached_property
    def largest(self) -> ForwardPass:
        """Of a window that is as large as the largest along each axis and at each tap."""
        return self._forward_pass(self.network)

    @cached_property
    def target(self) -> ForwardPass:
        """The same, where features of the content picture are measured."""
        return self._forward_pass(self.network.measuring(self.network.content))

    @cached_property
    def contents(self) -> int:
        """Bytes of the content picture's features in all windows."""
        positions = {tap: self._cores(tap, sum) for tap in self.network.content}
        return sum(self._bytes(tap, count) for tap, count in positions.items())

    def tapes(self, kept: int) -> int:
        """Maximum of bytes of as many windows' tapes.

        Windows at the edges are smaller. A tape is to the largest tape as its window's pixels are
        to the largest window's.
        """
        heights, widths = ([at["image"] for at in axis] for axis in self._extents)
        everything = sum(heights) * sum(widths) / (max(heights) * max(widths))
        return int(min(kept, everything) * self.largest.tape)

    def forward(self, last: int | None = None) -> int:
        """Multiply-adds of a forward pass of all windows, or of the `last` few of them."""
        return self._multiplied(self.network.path, last)

    def forward_content(self) -> int:
        """Multiply-adds of measuring content's features in all windows."""
        return self._multiplied(self.network.measuring(self.network.content).path, None)

    def _multiplied(self, path: Sequence[str], last: int | None) -> int:
        rows, columns = self._extents
        whole, rest = divmod(self.count if last is None else last, max(1, len(columns)))
        bands = [(rows[len(rows) - whole :], columns)]
        if rest:
            bands.append(([rows[-whole - 1]], columns[-rest:]))
        table = self.network.architecture.convolutions
        layers = [table[name] for name in path if name in table]
        return sum(
            conv.multiplications * _sum(band, conv.name) * _sum(across, conv.name)
            for band, across in bands
            for conv in layers
        )

    @cached_property
    def _extents(self) -> tuple[list[Mapping[str, int]], list[Mapping[str, int]]]:
        """Positions at each tap along each row's and each column's windows."""
        rows, columns = (
            [_extents(self.network, span.high - span.low, all(span.cut)) for span in axis]
            for axis in (self.rows, self.columns)
        )
        return rows, columns

    def _forward_pass(self, network: Network) -> ForwardPass:
        rows, columns = self._extents
        names = ("image", *network.path) if network.path else ()
        sizes = {
            name: self._bytes(name, max(e[name] for e in rows) * max(e[name] for e in columns))
            for name in names
        }
        cores = {tap: self._bytes(tap, self._cores(tap, max)) for tap in network.taps}
        return ForwardPass(network, sizes, cores)

    def _cores(self, tap: str, join: Callable[[Iterable[int]], int]) -> int:
        """Positions of the windows' cores at a tap: joined along each axis, then multiplied."""
        level = self.network.architecture.level(tap)
        high, wide = (
            join((span.stop >> level) - (span.start >> level) for span in axis)
            for axis in (self.rows, self.columns)
        )
        return high * wide

    def _bytes(self, name: str, positions: int) -> int:
        return positions * self.network.channels(name) * self.network.dtype.itemsize


@lru_cache(maxsize=4096)
def _extents(network: Network, length: int, cut: bool) -> Mapping[str, int]:
    """Positions at each tap along an axis of `length` pixels, without padding where it is `cut`."""
    net = network.architecture
    return net.extents(net.deepest(network.taps), length, cut=cut)


def _sum(extents: Iterable[Mapping[str, int]], name: str) -> int:
    return sum(extent[name] for extent in extents)

"""What a look at a window takes, in bytes and in multiplications, without looking.

`Look` walks the path of `Encoder.features` and `Encoder.pullback` operation by operation and adds
up what is alive: the residuals that are kept, and each operation's input, output and temporaries.
What the allocator and the libraries beneath add to it is measured, in `impasto.hardware.planner`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise, zip_longest

import torch

from impasto.encoder import Architecture, Conv, Operation, Pool
from impasto.objective.tiles import Span, windows

__all__ = ["Cut", "Look", "Network"]

_RIGHT, _BELOW = 2, 1  # integers per output of max pooling, in its two leads; see encoder.layers


@dataclass(frozen=True)
class Network:
    """What decides the footprint: architecture, taps, pooling, arithmetic and memory layout.

    `channels_last` features take style's gradient without a temporary.
    """

    architecture: Architecture
    content: tuple[str, ...]
    style: tuple[str, ...]
    pooling: str
    dtype: torch.dtype
    channels_last: bool = True

    @property
    def taps(self) -> tuple[str, ...]:
        """Where the network is looked at; empty where it is not."""
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
        """The same network looked at to measure `taps`, without a pullback."""
        return replace(self, content=(), style=taps)

    def channels(self, name: str) -> int:
        """Channels at a tap, or of the `image`."""
        return 3 if name == "image" else self.architecture.channels(name)


@dataclass(frozen=True)
class Look:
    """A look at one window: bytes of the features at each tap, and of their cores.

    `seen` is of the `image` and every tap on the path; `cores` of the taps alone.
    """

    network: Network
    seen: Mapping[str, int]
    cores: Mapping[str, int]

    @property
    def tape(self) -> int:
        """What `features` leaves: residuals, and features among them."""
        return sum(self._kept.values())

    @cached_property
    def forward(self) -> int:
        """The most that is alive in `features`, and in taking the moments that follow it."""
        path = self.network.path
        before = accumulate(self._kept.values(), initial=0)  # and the last, after all steps
        steps = zip(before, pairwise(("image", *path)), strict=False)
        most = max((kept + self._beside(*names) for kept, names in steps), default=0)
        return max(most, self.tape + self._copies)

    @cached_property
    def backward(self) -> int:
        """The most that is alive in `pullback`: content's difference waits beside it."""
        slopes = sum(self.cores[tap] for tap in self.network.content)
        alive = self.tape + slopes
        most = alive + self._squared
        for below, name in reversed([*pairwise(("image", *self.network.path))]):
            most = max(most, alive + self._pulled(below, name))
            alive -= self._kept[name]
        return most

    @cached_property
    def _kept(self) -> dict[str, int]:
        """Bytes that each tap on the path adds to the tape, in order of evaluation."""
        operations = self.network.operations
        return {
            each.name: self._left(each, after)
            for each, after in zip_longest(operations, operations[1:])
        }

    def _left(self, operation: Operation, following: Operation | None) -> int:
        """What stays of a tap: a ReLU's output unless the max pooling that follows masks as well.

        An average pooling needs its input, which is that output, to know its shape.
        """
        wanted, size = operation.name in self.network.taps, self.seen[operation.name]
        match operation:
            case Conv():  # else the ReLU works in its place
                return size if wanted else 0
            case Pool():
                leads = (_RIGHT + _BELOW) * size if self.network.pooling == "max" else 0
                return leads + (size if wanted or self.network.pooling != "avg" else 0)
            case _:
                spared = isinstance(following, Pool) and self.network.pooling == "max"
                return 0 if spared and not wanted else size

    def _beside(self, below: str, name: str) -> int:
        """What is alive while a tap is computed from the one `below` it, beside what is kept."""
        size, given = self.seen[name], 0 if self._kept.get(below) else self.seen[below]
        match self.network.architecture.operation(name):
            case Conv():
                return given + size
            case Pool():  # max: the larger of pairs, two leads, output; l2: squares and output
                own = {"max": 2 + _RIGHT + _BELOW + 1, "l2": 1 + 4, "avg": 1}
                return given + own[self.network.pooling] * size
            case _:
                return size if self._kept.get(below) else given  # in place but of what is wanted

    def _pulled(self, below: str, name: str) -> int:
        """What is alive while a cotangent passes a tap, beside what is kept."""
        size, under = self.seen[name], self.seen[below]
        match self.network.architecture.operation(name):
            case Conv():
                passing = size + under
            case Pool():  # max: the pairs' share; l2: the ratio, twice
                passing = {"max": 3, "l2": 3, "avg": 1}[self.network.pooling] * size + under
            case _:
                passing = size
        added = size + self._products(name) if name in self.network.style else size
        return max(passing, added)

    def _products(self, tap: str) -> int:
        """Temporaries of style's gradient: the core's columns and their product with a matrix."""
        if self.cores[tap] < self.seen[tap]:
            return 2 * self.cores[tap]
        return 0 if self.network.channels_last else self.seen[tap]

    @property
    def _copies(self) -> int:
        """The copies of two cores, the last tap's and the next's."""
        parts = [tap for tap in self.network.path if tap in self.network.style]
        copied = [self.cores[tap] if self.cores[tap] < self.seen[tap] else 0 for tap in parts]
        return max((sum(pair) for pair in pairwise([0, *copied])), default=0)

    @property
    def _squared(self) -> int:
        """Of content's difference: itself in float32 or better, and its squares."""
        size = self.network.dtype.itemsize
        largest = max((self.cores[tap] for tap in self.network.content), default=0)
        return largest * 8 // size if size < 4 else largest


@dataclass(frozen=True)
class Cut:
    """A picture of (w, h) cut into windows of at most `tile` pixels a side, rows by columns."""

    network: Network
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @classmethod
    def of(cls, network: Network, size: tuple[int, int], tile: int | None) -> Cut:
        """Cut as the objective does; SettingsError for a tile without room for a core."""
        if not network.taps:
            return cls(network, (), ())
        least = 2 ** network.architecture.level(network.path[-1])  # a strip: no product of axes
        width, height = size
        rows = windows((height, least), network.architecture, network.taps, tile)
        columns = windows((least, width), network.architecture, network.taps, tile)
        return cls(network, tuple(w.rows for w in rows), tuple(w.columns for w in columns))

    @property
    def count(self) -> int:
        """How many windows there are."""
        return len(self.rows) * len(self.columns)

    @cached_property
    def look(self) -> Look:
        """At the largest of them: along each axis and at each tap the longest there is."""
        return self._look(self.network)

    @cached_property
    def target(self) -> Look:
        """The same window where content's features are measured, in the photograph."""
        return self._look(self.network.measuring(self.network.content))

    @cached_property
    def contents(self) -> int:
        """Bytes of content's features, all windows' together."""
        positions = {tap: self._cores(tap, sum) for tap in self.network.content}
        return sum(self._bytes(tap, count) for tap, count in positions.items())

    def tapes(self, kept: int) -> int:
        """Bytes of as many windows' tapes, at most: those at the edges of the picture are smaller.

        A tape is taken to have the part of the largest that its window has of the largest's pixels.
        """
        heights, widths = ([at["image"] for at in axis] for axis in self._extents)
        everything = sum(heights) * sum(widths) / (max(heights) * max(widths))
        return int(min(kept, everything) * self.look.tape)

    def forward(self, last: int | None = None) -> int:
        """Multiply-adds of one look at all windows, or only at the `last` few of them."""
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

    def _look(self, network: Network) -> Look:
        rows, columns = self._extents
        names = ("image", *network.path) if network.path else ()
        seen = {
            name: self._bytes(name, max(e[name] for e in rows) * max(e[name] for e in columns))
            for name in names
        }
        cores = {tap: self._bytes(tap, self._cores(tap, max)) for tap in network.taps}
        return Look(network, seen, cores)

    def _cores(self, tap: str, joined: Callable[[Iterable[int]], int]) -> int:
        """Positions of the windows' cores at a tap: along each axis `joined`, then multiplied."""
        level = self.network.architecture.level(tap)
        high, wide = (
            joined((span.stop >> level) - (span.start >> level) for span in axis)
            for axis in (self.rows, self.columns)
        )
        return high * wide

    def _bytes(self, name: str, positions: int) -> int:
        return positions * self.network.channels(name) * self.network.dtype.itemsize


@lru_cache(maxsize=4096)
def _extents(network: Network, length: int, cut: bool) -> Mapping[str, int]:
    """Positions at each tap along an axis of `length` pixels, unpadded where cut at both ends."""
    net = network.architecture
    return net.extents(net.deepest(network.taps), length, cut=cut)


def _sum(extents: Iterable[Mapping[str, int]], name: str) -> int:
    return sum(extent[name] for extent in extents)

"""A picture cut into windows, and what their forward passes and pullbacks cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from impasto.hardware.cost import ForwardPass, Network
from impasto.objective.tiles import Span, windows

__all__ = ["Cut"]


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
        net, (down, across), (width, height) = network.architecture, network.wraps, size
        narrow = net.min_side(network.taps)  # each axis by itself
        rows = windows((height, narrow), net, network.taps, tile, (down, False))
        columns = windows((narrow, width), net, network.taps, tile, (False, across))
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
            [_extents(self.network, span.high - span.low, *_kind(span)) for span in axis]
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
        net = self.network.architecture
        high, wide = (
            join(place.stop - place.start for place in (span.place(net, tap) for span in axis))
            for axis in (self.rows, self.columns)
        )
        return high * wide

    def _bytes(self, name: str, positions: int) -> int:
        return positions * self.network.channels(name) * self.network.dtype.itemsize


@lru_cache(maxsize=4096)
def _extents(network: Network, length: int, cut: bool, wraps: bool) -> Mapping[str, int]:
    """Positions at each tap along an axis of `length` pixels, without padding where it is `cut`."""
    net = network.architecture
    return net.extents(net.deepest(network.taps), length, cut=cut, wraps=wraps)


def _kind(span: Span) -> tuple[bool, bool]:
    """Whether a window is cut at both ends, and whether it is a whole circle."""
    cut = all(span.cut)
    return cut, span.wraps and not cut


def _sum(extents: Iterable[Mapping[str, int]], name: str) -> int:
    return sum(extent[name] for extent in extents)

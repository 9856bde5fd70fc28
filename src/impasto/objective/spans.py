"""A window along one axis of a picture: its core, its halo, and where they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from impasto.encoder import Architecture, Halo

__all__ = ["Span"]


@dataclass(frozen=True)
class Span:
    """A window along one axis, in pixels: core [start, stop) within [low, high), of `length`.

    On a circle, which `wraps`, the window may begin below 0 and end above `length`. What is given
    of the picture begins at `origin`.
    """

    start: int
    stop: int
    low: int
    high: int
    length: int
    wraps: bool = False
    origin: int = 0

    @classmethod
    def around(
        cls,
        start: int,
        stop: int,
        length: int,
        halo: Halo,
        step: int,
        *,
        wraps: bool = False,
        origin: int = 0,
    ) -> Span:
        """The smallest window around a core that is exact.

        Cut at both ends it is core and halo, which the network's unpadded operations consume.
        Cut below only, it begins at a multiple of `step`, as all strides do. A core that is all of
        a circle is its own halo.
        """
        low, high = start - halo.before, stop + halo.after
        if wraps:
            low, high = (0, length) if stop - start == length else (low, high)
            return cls(start, stop, low, high, length, wraps)
        low, high = max(0, low), min(length, high)
        if high == length:
            low = low // step * step
        return cls(start, stop, low, high, length, origin=origin)

    @property
    def cut(self) -> tuple[bool, bool]:
        """Whether the picture continues before `low` and after `high`."""
        if self.wraps:
            return (self.stop - self.start < self.length,) * 2
        return self.low > 0, self.high < self.length

    def place(self, net: Architecture, tap: str) -> slice:
        """The core's positions among all positions of a tap that are given."""
        whole, first = self._place(net, tap), self.origin // net.stride(tap)
        return slice(whole.start - first, whole.stop - first)

    def _place(self, net: Architecture, tap: str) -> slice:
        """The same among all positions of the picture."""
        stride = net.stride(tap)
        if self.stop < self.length:
            return slice(self.start // stride, self.stop // stride)
        return slice(self.start // stride, net.positions(tap, self.length, wraps=self.wraps))

    def core(self, net: Architecture, tap: str, halo: Halo) -> slice:
        """The core's positions among the window's at a tap.

        `halo` are the positions on each side that later operations consume.
        """
        place = self._place(net, tap)
        seen = place.start - halo.before if all(self.cut) else self.low // net.stride(tap)
        return slice(place.start - seen, place.stop - seen)

    def pieces(self) -> Iterator[tuple[slice, slice]]:
        """Parts of what is given and their places in the window; several where it goes round."""
        if not self.wraps:
            yield slice(self.low - self.origin, self.high - self.origin), slice(None)
            return
        at = self.low
        while at < self.high:
            first = at % self.length
            count = min(self.high - at, self.length - first)
            yield slice(first, first + count), slice(at - self.low, at - self.low + count)
            at += count

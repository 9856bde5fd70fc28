"""Layer tables and names of the VGG networks (Simonyan & Zisserman 2014, configurations D and E).

A VGG encoder is five blocks of 3x3 convolutions, each followed by a ReLU, with a 2x2 pooling at
the end of a block. A *tap* names a place in it:

    conv4_2    output of block 4's second convolution, before its ReLU
    relu4_2    the same after the ReLU
    pool4      output of block 4's pooling
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from impasto.errors import SettingsError

__all__ = ["ARCHITECTURES", "VGG16", "VGG19", "Architecture", "Tap", "architecture"]

_TAP = re.compile(r"(conv|relu)([1-9])_([1-9])|pool([1-9])")


@dataclass(frozen=True)
class Tap:
    """A place in the network: kind `conv`, `relu` or `pool`, block and index counted from 1."""

    kind: str
    block: int
    index: int  # which convolution of the block; for a pooling, the block's last one


@dataclass(frozen=True)
class Architecture:
    """A VGG network without its fully connected end: convolutions and channels per block."""

    name: str
    depths: tuple[int, ...]
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)

    @cached_property
    def convolutions(self) -> dict[str, tuple[int, int]]:
        """Name -> (channels in, channels out) of every convolution, in order of evaluation."""
        table, channels = {}, 3
        for block, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True), 1):
            for index in range(1, depth + 1):
                table[f"conv{block}_{index}"] = (channels, width)
                channels = width
        return table

    @cached_property
    def taps(self) -> tuple[str, ...]:
        """Every tap by name, in order of evaluation."""
        names: list[str] = []
        for block, depth in enumerate(self.depths, 1):
            for index in range(1, depth + 1):
                names += [f"conv{block}_{index}", f"relu{block}_{index}"]
            names.append(f"pool{block}")
        return tuple(names)

    def tap(self, name: str) -> Tap:
        """The tap called `name`; SettingsError if this network has none of that name."""
        match = _TAP.fullmatch(name)
        if match is None or name not in self.taps:
            raise SettingsError(f"layer is {name!r}; {self.name} has {self._described()}")
        kind, block, index, pool = match.groups()
        if pool:
            return Tap("pool", int(pool), self.depths[int(pool) - 1])
        return Tap(kind, int(block), int(index))

    def deepest(self, names: Iterable[str]) -> str:
        """The tap among `names` (at least one) that is evaluated last."""
        known = [name for name in names if self.tap(name)]  # raises for a stranger
        return max(known, key=self.taps.index)

    def least_side(self, names: Iterable[str]) -> int:
        """Smallest height or width, in pixels, that leaves a position at every tap of `names`."""
        return int(2 ** self.level(self.deepest(names)))

    def level(self, name: str) -> int:
        """How many poolings lie before the tap or at it: its positions are 2^level px apart."""
        tap = self.tap(name)
        return tap.block if tap.kind == "pool" else tap.block - 1

    def channels(self, name: str) -> int:
        """How many features there are at each position of a tap."""
        return self.widths[self.tap(name).block - 1]

    def halos(self, names: Iterable[str]) -> dict[str, int]:
        """How far beyond a region each tap is looked at by the deepest of `names` within it.

        In positions of the tap, from the first tap to the deepest, whose own is 0; `image` has it
        in pixels. The region's ends are multiples of the deepest tap's distance between positions.
        """
        path = self.path(names)
        halos, beyond = {}, 0
        for name in reversed(path):
            halos[name] = beyond
            beyond = {"conv": beyond + 1, "pool": 2 * beyond}.get(name[:4], beyond)
        return {"image": beyond, **dict(reversed(halos.items()))}

    def path(self, names: Iterable[str]) -> tuple[str, ...]:
        """The taps up to the deepest of `names`, which is the last."""
        last = self.deepest(names)
        return self.taps[: self.taps.index(last) + 1]

    def _described(self) -> str:
        last = "".join(f", {kind}{len(self.depths)}_{self.depths[-1]}" for kind in ("conv", "relu"))
        counts = "-".join(map(str, self.depths))
        pools = f"pool1 to pool{len(self.depths)}"
        return f"conv1_1, relu1_1{' …'}{last} ({counts} convolutions in its blocks) and {pools}"


VGG16 = Architecture("vgg16", (2, 2, 3, 3, 3))
VGG19 = Architecture("vgg19", (2, 2, 4, 4, 4))
ARCHITECTURES = {net.name: net for net in (VGG19, VGG16)}


def architecture(name: str) -> Architecture:
    """The network called `name`; SettingsError lists those there are."""
    if name not in ARCHITECTURES:
        raise SettingsError(f"network is {name!r}; expected one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]

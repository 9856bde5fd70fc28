"""Networks as lists of operations; VGG-19 and VGG-16.

A network is a chain: each operation takes the output of the one before, and the first one takes a
picture of three channels. A *tap* is the output of an operation and has its name. In VGG networks

    conv4_2    is the output of block 4's second convolution, before its ReLU
    relu4_2    the same after the ReLU
    pool4      the output of the pooling at the end of block 4

Everything that others need to know of a network (channels, distances between positions, halos of
tiles) follows from the list, so another network is another list.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TypeAlias

from impasto.errors import SettingsError

__all__ = [
    "ARCHITECTURES",
    "VGG16",
    "VGG19",
    "Architecture",
    "Conv",
    "Operation",
    "Pool",
    "Relu",
    "architecture",
    "vgg",
]

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Conv:
    """A convolution of stride 1, (inward, h, w) -> (outward, h, w), with a bias.

    Zeros surround its input, `radius` of them on each side. `kernel` is its side in positions, and
    odd.
    """

    name: str
    inward: int
    outward: int
    kernel: int = 3

    @property
    def radius(self) -> int:
        """Positions that an output depends on beside its own, in each direction."""
        return self.kernel // 2

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the weight, (outward, inward, kernel, kernel)."""
        return self.outward, self.inward, self.kernel, self.kernel

    @property
    def multiplications(self) -> int:
        """Multiply-adds for each position, which is also the number of weights."""
        return prod(self.shape)


@dataclass(frozen=True)
class Relu:
    """max(x, 0) of the output of a convolution."""

    name: str


@dataclass(frozen=True)
class Pool:
    """Pooling of 2x2 positions that are not negative, with stride 2; see `layers.POOLINGS`.

    An odd last row or column is left out.
    """

    name: str


Operation: TypeAlias = Conv | Relu | Pool


@dataclass(frozen=True)
class Architecture:
    """A network by its operations, in order of evaluation.

    Raises SettingsError for a list that is no such chain: names that are not unique, a first
    operation that is not a Conv of 3 channels, channels that do not match, an even kernel, a Relu
    that does not follow a Conv, a Pool that does not follow a Relu or a Pool.
    """

    name: str
    operations: tuple[Operation, ...]

    def __post_init__(self) -> None:
        """Check the chain."""
        names, channels, before = set[str](), 3, None
        for operation in self.operations:
            if fault := _fault(operation, before, channels):
                raise SettingsError(f"{self.name}: {operation} {fault}")
            if operation.name in names:
                raise SettingsError(f"{self.name}: two operations are called {operation.name}")
            names.add(operation.name)
            channels = operation.outward if isinstance(operation, Conv) else channels
            before = operation
        if before is None:
            raise SettingsError(f"{self.name}: has no operation; expected at least a Conv")

    def __hash__(self) -> int:
        """Of the name and the length: cheap, and equal for equal networks."""
        return hash((self.name, len(self.operations)))

    @cached_property
    def taps(self) -> tuple[str, ...]:
        """The name of every tap, in order of evaluation."""
        return tuple(operation.name for operation in self.operations)

    @cached_property
    def convolutions(self) -> dict[str, Conv]:
        """Name -> convolution, in order of evaluation."""
        return {each.name: each for each in self.operations if isinstance(each, Conv)}

    @cached_property
    def relus(self) -> tuple[str, ...]:
        """The name of every ReLU, in order of evaluation."""
        return tuple(each.name for each in self.operations if isinstance(each, Relu))

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Number of convolutions before the first pooling, between it and the next, and so on."""
        levels = [self.level(name) for name in self.convolutions]
        return tuple(levels.count(level) for level in range(max(levels) + 1))

    def operation(self, tap: str) -> Operation:
        """The operation whose output `tap` names; SettingsError if there is none."""
        return self.operations[self._place(tap)]

    def deepest(self, taps: Iterable[str]) -> str:
        """The tap among `taps` (at least one) that is evaluated last."""
        return max(taps, key=self._place)

    def path(self, taps: Iterable[str]) -> tuple[Operation, ...]:
        """The operations up to the deepest of `taps`, which is the last."""
        return self.operations[: self._place(self.deepest(taps)) + 1]

    def level(self, tap: str) -> int:
        """Number of poolings up to the tap: its positions are 2^level pixels apart."""
        return self._levels[self._place(tap)]

    def channels(self, tap: str) -> int:
        """Number of features at each position of the tap."""
        return self._channels[self._place(tap)]

    def min_side(self, taps: Iterable[str]) -> int:
        """Smallest height or width, in pixels, that leaves a position at every one of `taps`."""
        return int(2 ** self.level(self.deepest(taps)))

    def halos(self, taps: Iterable[str]) -> dict[str, int]:
        """How far beyond a region each tap is read to compute the deepest of `taps` within it.

        In positions of the tap, from the first tap to the deepest, whose own halo is 0; `image` is
        the halo in pixels. The region's ends are multiples of the deepest tap's 2^level pixels.
        """
        halos, halo = {}, 0
        for operation in reversed(self.path(taps)):
            halos[operation.name] = halo
            match operation:
                case Conv():
                    halo += operation.radius
                case Pool():
                    halo *= 2
        return {"image": halo, **dict(reversed(halos.items()))}

    def extents(self, tap: str, length: int, *, cut: bool) -> dict[str, int]:
        """Positions at the taps up to `tap` along an axis of `length` pixels, which is `image`.

        Where the axis is `cut` at both ends, convolutions have no zeros around their input.
        """
        extents = {"image": length}
        for operation in self.path([tap]):
            match operation:
                case Conv():
                    length -= 2 * operation.radius * cut
                case Pool():
                    length //= 2
            extents[operation.name] = length
        return extents

    def _place(self, tap: str) -> int:
        if tap not in self._places:
            raise SettingsError(f"layer is {tap!r:.80}; {self.name} has {', '.join(self.taps)}")
        return self._places[tap]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.taps)}

    @cached_property
    def _levels(self) -> list[int]:
        pools = [isinstance(each, Pool) for each in self.operations]
        return [sum(pools[: place + 1]) for place in range(len(pools))]

    @cached_property
    def _channels(self) -> list[int]:
        counts, channels = [], 3
        for operation in self.operations:
            channels = operation.outward if isinstance(operation, Conv) else channels
            counts.append(channels)
        return counts


def _fault(operation: Operation, before: Operation | None, channels: int) -> str | None:
    """What is wrong with an operation after `before`, whose output has so many channels."""
    if not isinstance(operation, Conv | Relu | Pool):
        return "is not a Conv, Relu or Pool"
    if not _NAME.fullmatch(operation.name) or operation.name == "image":
        return "has a name that is not lower-case letters, digits and _, or is 'image'"
    match operation:
        case Conv():
            if operation.inward != channels or operation.outward < 1:
                return f"does not take the {channels} channels before it to at least 1"
            if operation.kernel < 1 or operation.kernel % 2 == 0:
                return "has a kernel that is not odd and positive"
        case Relu():
            if not isinstance(before, Conv):
                return "does not follow a Conv"
        case Pool():
            if not isinstance(before, Relu | Pool):
                return "does not follow a Relu or a Pool"
    return None


def vgg(
    name: str, depths: Iterable[int], widths: Iterable[int] = (64, 128, 256, 512, 512)
) -> Architecture:
    """A VGG network without its fully connected end (Simonyan & Zisserman 2014, table 1).

    Each block has a number of 3x3 convolutions, its depth, to so many channels, its width; a ReLU
    follows each of them and a pooling ends the block.
    """
    operations, channels = list[Operation](), 3
    for block, (depth, width) in enumerate(zip(depths, widths, strict=True), 1):
        for index in range(1, depth + 1):
            operations.append(Conv(f"conv{block}_{index}", channels, width))
            operations.append(Relu(f"relu{block}_{index}"))
            channels = width
        operations.append(Pool(f"pool{block}"))
    return Architecture(name, tuple(operations))


VGG16 = vgg("vgg16", (2, 2, 3, 3, 3))  # configuration D
VGG19 = vgg("vgg19", (2, 2, 4, 4, 4))  # configuration E
ARCHITECTURES = {net.name: net for net in (VGG19, VGG16)}
"""The networks that weight files are recognised as."""


def architecture(name: str) -> Architecture:
    """The network of ARCHITECTURES called `name`; SettingsError lists them."""
    if name not in ARCHITECTURES:
        raise SettingsError(f"network is {name!r:.80}; expected one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]

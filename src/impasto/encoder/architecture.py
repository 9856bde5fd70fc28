"""Networks as lists of operations; the VGG networks and AlexNet.

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
from itertools import accumulate

from impasto.encoder.operations import Conv, Halo, Operation, Pool, Relu, positions, reach
from impasto.errors import SettingsError

__all__ = ["ARCHITECTURES", "Architecture", "architecture", "vgg"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Architecture:
    """A network by its operations, in order of evaluation.

    Raises SettingsError for a list that is no such chain: names that are not unique, a first
    operation that is not a Conv of 3 channels, channels that do not match, a kernel smaller than
    its stride, a padding of half the kernel or more, a Relu that does not follow a Conv, a Pool
    that does not follow a Relu or a Pool.
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

    def operation(self, tap: str) -> Operation:
        """The operation whose output `tap` names; SettingsError if there is none."""
        return self.operations[self._place(tap)]

    def deepest(self, taps: Iterable[str]) -> str:
        """The tap among `taps` (at least one) that is evaluated last."""
        return max(taps, key=self._place)

    def path(self, taps: Iterable[str]) -> tuple[Operation, ...]:
        """The operations up to the deepest of `taps`, which is the last."""
        return self.operations[: self._place(self.deepest(taps)) + 1]

    def stride(self, tap: str) -> int:
        """Distance of the tap's positions, in pixels: the product of strides up to it."""
        return self._strides[self._place(tap)]

    def channels(self, tap: str) -> int:
        """Number of features at each position of the tap."""
        return self._channels[self._place(tap)]

    def min_side(self, taps: Iterable[str]) -> int:
        """Smallest height or width, in pixels, that leaves a position at every one of `taps`."""
        least = 1
        for each in reversed(self.path(taps)):
            least = max(1, (least - 1) * each.stride + each.kernel - 2 * each.padding)
        return least

    def halos(self, taps: Iterable[str]) -> dict[str, Halo]:
        """How far beyond a region each tap is read to compute the deepest of `taps` within it.

        In positions of the tap, from the first tap to the deepest, whose own halo is 0; `image` is
        the halo in pixels. The region's ends are multiples of the deepest tap's stride.
        """
        return reach(self.path(taps))

    def extents(
        self, tap: str, length: int, *, cut: bool = False, wraps: bool = False
    ) -> dict[str, int]:
        """Positions at the taps up to `tap` along an axis of `length` pixels, which is `image`.

        Where the axis is `cut` at both ends, operations have no padding around their input; where
        it `wraps`, it is a circle, and `length` a multiple of the tap's stride.
        """
        extents = {"image": length}
        for operation in self.path([tap]):
            length = positions(operation, length, cut=cut, wraps=wraps)
            extents[operation.name] = length
        return extents

    def positions(self, tap: str, length: int, *, wraps: bool = False) -> int:
        """Positions at the tap along an axis of `length` pixels, or along a circle."""
        return self.extents(tap, length, wraps=wraps)[tap]

    @cached_property
    def style_taps(self) -> tuple[str, ...]:
        """Where style is compared by default: the first ReLU at each distance of positions."""
        found = dict[int, str]()
        for tap in self.relus:
            found.setdefault(self.stride(tap), tap)
        return tuple(found.values())

    @cached_property
    def content_tap(self) -> str:
        """Where content is compared by default: the ReLU after the last but one of `style_taps`.

        In VGG networks relu4_2. A network without a ReLU has its last operation.
        """
        if not self.relus:
            return self.taps[-1]
        before = self.relus.index(self.style_taps[-2:][0])
        return self.relus[min(before + 1, len(self.relus) - 1)]

    def _place(self, tap: str) -> int:
        if tap not in self._places:
            raise SettingsError(f"layer is {tap!r:.80}; {self.name} has {', '.join(self.taps)}")
        return self._places[tap]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.taps)}

    @cached_property
    def _strides(self) -> list[int]:
        return [*accumulate((each.stride for each in self.operations), int.__mul__)]

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
    if not 1 <= operation.stride <= operation.kernel:
        return "has a kernel smaller than its stride, or a stride below 1"
    match operation:
        case Conv():
            if operation.inward != channels or operation.outward < 1:
                return f"does not take the {channels} channels before it to at least 1"
            if not 0 <= 2 * operation.padding < operation.kernel:
                return "has a padding that is not less than half its kernel"
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


_VGG = {
    "vgg19": (2, 2, 4, 4, 4),  # configuration E
    "vgg16": (2, 2, 3, 3, 3),  # D
    "vgg13": (2, 2, 2, 2, 2),  # B
    "vgg11": (1, 1, 2, 2, 2),  # A
}

_ALEXNET = Architecture(  # as in Krizhevsky 2014, "One weird trick", without its end
    "alexnet",
    (
        Conv("conv1", 3, 64, kernel=11, stride=4, padding=2),
        Relu("relu1"),
        Pool("pool1", kernel=3),
        Conv("conv2", 64, 192, kernel=5),
        Relu("relu2"),
        Pool("pool2", kernel=3),
        Conv("conv3", 192, 384),
        Relu("relu3"),
        Conv("conv4", 384, 256),
        Relu("relu4"),
        Conv("conv5", 256, 256),
        Relu("relu5"),
        Pool("pool5", kernel=3),
    ),
)

ARCHITECTURES = {
    **{name: vgg(name, depths) for name, depths in _VGG.items()},
    "alexnet": _ALEXNET,
}
"""The networks that weight files are recognised as."""


def architecture(name: str) -> Architecture:
    """The network of ARCHITECTURES called `name`; SettingsError lists them."""
    if name not in ARCHITECTURES:
        raise SettingsError(f"network is {name!r:.80}; expected one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]

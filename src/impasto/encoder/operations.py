"""The operations of a network: convolution, ReLU and pooling, and how positions follow from them.

Along an axis, position j of an output is computed from `kernel` positions of the input, from
stride·j - padding on. So with n positions of the input the output has

    ⌊(n + 2·padding - kernel) / stride⌋ + 1    within a border
    n / stride                                 where the axis is a circle
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, NamedTuple, TypeAlias

__all__ = ["Conv", "Ends", "Halo", "Operation", "Pool", "Relu", "positions", "reach"]


class Halo(NamedTuple):
    """Positions along an axis that are read beside a region: before it, and after it."""

    before: int
    after: int


@dataclass(frozen=True)
class Conv:
    """A convolution (inward, h, w) -> (outward, h', w'), with a bias.

    `kernel` is its side in positions. `padding` positions surround its input on each side, which
    are 0 unless the encoder is told otherwise; by default an odd kernel's (kernel - 1) / 2, so that
    a stride of 1 keeps the size.
    """

    name: str
    inward: int
    outward: int
    kernel: int = 3
    stride: int = 1
    padding: int = -1

    def __post_init__(self) -> None:
        """The default of `padding`."""
        if self.padding < 0:
            object.__setattr__(self, "padding", (self.kernel - 1) // 2)

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
    kernel: ClassVar[int] = 1
    stride: ClassVar[int] = 1
    padding: ClassVar[int] = 0


@dataclass(frozen=True)
class Pool:
    """Pooling of kernel x kernel positions that are not negative; see `pooling.POOLINGS`.

    Last rows and columns that fill no window are left out.
    """

    name: str
    kernel: int = 2
    stride: int = 2
    padding: ClassVar[int] = 0


Operation: TypeAlias = Conv | Relu | Pool


class Ends(NamedTuple):
    """What is beyond the border of a picture, along its rows' axis and along its columns'.

    `rows` and `columns` tell which ends were cut from a larger picture: (top, bottom) and
    (left, right). An axis that `wraps` is a circle: its last position is followed by its first.
    """

    rows: tuple[bool, bool] = (False, False)
    columns: tuple[bool, bool] = (False, False)
    wraps: tuple[bool, bool] = (False, False)

    @property
    def padded(self) -> tuple[bool, bool]:
        """Whether an operation's padding surrounds its input: above and below, left and right.

        It does not along an axis that is cut at both ends: its features shrink to those that are
        equal to the larger picture's. Along an axis cut at one end features keep their number, and
        those within the halo of the cut differ from the larger picture's.
        """
        return not all(self.rows), not all(self.columns)


def reach(path: Sequence[Operation]) -> dict[str, Halo]:
    """How far each operation's output is read to compute the last one's: halos in its positions.

    `image` is that of the input. In the order of `path`; the last one's own is 0. Ends of the
    region are multiples of the last one's stride in pixels.
    """
    halos, halo = dict[str, Halo](), Halo(0, 0)
    for each in reversed(path):
        halos[each.name] = halo
        before = halo.before * each.stride + each.padding
        after = halo.after * each.stride + each.kernel - each.stride - each.padding
        halo = Halo(before, max(0, after))
    return {"image": halo, **dict(reversed(halos.items()))}


def positions(operation: Operation, count: int, *, cut: bool = False, wraps: bool = False) -> int:
    """Positions of the output for `count` of the input along an axis; none are padded if `cut`."""
    if wraps:
        return count // operation.stride
    padding = 0 if cut else operation.padding
    return max(0, (count + 2 * padding - operation.kernel) // operation.stride + 1)

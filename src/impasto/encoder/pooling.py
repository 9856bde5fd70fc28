"""ReLU masks and pooling, forwards and back.

Both compare the bits of floating-point numbers. Read as integers, numbers that are not negative
keep their order, and a processor compares integers as fast as memory delivers them: in bfloat16
several times faster than the numbers themselves, and with the same result. (The exception is -0,
which a convolution of finite numbers only reaches by underflow.) MPS lacks some of these operations
for integers, so there the numbers themselves are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

__all__ = ["POOLINGS", "Pooling", "mask_"]

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
_where_positive = torch.ops.aten.threshold_backward.grad_input  # g where x > 0, else 0


def _bits(x: Tensor) -> Tensor:
    return x if x.device.type == "mps" else x.view(_INTEGERS[x.element_size()])


def mask_(g: Tensor, y: Tensor) -> Tensor:
    """A ReLU's pullback, in place: g where its output y, of the same shape, is not 0; else 0."""
    _where_positive(_bits(g), _bits(y), 0, grad_input=_bits(g))
    return g


# Pooling, which leaves out last rows and columns that fill no window


class Pooling(NamedTuple):
    """A pooling of values that are not negative, and the transpose of its derivative.

    `forward` takes (1, c, h, w), a kernel and a stride to (1, c, h', w') and what `pullback` needs;
    `pullback` takes a cotangent of the output and that to a cotangent of the input.
    """

    forward: Callable[[Tensor, int, int], tuple[Tensor, Any]]
    pullback: Callable[[Tensor, Any], Tensor]
    masks: bool = False  # the pullback is 0 wherever the input is, as the ReLU's own would be


def _max(x: Tensor, kernel: int, stride: int) -> tuple[Tensor, Any]:
    """The largest of each window: of equals the first, as in torch."""
    if kernel == stride == 2:
        return _max_of_four(x)
    y, index = F.max_pool2d(x, kernel, stride, return_indices=True)
    return y, (x, kernel, stride, index, y)


def _max_pullback(g: Tensor, residual: Any) -> Tensor:  # noqa: ANN401 (what `_max` left)
    if len(residual) == _LEADS:
        return _max_of_four_pullback(g, residual)
    x, kernel, stride, index, y = residual
    window = ([kernel] * 2, [stride] * 2, [0, 0], [1, 1], False, index)
    return torch.ops.aten.max_pool2d_with_indices_backward(mask_(g, y), x, *window)  # type: ignore[no-any-return]  # torch has no type for it


_LEADS = 4  # entries of what `_max_of_four` leaves


def _max_of_four(x: Tensor) -> tuple[Tensor, Any]:
    """The larger of each row's pairs, then of each column's: of four equals the first, as in torch.

    The leads of the two rounds are faster to make and to follow than torch's indices, and in
    bfloat16 smaller.
    """
    height, width = (side // 2 * 2 for side in x.shape[-2:])
    whole = x[..., :height, :width]
    rows, right = _larger(whole[..., 0::2], whole[..., 1::2])
    y, below = _larger(rows[..., 0::2, :], rows[..., 1::2, :])
    return y, (x.shape, right, below, y)


def _max_of_four_pullback(g: Tensor, residual: Any) -> Tensor:  # noqa: ANN401 (what it left)
    shape, right, below, y = residual
    g = mask_(g, y)  # in place: g is the pullback's own
    rows = torch.empty_like(right, dtype=g.dtype)
    _share(g, below, rows[..., 0::2, :], rows[..., 1::2, :])
    pulled = _blank(g, shape)
    whole = pulled[..., : 2 * y.shape[-2], : 2 * y.shape[-1]]
    _share(rows, right, whole[..., 0::2], whole[..., 1::2])
    return pulled


def _larger(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """The larger of two that are not negative, and the other's lead: positive where it is larger.

    The lead is the difference of the bits, as integers (on MPS of the numbers).
    """
    a, b = _bits(one), _bits(other)
    return torch.maximum(a, b).view(one.dtype), b - a


def _share(g: Tensor, lead: Tensor, one: Tensor, other: Tensor) -> None:
    """The pullback of `_larger`: g goes to `other` where it leads, else to `one`; 0 to the loser.

    Writes into `one` and `other`.
    """
    _where_positive(_bits(g), lead, 0, grad_input=_bits(other))
    torch.sub(_bits(g), _bits(other), out=_bits(one))


def _blank(like: Tensor, shape: torch.Size) -> Tensor:
    """Memory for a cotangent in the layout of `like`: 0 in an odd last row and column."""
    odd_height, odd_width = (side % 2 for side in shape[-2:])
    channels_last = like.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    blank = torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=layout)
    if odd_height:
        blank[..., -1, :] = 0
    if odd_width:
        blank[..., -1] = 0
    return blank


def _average(x: Tensor, kernel: int, stride: int) -> tuple[Tensor, Any]:
    return F.avg_pool2d(x, kernel, stride), (x, kernel, stride)


def _average_pullback(g: Tensor, residual: Any) -> Tensor:  # noqa: ANN401 (what `_average` left)
    x, kernel, stride = residual
    window = ([kernel] * 2, [stride] * 2, [0, 0], False, False, None)
    pulled: Tensor = torch.ops.aten.avg_pool2d_backward(g, x, *window)
    return pulled


def _l2(x: Tensor, kernel: int, stride: int) -> tuple[Tensor, Any]:
    y = F.avg_pool2d(x * x, kernel, stride).sqrt_()
    return y, (x, kernel, stride, y)


def _l2_pullback(g: Tensor, residual: Any) -> Tensor:  # noqa: ANN401 (what `_l2` left)
    # d y/d x = x / n·y of n inputs; where y is 0 all of x is, and 0 is the derivative that fits a
    # ReLU's
    *window, y = residual
    ratio = torch.where(y > 0, g / y, 0)
    return _average_pullback(ratio, window).mul_(window[0])


POOLINGS = {
    "max": Pooling(_max, _max_pullback, masks=True),
    "avg": Pooling(_average, _average_pullback),
    "l2": Pooling(_l2, _l2_pullback, masks=True),  # root mean square
}

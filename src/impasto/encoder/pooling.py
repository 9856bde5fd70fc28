"""2x2 pooling of stride 2, which leaves out an odd last row or column, and its pullback."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from impasto.encoder.bits import larger, mask_, share

__all__ = ["POOLINGS", "Pooling"]


class Pooling(NamedTuple):
    """A pooling of what a ReLU has left, and the transpose of its derivative."""

    forward: Callable[[Tensor], tuple[Tensor, Any]]  # input -> output, what the pullback needs
    pullback: Callable[[Tensor, Any], Tensor]  # cotangent, that -> cotangent
    masks: bool = False  # the pullback is 0 wherever the input is, as the ReLU's own would be


def _max(x: Tensor) -> tuple[Tensor, Any]:
    """The larger of each row's pairs, then of each column's: of four equals the first, as in torch.

    The two leads are faster to make and to follow than torch's indices, and in bfloat16 smaller.
    """
    height, width = (side // 2 * 2 for side in x.shape[-2:])
    whole = x[..., :height, :width]
    rows, right = larger(whole[..., 0::2], whole[..., 1::2])
    y, below = larger(rows[..., 0::2, :], rows[..., 1::2, :])
    return y, (x.shape, right, below, y)


def _max_pullback(g: Tensor, residual: Any) -> Tensor:  # noqa: ANN401 (what `_max` left)
    shape, right, below, y = residual
    g = mask_(g, y)  # in place: g is the pullback's own
    rows = torch.empty_like(right, dtype=g.dtype)
    share(g, below, rows[..., 0::2, :], rows[..., 1::2, :])
    pulled = _blank(g, shape)
    whole = pulled[..., : 2 * y.shape[-2], : 2 * y.shape[-1]]
    share(rows, right, whole[..., 0::2], whole[..., 1::2])
    return pulled


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


def _average(x: Tensor) -> tuple[Tensor, Tensor]:
    return F.avg_pool2d(x, 2), x


def _average_pullback(g: Tensor, x: Tensor) -> Tensor:
    window = ([2, 2], [2, 2], [0, 0], False, False, None)
    pulled: Tensor = torch.ops.aten.avg_pool2d_backward(g, x, *window)
    return pulled


def _l2(x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    y = F.avg_pool2d(x * x, 2).sqrt_()
    return y, (x, y)


def _l2_pullback(g: Tensor, residual: tuple[Tensor, Tensor]) -> Tensor:
    # d y/d x = x / 4y; where y is 0 all of x is, and 0 is the derivative that fits a ReLU's
    x, y = residual
    ratio = torch.where(y > 0, g / y, 0)
    return _average_pullback(ratio, x).mul_(x)


POOLINGS = {
    "max": Pooling(_max, _max_pullback, masks=True),
    "avg": Pooling(_average, _average_pullback),
    "l2": Pooling(_l2, _l2_pullback, masks=True),  # root mean square of the four
}

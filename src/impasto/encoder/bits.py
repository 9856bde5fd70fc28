"""ReLU masks and the choices of max pooling, made on the bits of floating-point numbers.

Read as integers, numbers that are not negative keep their order. Integers need no conversion and no
rounding, so that a processor compares them as fast as memory answers: in bfloat16 several times
faster than the numbers themselves, and with the same result. (The one exception is -0, which no
convolution of finite numbers ends at but by underflow.) On MPS, which lacks some of these
operations for integers, the numbers are taken as they are.
"""

import torch
from torch import Tensor

__all__ = ["Lead", "larger", "mask_", "share"]

Lead = Tensor  # integers, positive where the second of two is the larger

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
_where_positive = torch.ops.aten.threshold_backward.grad_input  # g where x > 0, else 0


def _bits(x: Tensor) -> Tensor:
    return x if x.device.type == "mps" else x.view(_INTEGERS[x.element_size()])


def mask_(g: Tensor, y: Tensor) -> Tensor:
    """A ReLU's pullback, in place: g where its output y is not 0, and 0 elsewhere."""
    _where_positive(_bits(g), _bits(y), 0, grad_input=_bits(g))
    return g


def larger(one: Tensor, other: Tensor) -> tuple[Tensor, Lead]:
    """The larger of two that are nowhere negative, and by how much (in bits) the other leads."""
    a, b = _bits(one), _bits(other)
    return torch.maximum(a, b).view(one.dtype), b - a


def share(g: Tensor, lead: Lead, one: Tensor, other: Tensor) -> None:
    """The pullback of `larger`: g goes to `other` where it leads, else to `one`; 0 to the loser."""
    _where_positive(_bits(g), lead, 0, grad_input=_bits(other))
    torch.sub(_bits(g), _bits(other), out=_bits(one))

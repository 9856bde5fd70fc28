"""Batch normalisation, folded into the convolution before it."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["EPSILON", "Norm", "folded"]

EPSILON = 1e-5
"""What torch adds to variances unless it is told otherwise."""


@dataclass(frozen=True, eq=False)
class Norm:
    """A batch normalisation as it is evaluated: y = gain · (x - mean) / √(variance + ε) + shift.

    All are (channels,).
    """

    gain: Tensor
    shift: Tensor
    mean: Tensor
    variance: Tensor
    epsilon: float = EPSILON


def folded(weight: Tensor, bias: Tensor, norm: Norm) -> tuple[Tensor, Tensor]:
    """One convolution in place of a convolution and the normalisation of its output.

    With s = gain / √(variance + ε) (Ioffe & Szegedy 2015, "Batch Normalization", section 3.1, for
    the statistics of training),

        weight' = s · weight,  bias' = s · (bias - mean) + shift

    for each output channel. `weight` is (out, in, k, k), `bias` (out,); computed in float64. Exact,
    also at a border, because the normalisation comes after the convolution's zeros.
    """
    scale = norm.gain.double() / (norm.variance.double() + norm.epsilon).sqrt()
    moved = scale * (bias.double() - norm.mean.double()) + norm.shift.double()
    return (scale.view(-1, 1, 1, 1) * weight.double()).to(weight.dtype), moved.to(bias.dtype)

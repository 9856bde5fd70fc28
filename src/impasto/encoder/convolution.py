"""A frozen 3x3 convolution: forwards, with its ReLU or without, and back.

Two libraries compute it. torch's own functions serve every device and type, and in float32 on a
CPU give what every other torch program gets, to the bit. On an x86 CPU oneDNN can be asked
directly, as torch's own compiler does: it takes weights that were arranged for it once, where torch
arranges them anew at every call, and applies the ReLU while a result is still in the cache.
"""

from __future__ import annotations

import platform
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

__all__ = ["Convolution", "convolution", "describe_convolutions", "layout"]

_UNIT = [1, 1]  # stride, dilation, and the margin that weights are arranged for


Margin = tuple[int, int]
"""How many zeros, 0 or 1, surround the input: above and below, left and right."""


class Convolution(Protocol):
    """Weight (out, in, 3, 3) and bias (out,)."""

    def __call__(self, x: Tensor, margin: Margin, *, rectify: bool) -> Tensor:
        """(1, in, h, w) -> (1, out, h', w'), through a ReLU if told to `rectify`."""

    def pullback(self, g: Tensor, margin: Margin) -> Tensor:
        """The transpose without bias: (1, out, h', w') -> (1, in, h, w)."""


def convolution(weight: Tensor, bias: Tensor, *, exact: bool = True) -> Convolution:
    """The fastest convolution for the weight's device and type; in float32 it may be `exact`."""
    kind = _Packed if _packs(weight.device, weight.dtype, exact) else _Plain
    return kind(weight, bias)


def layout(dtype: torch.dtype, *, exact: bool) -> torch.memory_format:
    """What convolutions want: channels last, except in float64 and where float32 is to be exact.

    With the default layout float32 features equal those of every other torch program to the bit,
    and so do the choices of ReLU and max pooling, on which a gradient's last digits hang.
    """
    default = dtype == torch.float64 or (dtype == torch.float32 and exact)
    return torch.contiguous_format if default else torch.channels_last


def describe_convolutions(device: torch.device, dtype: torch.dtype, *, exact: bool) -> str:
    """Which library computes them, for people."""
    if _packs(device, dtype, exact):
        return "oneDNN (weights arranged once, ReLU applied on the way)"
    if device.type == "cuda":
        return "cuDNN (each evaluation two CUDA graphs)"
    if layout(dtype, exact=exact) == torch.contiguous_format:
        return "torch's own (the digits of every other torch program)"
    return "torch's own"


def _packs(device: torch.device, dtype: torch.dtype, exact: bool) -> bool:
    if device.type != "cpu" or layout(dtype, exact=exact) != torch.channels_last:
        return False
    return _onednn_has(dtype)


class _Plain:
    """By torch's functions."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight, self._bias = weight, bias

    def __call__(self, x: Tensor, margin: Margin, *, rectify: bool) -> Tensor:
        y = F.conv2d(x, self._weight, self._bias, padding=margin)
        return y.relu_() if rectify else y  # in place: ours alone

    def pullback(self, g: Tensor, margin: Margin) -> Tensor:
        return F.conv_transpose2d(g, self._weight, padding=margin)


class _Packed:
    """By oneDNN; the transpose of a convolution is one with the flipped kernel."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._bias = bias
        flipped = weight.transpose(0, 1).flip(2, 3)
        self._weight, self._flipped = _pack(weight), _pack(flipped)

    def __call__(self, x: Tensor, margin: Margin, *, rectify: bool) -> Tensor:
        return _convolve(x, self._weight, self._bias, margin, "relu" if rectify else "none")

    def pullback(self, g: Tensor, margin: Margin) -> Tensor:
        return _convolve(g, self._flipped, None, (2 - margin[0], 2 - margin[1]), "none")


def _onednn_has(dtype: torch.dtype) -> bool:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    library = torch.ops.mkldnn
    names = ("_convolution_pointwise", "_reorder_convolution_weight", "_is_mkldnn_bf16_supported")
    if not all(hasattr(library, name) for name in names):
        return False
    return dtype == torch.float32 or bool(library._is_mkldnn_bf16_supported())


def _pack(weight: Tensor) -> Tensor:
    weight = weight.contiguous(memory_format=torch.channels_last)
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, _UNIT, _UNIT, _UNIT, 1)
    return packed


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, margin: Margin, after: str) -> Tensor:
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, margin, _UNIT, _UNIT, 1, after, [], ""
    )
    return y

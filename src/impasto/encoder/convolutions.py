"""Convolutions, forwards and back, by the fastest library for a device and a type.

torch's own functions serve every device and type, and in float32 on a CPU give what every other
torch program gets, to the bit. On an x86 CPU oneDNN can be called directly, as torch's compiler
does: it takes weights that were arranged for it once, where torch arranges them anew at every call,
and applies the ReLU while a result is still in the cache. On a GPU cuDNN adds the bias and applies
the ReLU while a result is still in registers.
"""

from __future__ import annotations

import platform
from functools import lru_cache
from typing import Protocol, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

__all__ = ["Convolution", "Margin", "convolution", "describe_convolutions", "layout"]

Margin: TypeAlias = tuple[int, int]
"""Number of zeros around the input of a convolution: above and below, left and right."""

_UNIT = [1, 1]  # stride and dilation
_STRICTLY = (False, True, False)  # no benchmark of algorithms, deterministic ones, no TF32


class Convolution(Protocol):
    """A frozen convolution: weight (out, in, k, k) and bias (out,)."""

    def __call__(self, x: Tensor, margin: Margin, *, rectify: bool) -> Tensor:
        """(1, in, h, w) -> (1, out, h', w'), through a ReLU if told to `rectify`."""

    def pullback(self, g: Tensor, margin: Margin, size: tuple[int, int]) -> Tensor:
        """The transpose without bias: (1, out, h', w') -> (1, in, h, w), of which size is (h, w).

        The size is read where the stride is above 1: several then have the same output.
        """


def convolution(
    weight: Tensor, bias: Tensor, *, stride: int = 1, exact: bool = True
) -> Convolution:
    """The fastest convolution for the weight's device and dtype.

    `weight` is (out, in, k, k), `bias` (out,). In float32 `exact` asks for the bits of torch's own
    convolution on a CPU; on a GPU for factors that are not rounded to TF32, and the same bits each
    time.
    """
    if stride == 1 and _packs(weight.device, weight.dtype, exact):
        return _Packed(weight, bias)
    if weight.is_cuda and _fuses(weight.device, weight.dtype):
        return _Fused(weight, bias, stride)
    if weight.is_cuda and (exact or weight.dtype == torch.float64):
        return _Exact(weight, bias, stride)
    return _Plain(weight, bias, stride)


def layout(dtype: torch.dtype, *, exact: bool) -> torch.memory_format:
    """Memory format for convolutions: channels last, except in float64 and in exact float32.

    With the default layout float32 features equal those of every other torch program to the bit,
    and so do the choices of ReLU and max pooling, on which a gradient's last digits depend.
    """
    default = dtype == torch.float64 or (dtype == torch.float32 and exact)
    return torch.contiguous_format if default else torch.channels_last


def describe_convolutions(device: torch.device, dtype: torch.dtype, *, exact: bool) -> str:
    """Which library computes convolutions, for people."""
    if _packs(device, dtype, exact):
        return "oneDNN (weights arranged once, ReLU applied on the way)"
    if device.type == "cuda":
        return "cuDNN (evaluations recorded as CUDA graphs)"
    if layout(dtype, exact=exact) == torch.contiguous_format:
        return "torch's own (the digits of every other torch program)"
    return "torch's own"


def _packs(device: torch.device, dtype: torch.dtype, exact: bool) -> bool:
    if device.type != "cpu" or layout(dtype, exact=exact) != torch.channels_last:
        return False
    return _onednn_has(dtype)


class _Plain:
    """By torch's functions."""

    def __init__(self, weight: Tensor, bias: Tensor, stride: int) -> None:
        self._weight, self._bias, self._stride = weight, bias, stride

    def __call__(self, x: Tensor, margin: Margin, *, rectify: bool) -> Tensor:
        y = F.conv2d(x, self._weight, self._bias, self._stride, margin)
        return y.relu_() if rectify else y  # in place: y is new

    def pullback(self, g: Tensor, margin: Margin, size: tuple[int, int]) -> Tensor:
        unread = self._unread(margin, size)
        return F.conv_transpose2d(g, self._weight, None, self._stride, margin, unread)

    def _unread(self, margin: Margin, size: tuple[int, int]) -> list[int]:
        """Last rows and columns of the input, which fill no window."""
        kernel, sides = self._weight.shape[-1], zip(size, margin, strict=True)
        return [(length + 2 * zeros - kernel) % self._stride for length, zeros in sides]


class _Fused(_Plain):
    """By cuDNN, which adds the bias and applies the ReLU on the way."""

    def __call__(self, x: Tensor, margin: Margin, *, rectify: bool) -> Tensor:
        if not rectify:
            return super().__call__(x, margin, rectify=False)
        y: Tensor = torch.cudnn_convolution_relu(
            x, self._weight, self._bias, [self._stride] * 2, margin, _UNIT, 1
        )
        return y


class _Exact(_Plain):
    """By cuDNN without TF32, the same bits each time, whatever torch's settings."""

    def __call__(self, x: Tensor, margin: Margin, *, rectify: bool) -> Tensor:
        y = torch.cudnn_convolution(
            x, self._weight, margin, [self._stride] * 2, _UNIT, 1, *_STRICTLY
        )
        y = y.add_(self._bias[:, None, None])
        return y.relu_() if rectify else y

    def pullback(self, g: Tensor, margin: Margin, size: tuple[int, int]) -> Tensor:
        unread = self._unread(margin, size)
        pulled: Tensor = torch.cudnn_convolution_transpose(
            g, self._weight, margin, unread, [self._stride] * 2, _UNIT, 1, *_STRICTLY
        )
        return pulled


@lru_cache(maxsize=8)
def _fuses(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a GPU's cuDNN convolves, adds a bias and applies a ReLU in one pass over bfloat16."""
    if dtype != torch.bfloat16 or not hasattr(torch, "cudnn_convolution_relu"):
        return False
    ones = torch.ones((8, 8, 3, 3), dtype=dtype, device=device)
    ones = ones.contiguous(memory_format=torch.channels_last)
    try:
        y = torch.cudnn_convolution_relu(ones, ones, ones[0, :, 0, 0], _UNIT, _UNIT, _UNIT, 1)
    except RuntimeError:
        return False
    return bool((y[..., 1, 1] == 8 * 9 + 1).all())


class _Packed:
    """By oneDNN; the transpose of a convolution is one with the flipped kernel."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._bias, self._reach = bias, weight.shape[-1] - 1  # two radii
        flipped = weight.transpose(0, 1).flip(2, 3)
        self._weight, self._flipped = _pack(weight), _pack(flipped)

    def __call__(self, x: Tensor, margin: Margin, *, rectify: bool) -> Tensor:
        return _convolve(x, self._weight, self._bias, margin, "relu" if rectify else "none")

    def pullback(self, g: Tensor, margin: Margin, size: tuple[int, int]) -> Tensor:
        down, across = margin
        margin = self._reach - down, self._reach - across
        return _convolve(g, self._flipped, None, margin, "none")


def _onednn_has(dtype: torch.dtype) -> bool:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # torch has no type for it
        return False
    library = torch.ops.mkldnn
    names = ("_convolution_pointwise", "_reorder_convolution_weight", "_is_mkldnn_bf16_supported")
    if not all(hasattr(library, name) for name in names):
        return False
    return dtype == torch.float32 or bool(library._is_mkldnn_bf16_supported())


def _pack(weight: Tensor) -> Tensor:
    weight = weight.contiguous(memory_format=torch.channels_last)
    margin = [weight.shape[-1] // 2] * 2
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, margin, _UNIT, _UNIT, 1)
    return packed


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, margin: Margin, after: str) -> Tensor:
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, margin, _UNIT, _UNIT, 1, after, [], ""
    )
    return y

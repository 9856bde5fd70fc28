"""Arrays and tensors to pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from impasto.errors import ImageError
from impasto.images.picture import Picture

__all__ = ["check_range", "from_array", "from_tensor", "planes", "unit"]

ARRAYS = "an array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) of uint8, uint16 or floats in [0, 1]"
TENSORS = "a tensor (1, h, w), (3, h, w) or (4, h, w) of uint8 or floats in [0, 1]"
ROUNDING = 1e-4  # how far past 0 and 1 a float may be, after someone's arithmetic


def unit(levels: np.ndarray) -> np.ndarray:
    """Integers or floats to float32 in [0, 1], by the full range of their type."""
    top = np.iinfo(levels.dtype).max if levels.dtype.kind == "u" else 1
    values: np.ndarray = levels.astype(np.float32) / np.float32(top)
    return values


def planes(levels: np.ndarray) -> Tensor:
    """(h, w, 1 or 3) levels to pixels (3, h, w) float32 in [0, 1]."""
    chw = torch.from_numpy(unit(np.ascontiguousarray(levels.transpose(2, 0, 1))))
    return chw.expand(3, -1, -1).contiguous()


def from_array(array: np.ndarray) -> Picture:
    """Picture of an array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), the fourth being alpha.

    uint8 and uint16 are scaled by their range, floats are in [0, 1]. Raises ImageError otherwise.
    """
    got = f"array {array.dtype} {array.shape}"
    levels = array[..., None] if array.ndim == 2 else array
    known = array.dtype.kind == "f" or array.dtype in (np.uint8, np.uint16)
    if not known or levels.ndim != 3 or levels.shape[2] not in (1, 3, 4) or 0 in levels.shape:
        raise ImageError(f"{got}: expected {ARRAYS}")
    return _picture(levels, got)


def from_tensor(tensor: Tensor) -> Picture:
    """Picture of a tensor (1, h, w), (3, h, w), (4, h, w), or one of these in a batch of one.

    uint8, or floats in [0, 1]. Raises ImageError otherwise.
    """
    got = f"tensor {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
    chw = tensor[0] if tensor.ndim == 4 and len(tensor) == 1 else tensor
    known = chw.is_floating_point() or chw.dtype == torch.uint8
    if not known or chw.ndim != 3 or chw.shape[0] not in (1, 3, 4) or 0 in chw.shape:
        raise ImageError(f"{got}: expected {TENSORS}")
    exact = chw.detach().to("cpu", torch.uint8 if chw.dtype == torch.uint8 else torch.float32)
    return _picture(exact.permute(1, 2, 0).numpy(), got)  # (h, w, c)


def _picture(levels: np.ndarray, got: str) -> Picture:
    """(h, w, 1, 3 or 4) levels to a Picture that shares no memory with them."""
    if levels.dtype.kind == "f":
        check_range(levels, got)
    alpha = None
    if levels.shape[2] == 4:
        alpha = torch.from_numpy(unit(levels[..., 3])).clamp_(0, 1)
    return Picture(planes(levels[..., :3]).clamp_(0, 1), alpha)


def check_range(values: np.ndarray, got: str) -> None:
    """Raise ImageError unless all values lie in [0, 1], but for rounding."""
    low, high = float(values.min()), float(values.max())  # NaN if any is NaN
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise ImageError(f"{got}: values from {low:g} to {high:g}; expected floats from 0 to 1")

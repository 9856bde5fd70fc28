"""Arrays and tensors to pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from impasto.errors import ImageError, ImageTooLarge
from impasto.images.levels import clipped
from impasto.images.picture import Picture

__all__ = ["check_range", "check_size", "from_array", "from_tensor"]

ARRAYS = (
    "an array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) of bool, uint8, uint16 or floats in [0, 1]"
)
TENSORS = (
    "a dense tensor (h, w), (1, h, w), (3, h, w) or (4, h, w) of bool, uint8 or floats in [0, 1]"
)
ROUNDING = 1e-4  # how far a float may lie outside [0, 1], because of rounding


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Raise ImageTooLarge for a size (w, h) above `max_pixels`, ImageError for one below 1x1."""
    width, height = size
    if min(size) < 1:
        raise ImageError(f"{width}x{height} px; expected at least 1x1")
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"{width}x{height} px is {width * height:,} pixels, above the limit of "
            f"{max_pixels:,}; raise max_pixels, or make the image smaller"
        )


def from_array(array: np.ndarray, max_pixels: int) -> Picture:
    """Picture of an array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), the fourth being alpha.

    bool and unsigned integers of 8 and 16 bits are scaled by their range, floats are in [0, 1].
    Raises ImageTooLarge above `max_pixels`, and ImageError for any other array.
    """
    got = f"array {array.dtype} {array.shape}"
    levels = array[..., None] if array.ndim == 2 else array
    kind, width = array.dtype.kind, array.dtype.itemsize
    known = kind in "fb" or (kind == "u" and width <= 2)
    plain = known and not isinstance(array, np.ma.MaskedArray)
    if not plain or levels.ndim != 3 or levels.shape[2] not in (1, 3, 4) or 0 in levels.shape:
        raise ImageError(f"{got}: expected {ARRAYS}")
    check_size((levels.shape[1], levels.shape[0]), max_pixels)
    return _picture(np.asarray(levels), got)


def from_tensor(tensor: Tensor, max_pixels: int) -> Picture:
    """Picture of a tensor (h, w), (1, h, w), (3, h, w) or (4, h, w), or in a batch of one.

    bool, uint8, or floats in [0, 1]; on any device. Raises ImageTooLarge above `max_pixels`, and
    ImageError for any other tensor, such as a sparse one or one without values.
    """
    got = f"tensor {str(tensor.dtype).removeprefix('torch.')} {_shape(tensor)}"
    known = tensor.is_floating_point() or tensor.dtype in (torch.uint8, torch.bool)
    dense = tensor.layout == torch.strided and not (tensor.is_meta or tensor.is_nested)
    if not known or not dense or tensor.is_quantized:
        raise ImageError(f"{got}: expected {TENSORS}")
    chw = tensor[0] if tensor.ndim == 4 and len(tensor) == 1 else tensor
    chw = chw[None] if chw.ndim == 2 else chw
    if chw.ndim != 3 or chw.shape[0] not in (1, 3, 4) or 0 in chw.shape:
        raise ImageError(f"{got}: expected {TENSORS}")
    check_size((chw.shape[2], chw.shape[1]), max_pixels)
    try:
        exact = chw.detach().to("cpu", torch.float32 if chw.is_floating_point() else chw.dtype)
        levels = exact.permute(1, 2, 0).numpy()  # (h, w, c)
    except (RuntimeError, TypeError, ValueError) as error:  # fake, batched or lazy tensors
        reason = " ".join(str(error).split())
        raise ImageError(f"{got}: has no values ({reason}); expected {TENSORS}") from error
    return _picture(levels, got)


def _shape(tensor: Tensor) -> str:
    """The shape as text; a nested tensor has none."""
    return "nested" if tensor.is_nested else str(tuple(tensor.shape))


def _picture(levels: np.ndarray, got: str) -> Picture:
    """(h, w, 1, 3 or 4) levels to a Picture that shares no memory with them."""
    if levels.dtype.kind == "b":
        levels = levels.astype(np.uint8) * np.uint8(255)
    if levels.dtype.kind == "f":
        check_range(levels, got)
    return Picture.of_levels(clipped(levels))


def check_range(values: np.ndarray, got: str) -> None:
    """Raise ImageError unless all values lie in [0, 1], up to rounding."""
    low, high = float(values.min()), float(values.max())  # NaN if any is NaN
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise ImageError(f"{got}: values from {low:g} to {high:g}; expected floats from 0 to 1")

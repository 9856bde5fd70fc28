"""Levels of channels, as files hold them, and the float32 values they stand for."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["clipped", "eight_bits", "planes", "sixteen_bits", "unit"]


def unit(levels: np.ndarray) -> np.ndarray:
    """Unsigned integers or floats of any shape to float32 in [0, 1], by the range of their type."""
    top = np.iinfo(levels.dtype).max if levels.dtype.kind == "u" else 1
    values: np.ndarray = levels.astype(np.float32) / np.float32(top)
    return values


def planes(levels: np.ndarray) -> Tensor:
    """(h, w, 1 or 3) levels to pixels (3, h, w) float32 in [0, 1]."""
    chw = torch.from_numpy(unit(np.ascontiguousarray(levels.transpose(2, 0, 1))))
    return chw.expand(3, -1, -1).contiguous()


def clipped(levels: np.ndarray) -> np.ndarray:
    """A copy of levels of any shape that holds only what they say: floats are float32 in [0, 1]."""
    if levels.dtype.kind == "u":
        return np.array(levels, levels.dtype.newbyteorder("="), order="C")
    values: np.ndarray = levels.astype(np.float32).clip(0, 1)
    return values


def eight_bits(levels: np.ndarray) -> np.ndarray:
    """Levels uint8 or uint16 of any shape as uint8, rounded to the nearest."""
    if levels.dtype == np.uint8:
        return levels
    return ((levels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def sixteen_bits(levels: np.ndarray) -> np.ndarray:
    """Levels uint8 or uint16 of any shape as uint16; 255 becomes 65535."""
    return levels.astype(np.uint16) * np.uint16(257) if levels.dtype == np.uint8 else levels

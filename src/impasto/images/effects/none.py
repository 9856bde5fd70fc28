"""No effect."""

from __future__ import annotations

from torch import Tensor

__all__ = ["none"]


def none(picture: Tensor, strength: float) -> Tensor:
    """The picture (3, h, w) itself; `strength` has no meaning."""
    return picture

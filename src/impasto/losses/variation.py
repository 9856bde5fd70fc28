"""Total variation of a canvas (3, h, w) in its own colour space, as its users define it.

Δy and Δx are differences of vertical and horizontal neighbours, (3, h-1, w) and (3, h, w-1).
A canvas one pixel high or wide has no differences in that direction, and they count as 0.
"""

from collections.abc import Callable

from torch import Tensor

__all__ = ["VARIATIONS"]


def _differences(canvas: Tensor) -> tuple[Tensor, Tensor]:
    return canvas[:, 1:] - canvas[:, :-1], canvas[:, :, 1:] - canvas[:, :, :-1]


def l1_sum(canvas: Tensor) -> Tensor:
    """Σ|Δx| + Σ|Δy| (the PyTorch port of neural-style)."""
    dy, dx = _differences(canvas)
    return dx.abs().sum() + dy.abs().sum()


def l1_mean(canvas: Tensor) -> Tensor:
    """½(mean|Δy| + mean|Δx|) (Dive into Deep Learning)."""
    dy, dx = _differences(canvas)
    return (dy.abs().sum() / max(dy.numel(), 1) + dx.abs().sum() / max(dx.numel(), 1)) / 2


def l2_mean(canvas: Tensor) -> Tensor:
    """Mean (Δy)² + mean (Δx)²."""
    dy, dx = _differences(canvas)
    return dy.square().sum() / max(dy.numel(), 1) + dx.square().sum() / max(dx.numel(), 1)


def l2_swapped(canvas: Tensor) -> Tensor:
    """Σ(Δy)²/Nₓ + Σ(Δx)²/N_y: each direction divided by the other's number of differences."""
    dy, dx = _differences(canvas)
    return dy.square().sum() / max(dx.numel(), 1) + dx.square().sum() / max(dy.numel(), 1)


VARIATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "l1-sum": l1_sum,
    "l1-mean": l1_mean,
    "l2-mean": l2_mean,
    "l2-swapped": l2_swapped,
}
"""Total variation by name."""

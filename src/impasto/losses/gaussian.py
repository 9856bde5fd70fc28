"""Style distances between features seen as distributions: their means and variances.

Notation: μ and σ² are mean and variance of each channel of the canvas's features over its
positions, μₛ and σₛ² those of the style image's. Neither depends on where features are, nor on how
many.
"""

from __future__ import annotations

from torch import Tensor

from impasto.losses.statistics import Moments

__all__ = ["moments"]

_LEAST_VARIANCE = 1e-4  # keeps a square root away from 0, where it has no slope


def moments(canvas: Moments, style: Moments) -> Tensor:
    """mean((μ - μₛ)² + (σ - σₛ)²) over channels, both variances + 1e-4.

    Source: Li et al. 2017, "Demystifying Neural Style Transfer", where it is that of BN statistics.
    """
    apart = (canvas.mean - style.mean).square() + (_deviation(canvas) - _deviation(style)).square()
    return apart.mean()


def _deviation(features: Moments) -> Tensor:
    variance = features.gram.diagonal() - features.mean.square()
    return (variance.clamp_min(0) + _LEAST_VARIANCE).sqrt()

"""Style distances between features seen as distributions: their means and variances.

Notation: μ and Σ are mean (C) and covariance (C x C) of the canvas's features over its positions,
σ² the diagonal of Σ; μₛ, Σₛ and σₛ² are those of the style image. None depends on where features
are, nor on how many.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from impasto.losses.statistics import Moments

__all__ = ["moments", "wasserstein"]

_LEAST_VARIANCE = 1e-4  # keeps a square root away from 0, where it has no slope
_ROUNDING = 1e-13  # of the greatest eigenvalue: what float64 leaves of those that are 0


def moments(canvas: Moments, style: Moments) -> Tensor:
    """mean((μ - μₛ)² + (σ - σₛ)²) over channels, both variances + 1e-4.

    Source: Li et al. 2017, "Demystifying Neural Style Transfer", where it is that of BN statistics.
    """
    apart = (canvas.mean - style.mean).square() + (_deviation(canvas) - _deviation(style)).square()
    return apart.mean()


def _deviation(features: Moments) -> Tensor:
    variance = features.gram.diagonal() - features.mean.square()
    return (variance.clamp_min(0) + _LEAST_VARIANCE).sqrt()


def wasserstein(canvas: Moments, style: Moments) -> Tensor:
    """(‖μ - μₛ‖² + tr(Σ + Σₛ - 2(Σₛ½ Σ Σₛ½)½)) / C, both covariances + ε·I.

    That is W₂² between two normal distributions (Dowson & Landau 1982), per channel, as a style
    loss Crowson's (style-transfer-pytorch), where ε is 1e-4. Here ε is that part of the style's
    mean variance, so that features of any scale do; with those of normalised networks it is about
    the same. In float64: two eigendecompositions, one of them once, and an exact gradient.
    """
    channels = len(style.total)
    root, least = style.once(_root)
    covariance = canvas.covariance.double() + least * torch.eye(channels).to(root)
    crossed: Tensor = _TraceOfRoot.apply(root @ covariance @ root)  # type: ignore[no-untyped-call]
    spread = covariance.trace() + root.square().sum() - 2 * crossed
    apart = (canvas.mean.double() - style.mean.double()).square().sum()
    return (apart + spread) / channels


def _root(style: Moments) -> tuple[Tensor, Tensor]:
    """The root of a style's covariance + ε·I in float64, and ε."""
    covariance = style.covariance.double()
    least = _LEAST_VARIANCE * covariance.diagonal().mean().clamp_min(_LEAST_VARIANCE)
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * (values.clamp_min(0) + least).sqrt()) @ vectors.T, least


class _TraceOfRoot(torch.autograd.Function):
    """tr(M½) of a symmetric matrix, whose gradient is ½ M^-½; eigenvalues of no size count as 0."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:  # noqa: ANN401 (torch's own context)
        values, vectors = torch.linalg.eigh(matrix)
        kept = values > _ROUNDING * values[-1:].clamp_min(torch.finfo(matrix.dtype).tiny)
        roots = torch.where(kept, values, 0).sqrt()
        ctx.save_for_backward(torch.where(kept, 0.5 / roots, 0), vectors)
        return roots.sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        slopes, vectors = ctx.saved_tensors
        pulled: Tensor = gradient * (vectors * slopes) @ vectors.T
        return pulled

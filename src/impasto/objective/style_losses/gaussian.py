"""Style distances between features seen as distributions: their means and variances.

Notation: μ and Σ are mean (C) and covariance (C x C) of the canvas's features over its positions,
σ² the diagonal of Σ; μₛ, Σₛ and σₛ² are those of the style image. None depends on where features
are, nor on how many.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from impasto.objective.statistics import Moments, in_float64

__all__ = ["moments", "wasserstein"]

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


def wasserstein(canvas: Moments, style: Moments) -> Tensor:
    """(‖μ - μₛ‖² + tr(Σ + Σₛ - 2(Σₛ½ Σ Σₛ½)½)) / C, both covariances + ε·I.

    That is W₂² between two normal distributions (Dowson & Landau 1982), per channel, as a style
    loss Crowson's (style-transfer-pytorch), where ε is 1e-4. Here ε is that part of the style's
    mean variance, so that features of any scale do; with those of normalised networks it is about
    the same. Two eigendecompositions in float64, one of them once, and a gradient in closed form.
    """
    factor, variances, least = style.once(_factor)
    covariance = canvas.covariance.to(factor.dtype)
    crossed: Tensor = _TraceOfRoot.apply(covariance, factor, least * variances)  # type: ignore[no-untyped-call]
    spread = covariance.trace() + len(variances) * least + variances.sum() - 2 * crossed
    apart = (canvas.mean - style.mean).square().sum()
    return (apart + spread) / len(variances)


def _factor(style: Moments) -> tuple[Tensor, Tensor, Tensor]:
    """F with FFᵀ = Σₛ + ε·I, the diagonal of FᵀF, and ε, in the type of the features' sums."""
    covariance = in_float64(style.covariance)
    least = _LEAST_VARIANCE * covariance.diagonal().mean().clamp_min(_LEAST_VARIANCE)
    values, vectors = torch.linalg.eigh(covariance)
    variances = values.clamp_min(0) + least
    factor = vectors * variances.sqrt()
    return factor.to(style.total), variances.to(style.total), least.to(style.total)


class _TraceOfRoot(torch.autograd.Function):
    """tr(M½) with M = FᵀΣF + diag d, whose gradient is ½ F M^-½ Fᵀ.

    With FFᵀ = Σₛ and diag d = εFᵀF it is tr((Σₛ½ (Σ + ε·I) Σₛ½)½), for both matrices have the
    eigenvalues of (Σ + ε·I)Σₛ. None of them is less than the least of d; what is less than half of
    that is rounding, and counts as 0. Columns of F are as small as what they stand for, and so are
    the errors of products with them: float32 is enough for these, where eigenvalues, which differ
    by up to 10¹², take float64.
    """

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, factor: Tensor, diagonal: Tensor) -> Tensor:  # noqa: ANN401 (torch's own context)
        matrix = in_float64(factor.T @ (covariance @ factor) + diagonal.diag())
        values, vectors = torch.linalg.eigh(matrix)
        kept = values > diagonal.min().to(values) / 2
        roots = torch.where(kept, values, 0).sqrt()
        slopes = torch.where(kept, 0.5 / roots, 0)
        ctx.save_for_backward(factor @ (vectors * slopes.sqrt()).to(factor))
        return roots.sum().to(factor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (half,) = ctx.saved_tensors
        pulled: Tensor = gradient * (half @ half.T)
        return pulled, None, None

"""Style distances between distributions of features, by their means and variances.

Notation: μ and Σ are mean (C) and covariance (C x C) of the canvas's features over its positions,
σ² the diagonal of Σ; μₛ, Σₛ and σₛ² are the same of the style image. None depends on the places of
features, nor on their number.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from impasto.images.precision import in_float64
from impasto.objective.statistics import Moments
from impasto.objective.style_losses.base import declare

__all__ = ["moments", "wasserstein"]

_MIN_VARIANCE = 1e-4  # keeps a square root away from 0, where it has no slope


@declare(reads={"mean", "gram"})
def moments(canvas: Moments, style: Moments) -> Tensor:
    """mean((μ - μₛ)² + (σ - σₛ)²) over channels, both variances + 1e-4; a scalar.

    Source: Li et al. 2017, "Demystifying Neural Style Transfer", the loss of BN statistics.
    """
    apart = (canvas.mean - style.mean).square() + (_deviation(canvas) - _deviation(style)).square()
    return apart.mean()


def _deviation(features: Moments) -> Tensor:
    variance = features.gram.diagonal() - features.mean.square()
    return (variance.clamp_min(0) + _MIN_VARIANCE).sqrt()


@declare(reads={"mean", "covariance"})
def wasserstein(canvas: Moments, style: Moments) -> Tensor:
    """(‖μ - μₛ‖² + tr(Σ + Σₛ - 2(Σₛ½ Σ Σₛ½)½)) / C, both covariances + ε·I; a scalar.

    W₂² between two normal distributions (Dowson & Landau 1982), per channel. Crowson's
    style-transfer-pytorch has it as a style loss with ε = 1e-4. Here ε is 1e-4 of the style's mean
    variance, so that features may have any scale; normalised networks give about the same. It
    takes two eigendecompositions in float64, one of them once, and a gradient in closed form.
    """
    factor, variances, floor = style.once(_factor)
    covariance = canvas.covariance.to(factor.dtype)
    crossed: Tensor = _TraceOfRoot.apply(covariance, factor, floor * variances)  # type: ignore[no-untyped-call]
    spread = covariance.trace() + len(variances) * floor + variances.sum() - 2 * crossed
    apart = (canvas.mean - style.mean).square().sum()
    return (apart + spread) / len(variances)


def _factor(style: Moments) -> tuple[Tensor, Tensor, Tensor]:
    """F (c, c) with FFᵀ = Σₛ + ε·I, the diagonal of FᵀF (c,), and ε; typed as `style.total`."""
    covariance = in_float64(style.covariance)
    floor = _MIN_VARIANCE * covariance.diagonal().mean().clamp_min(_MIN_VARIANCE)
    values, vectors = torch.linalg.eigh(covariance)
    variances = values.clamp_min(0) + floor
    factor = vectors * variances.sqrt()
    return factor.to(style.total), variances.to(style.total), floor.to(style.total)


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (c,) and eigenvectors (c, c) of a symmetric matrix (c, c).

    All are NaN for a matrix that has none, such as one of a canvas that is not finite: the loss is
    then not a number either, and the run goes back to the last canvas with one.
    """
    try:
        values, vectors = torch.linalg.eigh(matrix)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        vectors = torch.full_like(matrix, torch.nan)
        values = vectors[0]
    return values, vectors


class _TraceOfRoot(torch.autograd.Function):
    """tr(M½) with M = FᵀΣF + diag d, whose gradient is ½ F M^-½ Fᵀ.

    With FFᵀ = Σₛ and diag d = εFᵀF it is tr((Σₛ½ (Σ + ε·I) Σₛ½)½), because both matrices have the
    eigenvalues of (Σ + ε·I)Σₛ. No eigenvalue is below the minimum of d; one below half of that is
    rounding, and counts as 0. A column of F is as small as the deviation it stands for, and so are
    the errors of products with it: float32 is enough for products. Eigenvalues differ by up to
    10¹² and take float64.
    """

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, factor: Tensor, diagonal: Tensor) -> Tensor:  # noqa: ANN401 (torch's own context)
        matrix = in_float64(factor.T @ (covariance @ factor) + diagonal.diag())
        values, vectors = _eigh(matrix)
        dropped = values <= diagonal.min().to(values) / 2
        roots = torch.where(dropped, 0, values).sqrt()
        slopes = torch.where(dropped, 0, 0.5 / roots)
        ctx.save_for_backward(factor @ (vectors * slopes.sqrt()).to(factor))
        return roots.sum().to(factor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (half,) = ctx.saved_tensors
        slope: Tensor = gradient * (half @ half.T)
        return slope, None, None

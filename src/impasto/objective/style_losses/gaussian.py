"""Style distances between distributions of features, by their means and variances.

Notation: μ and Σ are mean (C) and covariance (C x C) of the canvas's features over its positions,
σ² the diagonal of Σ; μₛ, Σₛ and σₛ² are the same of the style image. None depends on the places of
features, nor on their number. Traces are sums of diagonals: the derivative of `Tensor.trace` waits
for the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.images.precision import in_float64
from impasto.objective.graphs import outside_graphs
from impasto.objective.statistics import Moments
from impasto.objective.style_losses.base import declare

__all__ = ["moments", "principal_wasserstein", "wasserstein"]

_MIN_VARIANCE = 1e-4  # keeps a square root away from 0, where it has no slope
_SUPPORT = 32  # positions that a direction takes
_MAX_DIRECTIONS = 64
_QUICK_ON_CPU = 64  # rows of a matrix that a GPU hands to the CPU: half the time on an H200


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
    crossed: Tensor = _TraceOfRoot.apply(covariance, factor, floor * variances)  # type: ignore[no-untyped-call]  # torch has no type for it
    spread = covariance.diagonal().sum() + len(variances) * floor + variances.sum() - 2 * crossed
    apart = (canvas.mean - style.mean).square().sum()
    return (apart + spread) / len(variances)


@declare(reads={"mean", "outer"})
def principal_wasserstein(canvas: Moments, style: Moments) -> Tensor:
    """(‖μ - μₛ‖² + W₂²(VᵀΣV, VᵀΣₛV) + Σ (ρ - ρₛ)²) / C, a scalar.

    The columns of V (C x k) are the leading eigenvectors of Σₛ: the directions in which the style
    varies most. In these W₂² is that of `wasserstein`. The rest of both distributions is compared
    channel by channel, by deviations: ρ² is the diagonal of NΣN, with N = I - VVᵀ. The variances
    on both sides of a square root have ε added, 1e-4 of the style's mean variance.

    k is C, but at most 64, and at most 1/32 of the positions of the picture that has fewer. So
    many directions say of which features a style is made. All of them, where there are not many
    more positions than channels, nearly say where in the painting each was, and a canvas that
    matches them copies objects of the painting. It is never more than `wasserstein`, because
    distances of projections add up to no more than that of the whole (Gelbrich 1990), and equal to
    it for k = C. An eigendecomposition of k x k takes a fraction of the time of one of C x C.
    """
    basis = style.once(_Principal.of)
    directions = _directions(canvas, style)
    vectors, variances = basis.vectors[:, :directions], basis.variances[:directions]
    mean = canvas.mean.to(vectors)
    turned = (canvas.outer.to(vectors) @ vectors) / canvas.count  # without the C x C of Σ itself
    turned = turned - torch.outer(mean, mean @ vectors)  # ΣV
    diagonal = canvas.outer.diagonal() / canvas.count - mean.square()
    inner = vectors.T @ turned  # VᵀΣV
    deviations = (variances + basis.floor).sqrt()
    crossed: Tensor = _TraceOfRoot.apply(  # type: ignore[no-untyped-call]  # torch has no type for it
        inner, deviations.diag(), basis.floor * deviations.square()
    )
    apart = (
        inner.diagonal().sum() + directions * basis.floor + deviations.square().sum() - 2 * crossed
    )
    rest = diagonal + ((vectors @ inner - 2 * turned) * vectors).sum(1)  # of NΣN
    own = basis.diagonal - (vectors.square() @ variances)
    apart = apart + (_root(rest, basis.floor) - _root(own, basis.floor)).square().sum()
    return (apart + (mean - style.mean).square().sum()) / len(basis.diagonal)


def _directions(canvas: Moments, style: Moments) -> int:
    """How many directions of the style's are compared."""
    positions = round(min(float(canvas.count), float(style.count)))
    return max(1, min(len(style.total), _MAX_DIRECTIONS, positions // _SUPPORT))


def _root(variances: Tensor, floor: Tensor) -> Tensor:
    """√(σ² + ε), (c,); a variance below 0 is rounding."""
    return (variances.clamp_min(0) + floor).sqrt()


@dataclass(frozen=True)
class _Principal:
    """Eigenvectors (c, c) of a covariance as columns, their variances (c,), largest first.

    `diagonal` (c,) is the covariance's, `floor` ε.
    """

    vectors: Tensor
    variances: Tensor
    diagonal: Tensor
    floor: Tensor

    @classmethod
    def of(cls, style: Moments) -> _Principal:
        """Those of a style, in the type of `style.total`."""
        mean = in_float64(style.mean)
        covariance = in_float64(style.gram) - torch.outer(mean, mean)
        values, vectors = torch.linalg.eigh(covariance)
        diagonal = covariance.diagonal()
        found = vectors.flip(1), values.flip(0).clamp_min(0), diagonal, _floor(diagonal)
        return cls(*(x.to(style.total) for x in found))


def _floor(diagonal: Tensor) -> Tensor:
    """ε of a covariance with this diagonal (c,), a scalar."""
    return _MIN_VARIANCE * diagonal.mean().clamp_min(_MIN_VARIANCE)


def _factor(style: Moments) -> tuple[Tensor, Tensor, Tensor]:
    """F (c, c) with FFᵀ = Σₛ + ε·I, the diagonal of FᵀF (c,), and ε; typed as `style.total`."""
    covariance = in_float64(style.covariance)
    floor = _floor(covariance.diagonal())
    values, vectors = torch.linalg.eigh(covariance)
    variances = values.clamp_min(0) + floor
    factor = vectors * variances.sqrt()
    return factor.to(style.total), variances.to(style.total), floor.to(style.total)


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (c,) and eigenvectors (c, c) of a symmetric matrix (c, c), on its device.

    All are NaN for a matrix that has none, such as one of a canvas that is not finite: the loss is
    then not a number either, and the run goes back to the last canvas with one.
    """
    place = matrix.device
    at = matrix.cpu() if len(matrix) <= _QUICK_ON_CPU else matrix
    try:
        values, vectors = torch.linalg.eigh(at)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # torch exports it without a type
        vectors = torch.full_like(at, torch.nan)
        values = vectors[0]
    return values.to(place), vectors.to(place)


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
        values, vectors = outside_graphs(lambda: _eigh(matrix))
        dropped = values <= diagonal.min().to(values) / 2
        roots = torch.where(dropped, 0, values).sqrt()
        slopes = torch.where(dropped, 0, 0.5 / roots)
        ctx.save_for_backward(factor @ (vectors * slopes.sqrt()).to(factor))
        return roots.sum().to(factor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 (torch's own context)
        (half,) = ctx.saved_tensors
        slope: Tensor = gradient * (half @ half.T)
        return slope, None, None

"""Style distances between the Gram matrices of canvas and style, one function per normalisation.

Notation: G = Σ f fᵀ over the M positions of the canvas at a layer with C channels, A the same for
the style image with its own M. Each function takes the moments of both at the layer and returns a
scalar that autograd can differentiate with respect to the canvas's.
"""

from torch import Tensor

from impasto.objective.statistics import Moments
from impasto.objective.style_losses.base import StyleLoss, declare

__all__ = ["GRAMS", "gram"]


@declare(reads={"gram"})
def by_positions(canvas: Moments, style: Moments) -> Tensor:
    """mean((G/M - A/M)²) over the C² entries."""
    return (canvas.gram - style.gram).square().mean()


@declare(reads={"gram"})
def by_elements(canvas: Moments, style: Moments) -> Tensor:
    """mean((G/(C·M) - A/(C·M))²) over the C² entries, a scalar (Johnson's neural-style)."""
    return ((canvas.gram - style.gram) / canvas.total.numel()).square().mean()


@declare(reads={"outer"})
def unnormalised(canvas: Moments, style: Moments) -> Tensor:
    """mean((G - A)²) over the C² entries; depends on the size of both pictures."""
    return (canvas.outer - style.outer).square().mean()


@declare(reads={"gram"})
def gatys(canvas: Moments, style: Moments) -> Tensor:
    """Σ(G - A)² / (4 C² M²) (Gatys et al. 2016, eq. 4).

    The paper's pictures have one size. Where they differ, each Gram is divided by its own M:
    ¼ Σ(G/(C·M) - A/(C·M))².
    """
    return ((canvas.gram - style.gram) / canvas.total.numel()).square().sum() / 4


GRAMS: dict[str, StyleLoss] = {
    "positions": by_positions,
    "elements": by_elements,
    "none": unnormalised,
    "gatys": gatys,
}
"""Normalisation of the Gram distance by name."""

gram = by_elements
"""The style loss `gram`; settings choose another normalisation of it."""

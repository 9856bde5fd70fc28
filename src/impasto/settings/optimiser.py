"""Settings of the optimiser: how many iterations, and how each is made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from impasto.settings.fields import Beta, Counts, LineSearch, Optimiser, knob, several

__all__ = ["OptimiserSettings"]


class OptimiserSettings(BaseModel):
    """How the objective is minimised, and which canvas is the result."""

    optimiser: Optimiser = knob("Optimiser", "method of minimisation", default="lbfgs")
    iterations: Counts = knob(
        "Optimiser", "iterations, N or N,N,… per scale", default=1000, pixels=False
    )
    tolerance: float = knob(
        "Optimiser",
        "stop when the loss changes by at most this fraction; 0 never",
        default=0.0,
        ge=0,
    )
    select: Literal["last", "best"] = knob(
        "Optimiser", "which canvas is the result: the last, or that of minimum loss", default="last"
    )
    average: float = knob(
        "Optimiser",
        "average the canvases: factor on the weight of each one before; 0 takes the last alone",
        default=0.0,
        ge=0,
        lt=1,
    )
    learning_rate: float = knob(
        "Optimiser", "step length; for Adam in units of space", default=1.0, gt=0
    )
    first_step: Literal["l1", "l2"] | Annotated[float, Field(gt=0)] = knob(
        "Optimiser",
        "L-BFGS: length of the first step: min(1, 1/|g|₁), 1/|g|₂, or X levels of 255 on average",
        default="l1",
    )
    decay: float = knob(
        "Optimiser", "Adam: factor on the learning rate at each decay", default=1.0, gt=0, le=1
    )
    decay_every: Counts = knob(
        "Optimiser", "Adam: iterations between decays, N or one per scale; 0 never", default=0
    )
    betas: Annotated[tuple[Beta, Beta], several] = knob(
        "Optimiser", "Adam: decay of the gradient's mean and square", default=(0.9, 0.999)
    )
    epsilon: float = knob("Optimiser", "Adam: added to the denominator", default=1e-8, gt=0)
    history: int = knob("Optimiser", "L-BFGS: curvature pairs kept", default=100, ge=1, le=1000)
    precondition: float = knob(
        "Optimiser",
        "L-BFGS: exponent X of a first inverse Hessian that falls with spatial frequency as "
        "1/f^2X; without effect where clip is set",
        default=0.0,
        ge=0,
        le=2,
    )
    line_search: LineSearch = knob(
        "Optimiser", "L-BFGS: how the step length is found", default="none"
    )
    evaluations: int = knob(
        "Optimiser",
        "L-BFGS: restart after so many evaluations, which count as one iteration; 0 never",
        default=0,
        ge=0,
        le=10_000_000,
    )

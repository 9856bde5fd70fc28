"""Progress as data: one record that progress bars, traces and your own loop consume."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from impasto.images import Picture
from impasto.images.spaces import ColourSpace
from impasto.run.canvas import clipped
from impasto.run.postprocess import Develop

__all__ = ["Step"]


@dataclass(frozen=True, eq=False)
class Step:
    """The run after `iteration` iterations at one scale; iteration 0 is the initial canvas there.

    `scale` is the canvas's longest side in pixels. `done` counts the iterations of all scales so
    far, of `total` planned. `loss` is the objective at the canvas, `terms` its weighted parts,
    `seconds` the time since the run started. `canvas` is (3, h, w) in `space`; None in a finished
    result's steps, which would otherwise fill the memory. `develop` makes it the picture to see.
    """

    scale: int
    iteration: int
    done: int
    total: int
    loss: float
    terms: dict[str, float]
    seconds: float
    space: ColourSpace
    canvas: Tensor | None
    develop: Develop = clipped

    def bare(self) -> Step:
        """What is remembered of it: no canvas, nor the photograph that `develop` may hold."""
        return replace(self, canvas=None, develop=clipped)

    def picture(self) -> Picture:
        """The canvas as a picture."""
        if self.canvas is None:
            raise ValueError("this step's canvas was not kept; take pictures while iterating")
        return Picture(self.develop(self.space.to_srgb(self.canvas)).float().cpu())

    def line(self) -> dict[str, float]:
        """What a trace file says of it: scale, iteration, loss, terms, seconds."""
        return {
            "scale": self.scale,
            "iteration": self.iteration,
            "loss": self.loss,
            **self.terms,
            "seconds": round(self.seconds, 4),
        }

"""An objective that makes do with less memory where it runs out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from impasto.memory import is_out_of_memory
from impasto.objective import Evaluation, Objective
from impasto.tiles import Tiling, least_tile

__all__ = ["frugal"]

Evaluate = Callable[[Tensor], Evaluation]


def frugal(objective: Objective, on_change: Callable[[Tiling], object]) -> Evaluate:
    """The objective of canvases (3, h, w), in smaller windows from the first failure on.

    A window is halved once, with a warning, and `on_change` is told; what fails after that is
    raised.
    """
    return _Frugal(objective, on_change)


class _Frugal:
    def __init__(self, objective: Objective, on_change: Callable[[Tiling], object]) -> None:
        self._objective, self._on_change, self._halved = objective, on_change, False

    def __call__(self, canvas: Tensor) -> Evaluation:
        try:
            return self._objective(canvas)
        except (MemoryError, RuntimeError) as error:
            if self._halved or not is_out_of_memory(error):
                raise
        # past the handler, whose traceback holds the failed evaluation's tensors
        self._halve(max(canvas.shape[-2:]))
        return self._objective(canvas)

    def _halve(self, longest: int) -> None:
        objective, self._halved = self._objective, True
        tile = min(objective.tiling.tile or longest, longest)
        smaller = max(tile // 2, least_tile(objective.architecture, objective.taps))
        warnings.warn(f"not enough memory; going on in windows of {smaller} px", stacklevel=2)
        self._objective = objective.retiled(replace(objective.tiling, tile=smaller, tapes=1))
        self._on_change(self._objective.tiling)

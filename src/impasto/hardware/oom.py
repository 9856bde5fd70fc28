"""An objective that makes do with less memory where it runs out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from impasto.errors import OutOfMemory
from impasto.objective import Evaluation, Objective
from impasto.objective.tiles import Tiling, least_tile

__all__ = ["frugal", "is_out_of_memory", "memory_guard"]

ValueAndGrad = Callable[[Tensor], Evaluation]


@contextmanager
def memory_guard(job: str) -> Iterator[None]:
    """Turn torch's several ways of saying that memory has run out into OutOfMemory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"not enough memory for {job}; lower --size or --history") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is one of torch's several ways of saying that memory has run out."""
    signs = ("allocate memory", "not enough memory", "bad_alloc")
    said = isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
    return said or isinstance(error, (MemoryError, torch.OutOfMemoryError))


def frugal(objective: Objective, on_change: Callable[[Tiling], object]) -> ValueAndGrad:
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

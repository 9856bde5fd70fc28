"""Out of memory: torch's errors as one, and an objective that goes on in smaller windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from impasto.errors import OutOfMemory
from impasto.objective import CanvasFunction, Evaluation, Objective
from impasto.objective.tiles import Tiling, min_tile

__all__ = ["OutOfMemoryRetry", "is_out_of_memory", "memory_guard"]

_SIGNS = (  # parts of the messages of torch and of the libraries beneath it
    "allocate memory",
    "not enough memory",
    "out of memory",  # CUDA and "MPS backend out of memory", as RuntimeError in some versions
    "bad_alloc",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
)


@contextmanager
def memory_guard(job: str) -> Iterator[None]:
    """Turn every out-of-memory error inside it into OutOfMemory, which names the job."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"not enough memory for {job}; lower size or history") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory, the computer's or a device's, has run out."""
    said = isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)
    return said or isinstance(error, (MemoryError, torch.OutOfMemoryError))


class OutOfMemoryRetry:
    """An objective of canvases (3, h, w) that halves its windows after the first failure.

    A second failure is raised.

    Args:
        objective: the objective as planned.
        prepare: makes the function that evaluates an objective, such as one that records CUDA
            graphs. It is called again for smaller windows, outside of what has failed.
        on_change: called with the new tiling.
        notify: called with one line for people.
    """

    def __init__(
        self,
        objective: Objective,
        prepare: Callable[[Objective], CanvasFunction],
        on_change: Callable[[Tiling], object],
        notify: Callable[[str], object],
    ) -> None:
        self._objective, self._prepare = objective, prepare
        self._on_change, self._notify = on_change, notify
        self._evaluate: CanvasFunction | None = prepare(objective)
        self._halved = False

    def __call__(self, canvas: Tensor) -> Evaluation:
        """The evaluation at a canvas; OutOfMemory's causes as torch raises them."""
        assert self._evaluate is not None
        try:
            return self._evaluate(canvas)
        except (MemoryError, RuntimeError) as error:
            if self._halved or not is_out_of_memory(error):
                raise
        # outside the handler, whose traceback holds the tensors of the failed evaluation
        self._evaluate = None  # nor do its graphs hold memory
        self._halve(max(canvas.shape[-2:]))
        self._evaluate = self._prepare(self._objective)
        return self._evaluate(canvas)

    def _halve(self, longest: int) -> None:
        objective, self._halved = self._objective, True
        tile = min(objective.tiling.tile or longest, longest)
        taps = objective.taps  # none if all terms look at pixels, which are not cut
        smaller = max(tile // 2, min_tile(objective.architecture, taps)) if taps else tile
        if smaller >= tile:
            raise MemoryError(f"tiles of {tile} px cannot be smaller")
        self._notify(f"not enough memory; going on in windows of {smaller} px")
        self._objective = objective.retiled(replace(objective.tiling, tile=smaller, tapes=1))
        self._on_change(self._objective.tiling)

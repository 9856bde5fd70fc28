"""An evaluation as two CUDA graphs: kernels launched at once, with no Python between them.

The measuring phase is one graph, the pullback another. The comparison between them, a few C x C
matrices, runs as it is: eigendecompositions and the like wait for the device, which no graph can
record. Each graph reads from and writes to fixed places; gradients of the comparison are copied to
theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor

from impasto.hardware.oom import is_out_of_memory
from impasto.objective import CanvasFunction, Evaluation, Objective

__all__ = ["CudaRecorder", "Recorder", "captured"]

Made = TypeVar("Made")

_WARM_UPS = 3  # cuDNN chooses its algorithms, and memory is taken, before anything is recorded


class Recorder(Protocol):
    """Records functions whose tensors keep their places."""

    def warm_up(self, function: Callable[[], object]) -> None:
        """Run a function as it will be recorded."""

    def record(self, function: Callable[[], Made]) -> tuple[Made, Callable[[], object]]:
        """Record a function: what it returned, and a function that computes it again in place.

        Functions are replayed in the order in which they were recorded. Raises RuntimeError for one
        that cannot be recorded.
        """


class CudaRecorder:
    """Records CUDA graphs that share their memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        with torch.cuda.device(device):
            self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, function: Callable[[], object]) -> None:
        """Run a function on a stream of its own."""
        aside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):
            function()
        torch.cuda.current_stream(self._device).wait_stream(aside)

    def record(self, function: Callable[[], Made]) -> tuple[Made, Callable[[], object]]:
        """Record a function as a CUDA graph."""
        graph, mode = torch.cuda.CUDAGraph(), "thread_local"
        recording = torch.cuda.graph(graph, pool=self._pool, capture_error_mode=mode)
        with torch.cuda.device(self._device), recording:
            made = function()
        return made, graph.replay


def captured(
    objective: Objective, notify: Callable[[str], object], recorder: Recorder | None = None
) -> CanvasFunction:
    """The objective of canvases (3, h, w); on CUDA recorded at the first and replayed from then on.

    All canvases have one shape. Recording takes four evaluations. Where something cannot be
    recorded, `notify` is told once, and the objective is evaluated as it is. An out-of-memory error
    is raised: the caller retries with another objective. `recorder` is for tests.
    """
    return _Captured(objective, notify, recorder)


class _Captured:
    def __init__(
        self, objective: Objective, notify: Callable[[str], object], recorder: Recorder | None
    ) -> None:
        self._objective, self._notify, self._recorder = objective, notify, recorder
        self._evaluate: CanvasFunction | None = None

    def __call__(self, canvas: Tensor) -> Evaluation:
        if self._evaluate is None:
            self._evaluate = self._recorded(canvas)
        return self._evaluate(canvas)

    def _recorded(self, canvas: Tensor) -> CanvasFunction:
        if self._recorder is None and not canvas.is_cuda:
            return self._objective
        try:
            return _Graphs(self._objective, canvas, self._recorder or CudaRecorder(canvas.device))
        except (RuntimeError, TypeError) as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).partition("\n")[0]
        self._notify(f"no CUDA graph, which costs some speed: {reason}")
        return self._objective


class _Graphs:
    """A recorded evaluation."""

    def __init__(self, objective: Objective, canvas: Tensor, recorder: Recorder) -> None:
        self._objective, self._canvas = objective, canvas.clone()
        recorder.warm_up(self._warm_up)
        self._measurement, self._measure = recorder.record(lambda: objective.measure(self._canvas))
        self._comparison = _copied(objective.compare(self._measurement))
        self._evaluation, self._pullback = recorder.record(
            lambda: objective.pullback(self._canvas, self._measurement, self._comparison)
        )

    def __call__(self, canvas: Tensor) -> Evaluation:
        self._canvas.copy_(canvas)
        self._measure()
        _copy(self._objective.compare(self._measurement), self._comparison)
        self._pullback()
        return cast("Evaluation", _copied(self._evaluation))

    def _warm_up(self) -> None:
        for _ in range(_WARM_UPS):
            self._objective(self._canvas)


def _copied(value: Any) -> Any:  # noqa: ANN401 (any structure of tensors)
    """The same structure with copies of its tensors; TypeError where it has anything else."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, (tuple, list)):
        return type(value)(_copied(part) for part in value)
    if isinstance(value, Mapping):
        return {key: _copied(part) for key, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _copied(getattr(value, f.name)) for f in fields(value)})
    raise TypeError(f"a gradient holds a {type(value).__name__}; expected tensors alone")


def _copy(source: Any, target: Any) -> None:  # noqa: ANN401
    """Copy the tensors of one structure to the places of another of the same form."""
    for new, old in zip(_tensors(source), _tensors(target), strict=True):
        old.copy_(new)


def _tensors(value: Any) -> Iterator[Tensor]:  # noqa: ANN401
    """All tensors of a structure, in a fixed order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))

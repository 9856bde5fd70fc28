"""An evaluation as CUDA graphs: kernels launched at once, with no Python between them.

Most evaluations are one graph. What waits for the device, such as an eigendecomposition, runs
between two; see `impasto.objective.graphs`. Where the comparison of statistics waits in a way that
does not say so, all of it runs between two graphs: that of the measuring phase, and the pullback's.
Each graph reads from and writes to fixed places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor

from impasto.hardware.oom import is_out_of_memory
from impasto.objective import CanvasFunction, Evaluation, Objective
from impasto.objective.graphs import leaving_by, outside_graphs

__all__ = ["CudaRecorder", "Recorder", "captured"]

T = TypeVar("T")

_WARM_UPS = 3  # cuDNN chooses its algorithms, and memory is taken, before anything is recorded


class Recorder(Protocol):
    """Records graphs of computations whose tensors keep their places."""

    def recording(self) -> AbstractContextManager[None]:
        """Around all that is computed before, between and within graphs."""

    def begin(self) -> None:
        """Record from here on."""

    def end(self) -> Callable[[], object]:
        """Record no longer: a function that computes what was recorded again, in place.

        Graphs are replayed in the order in which they were recorded. Raises RuntimeError for what
        cannot be recorded.
        """


class CudaRecorder:
    """Records CUDA graphs that share their memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graph: torch.cuda.CUDAGraph | None = None
        self._pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """On a stream of its own."""
        aside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]  # torch has no type for it
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.device(self._device), torch.cuda.stream(aside):
            try:
                yield
            finally:
                if self._graph is not None:
                    self._abandon()
        torch.cuda.current_stream(self._device).wait_stream(aside)

    def begin(self) -> None:
        """Begin a CUDA graph."""
        self._graph = torch.cuda.CUDAGraph()
        self._graph.capture_begin(self._pool, "thread_local")

    def end(self) -> Callable[[], object]:
        """End it."""
        assert self._graph is not None
        self._graph.capture_end()
        graph, self._graph = self._graph, None
        return graph.replay

    def _abandon(self) -> None:
        """End a graph of the current device that cannot be recorded, and what torch leaves behind.

        The stream, the allocation of memory to the pool, and the device's generator of random
        numbers, which others use.
        """
        assert self._graph is not None
        with suppress(RuntimeError):
            self._graph.capture_end()
        with suppress(AttributeError, RuntimeError):
            torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), self._pool)
        self._pool = torch.cuda.graph_pool_handle()
        generator = torch.cuda.default_generators[torch.cuda.current_device()]
        with suppress(AttributeError, RuntimeError):
            generator.graphsafe_set_state(generator.clone_state().graphsafe_get_state())
        self._graph = None


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
        with suppress(_Unrecordable):
            return self._graphs(self._objective, canvas)
        try:
            return self._graphs(self._comparing_outside, canvas)
        except _Unrecordable as error:
            self._notify(f"no CUDA graph, which costs some speed: {error}")
        return self._objective

    def _graphs(self, evaluate: CanvasFunction, canvas: Tensor) -> CanvasFunction:
        """The function recorded, at canvases like this one; out-of-memory errors pass."""
        try:
            return _Graphs(evaluate, canvas, self._recorder or CudaRecorder(canvas.device))
        except (RuntimeError, TypeError) as error:
            if is_out_of_memory(error):
                raise
            raise _Unrecordable(str(error).partition("\n")[0]) from None

    def _comparing_outside(self, canvas: Tensor) -> Evaluation:
        """The objective, its comparison outside of graphs."""
        measurement = self._objective.measure(canvas)
        comparison = outside_graphs(lambda: _copied(self._objective.compare(measurement)))
        return self._objective.pullback(canvas, measurement, comparison)


class _Unrecordable(Exception):
    """Some operation cannot be in a graph; one line says why."""


class _Graphs:
    """A recorded function of canvases: graphs, and what runs between them."""

    def __init__(self, evaluate: CanvasFunction, canvas: Tensor, recorder: Recorder) -> None:
        self._canvas, self._recorder = canvas.clone(), recorder
        self._steps: list[Callable[[], object]] = []
        with recorder.recording():
            for _ in range(_WARM_UPS):
                evaluate(self._canvas)
            recorder.begin()
            with leaving_by(self._leave):
                self._evaluation = evaluate(self._canvas)
            self._steps.append(recorder.end())

    def __call__(self, canvas: Tensor) -> Evaluation:
        self._canvas.copy_(canvas)
        for step in self._steps:
            step()
        return cast("Evaluation", _copied(self._evaluation))

    def _leave(self, function: Callable[[], T]) -> T:
        """End the graph, compute what it only recorded, call the function, begin the next graph."""
        replay = self._recorder.end()
        replay()
        with leaving_by(None):
            made = function()
        self._steps += [replay, lambda: _copy(function(), made)]
        self._recorder.begin()
        return made


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


def _copy(source: Any, target: Any) -> None:  # noqa: ANN401 (any structure of tensors)
    """Copy the tensors of one structure to the places of another of the same form."""
    for new, old in zip(_tensors(source), _tensors(target), strict=True):
        old.copy_(new)


def _tensors(value: Any) -> Iterator[Tensor]:  # noqa: ANN401 (any structure of tensors)
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

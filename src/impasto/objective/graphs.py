"""Computations that no CUDA graph can contain, because the host waits for their results.

A recorded evaluation is graphs with these computations between them; `impasto.hardware.cuda_graph`
records it. Where nothing is being recorded, they are plain calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

__all__ = ["Leave", "leaving_by", "outside_graphs"]

Made = TypeVar("Made")


class Leave(Protocol):
    """Ends a graph, calls a function, and begins the next graph."""

    def __call__(self, function: Callable[[], Any]) -> Any:  # noqa: ANN401 (whatever the function returns)
        """What the function returns, which stays in its place when the graphs are replayed."""


_leave: ContextVar[Leave | None] = ContextVar("leave", default=None)


def outside_graphs(function: Callable[[], Made]) -> Made:
    """What `function` returns, tensors or a structure of them.

    While an evaluation is recorded, `function` runs between two graphs, now and at each replay. It
    finds the tensors that it reads in the same places, with new values.
    """
    leave = _leave.get()
    if leave is None:
        return function()
    made: Made = leave(function)
    return made


@contextmanager
def leaving_by(leave: Leave | None) -> Iterator[None]:
    """In this thread, how `outside_graphs` leaves the graph that is recorded; None: none is."""
    token = _leave.set(leave)
    try:
        yield
    finally:
        _leave.reset(token)

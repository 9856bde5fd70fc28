"""A session as a program runs it: with the allocator of the whole process tuned to each stage."""

from __future__ import annotations

from impasto.hardware.allocator import tuned_malloc
from impasto.outputs.request import Request
from impasto.outputs.session import Outcome, Show, Stop, paint
from impasto.run import Run
from impasto.run.events import Event

__all__ = ["paint_tuned"]


def paint_tuned(run: Run, request: Request, show: Show, stop: Stop | None = None) -> Outcome:
    """`impasto.outputs.session.paint`, with `tuned_malloc` around it."""
    with tuned_malloc() as tune:

        def follow(event: Event) -> None:
            tune(event)
            show(event)

        return paint(run, request, follow, stop)

"""Torch's state while a run computes: its number of threads, and nothing of what surrounds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from impasto.images.precision import neutral
from impasto.objective.threads import threads as _threads

__all__ = ["computing"]


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """In this Python thread, torch's `neutral` state and this number of CPU threads.

    The rest of the process keeps its own state: another thread may compute with another number of
    threads at the same time, and the results are those of each alone.

    Torch keeps its pool of threads after the block. A child made by `fork` inherits the pool
    without its threads and waits for them for ever; start children by `spawn` or `forkserver`.
    """
    with neutral(), _threads(threads):
        yield

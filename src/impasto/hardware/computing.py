"""Torch's state while a run computes: its number of threads, and nothing of what surrounds it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from impasto.images.precision import neutral

__all__ = ["computing", "neutral"]

T = TypeVar("T")

_lock = threading.Lock()


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


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch's number of threads in this thread alone."""
    with _lock:  # a thread's first call also fixes its number, to the default
        before = torch.get_num_threads()
    if before == count:
        yield
        return
    _set_threads(count)
    try:
        yield
    finally:
        _set_threads(before)


def _set_threads(count: int) -> None:
    """Set this thread's number, and leave the default of new threads as it is.

    `torch.set_num_threads` sets both. A fresh thread has the default, and setting its number to
    that puts the default back.
    """
    with _lock:
        default = _in_new_thread(torch.get_num_threads)
        torch.set_num_threads(count)
        _in_new_thread(lambda: torch.set_num_threads(default))


def _in_new_thread(action: Callable[[], T]) -> T:
    """What `action` returns when a fresh thread calls it."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(action()))
    thread.start()
    thread.join()
    return results[0]

"""Torch's number of threads, and small computations side by side, each on one thread.

A matrix of a few hundred rows is not worth a second thread: the two wait for each other, and where
another program keeps a core busy, for many milliseconds.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

import torch

from impasto.images.precision import neutral

__all__ = ["side_by_side", "threads"]

T = TypeVar("T")

_lock = threading.Lock()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch's number of threads in this Python thread alone."""
    before = _begin(count)
    if before == count:
        yield
        return
    try:
        yield
    finally:
        _set_threads(before)


def side_by_side(tasks: Sequence[Callable[[], T]], device: torch.device) -> list[T]:
    """The results of tasks on a device, in their order.

    On a CPU as many go on at once as torch has threads here, each on one: the results do not depend
    on that number. Other devices get one after another. Raises what the first task that fails does.
    """
    count = torch.get_num_threads() if device.type == "cpu" else 1
    if count == 1 or len(tasks) < 2:
        return [task() for task in tasks]
    return list(_workers(count).map(_neutrally, tasks))


def _neutrally(task: Callable[[], T]) -> T:
    with neutral():  # which belongs to a thread
        return task()


@lru_cache(maxsize=2)
def _workers(count: int) -> ThreadPoolExecutor:
    """Threads that wait for tasks, kept from one evaluation to the next."""
    return ThreadPoolExecutor(count, "impasto", initializer=_begin, initargs=(1,))


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_workers.cache_clear)


def _begin(count: int) -> int:
    """Set this thread's number; the one before."""
    with _lock:  # a thread's first call also fixes its number, to the default
        before = torch.get_num_threads()
    if before != count:
        _set_threads(count)
    return before


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

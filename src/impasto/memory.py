"""Memory that runs out, as one clear error; memory that is used again, kept."""

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch

from impasto.errors import OutOfMemory

__all__ = ["is_out_of_memory", "kept_memory", "memory_guard"]

_MOST_PIXELS = 2**20

# of glibc's malloc.h, by the names M_MMAP_MAX, M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
_DURING_RUNS = ((-4, 0), (-1, 2**31 - 1))
_BETWEEN_RUNS = ((-4, 65536), (-1, 2**26), (-3, 2**25))  # where glibc's own adaptation would end

_running = 0
_lock = threading.Lock()


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


@contextmanager
def kept_memory(pixels: int) -> Iterator[None]:
    """Keep what one iteration frees for the next; give it back to the system at the end.

    glibc returns every large block at once and is given it again page by page, each cleared: an
    eighth of a run's time on a CPU. What it keeps has gaps, though, two thirds more in all: with a
    canvas of more `pixels` than a million memory counts for more. Other C libraries are left as
    they are. This concerns the whole process; of several runs at once the last to end gives back.
    """
    if pixels > _MOST_PIXELS:
        yield
        return
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def _count(change: int) -> None:
    """Note that a run begins or ends; the first and the last change how memory is kept."""
    global _running
    set_parameter, trim = _glibc()
    with _lock:
        before, _running = _running, _running + change
        if before == 0:
            for parameter, value in _DURING_RUNS:
                set_parameter(parameter, value)
        elif _running == 0:
            for parameter, value in _BETWEEN_RUNS:
                set_parameter(parameter, value)
            trim(0)


def _glibc() -> tuple[Callable[[int, int], object], Callable[[int], object]]:
    """Its `mallopt` and `malloc_trim`; functions that do nothing where there is no glibc."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        with suppress(AttributeError):
            return library.mallopt, library.malloc_trim
    return (lambda _parameter, _value: None), (lambda _pad: None)

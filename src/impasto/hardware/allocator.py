"""glibc's allocator, tuned while a run lasts: memory that is used again is kept."""

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

__all__ = ["tuned_memory"]

_MOST_PIXELS = 2**20

# of glibc's malloc.h, by the names M_MMAP_MAX, M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
_NORMAL = ((-4, 65536), (-1, 2**26), (-3, 2**25))  # where glibc's own adaptation would end
_KEEPING = ((-4, 0), (-1, 2**31 - 1))
_RETURNING = ((-4, 65536), (-1, 2**26), (-3, 2**22))

_running = {"small": 0, "large": 0}
_lock = threading.Lock()


@contextmanager
def tuned_memory(pixels: int) -> Iterator[None]:
    """Let the allocator suit a canvas of so many `pixels`, as long as it is painted.

    glibc returns every block over 32 MB at once and is given it again page by page, each cleared:
    an eighth of a run's time on a CPU. What it keeps has gaps, though, two thirds more in all. Up
    to a million pixels time counts for more: what one iteration frees is kept for the next. Above,
    memory does: blocks over 4 MB are returned, and what a run takes can be foretold.

    Other C libraries are left as they are. This concerns the whole process: of several runs at once
    a large one decides, and the last to end gives all back.
    """
    kind = "small" if pixels <= _MOST_PIXELS else "large"
    _count(kind, 1)
    try:
        yield
    finally:
        _count(kind, -1)


def _count(kind: str, change: int) -> None:
    """Note that a run begins or ends, and set glibc to what suits those that go on."""
    set_parameter, trim = _glibc()
    with _lock:
        before = _suitable()
        _running[kind] += change
        if _suitable() != before:
            for parameter, value in _suitable():
                set_parameter(parameter, value)
        if not any(_running.values()):
            trim(0)


def _suitable() -> tuple[tuple[int, int], ...]:
    """Glibc's parameters for the runs that go on."""
    if _running["large"]:
        return _RETURNING
    return _KEEPING if _running["small"] else _NORMAL


def _glibc() -> tuple[Callable[[int, int], object], Callable[[int], object]]:
    """Its `mallopt` and `malloc_trim`; functions that do nothing where there is no glibc."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        with suppress(AttributeError):
            return library.mallopt, library.malloc_trim
    return (lambda _parameter, _value: None), (lambda _pad: None)

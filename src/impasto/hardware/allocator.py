"""glibc's allocator, tuned by an application while it paints: memory that is used again is kept."""

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from impasto.settings.schedule import Stage

__all__ = ["tuned_malloc"]

_MAX_PIXELS = 2**20  # up to which what is freed is kept

# parameters of glibc's malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
_NORMAL = ((-4, 65536), (-1, 2**26), (-3, 2**25))  # glibc's own adaptation ends here
_KEEPING = ((-4, 0), (-1, 2**31 - 1))
_RETURNING = ((-4, 65536), (-1, 2**26), (-3, 2**22))

_running = {"small": 0, "large": 0}
_lock = threading.Lock()


@contextmanager
def tuned_malloc(size: tuple[int, int] | None = None) -> Iterator[Callable[[object], None]]:
    """Let the allocator suit the canvas that is painted: of `size` (w, h), pixels, or of a run.

    Call the function that it gives with each event of a run: a Stage has the size that counts from
    there on.

    glibc returns every block over 32 MB to the system at once, and is given it again page by page,
    each cleared: an eighth of a run's time on a CPU. What it keeps has gaps, which take two thirds
    more memory. Up to a million pixels speed matters more: what one iteration frees is kept for the
    next. Above, memory does: what small canvases left and blocks over 4 MB are returned, so that
    the memory of a run can be predicted.

    This concerns the whole process, so that it is for applications: the library never calls it. Of
    several runs at once a large one decides. The last to end returns all free memory and sets
    glibc's parameters to the values that its own adaptation reaches; that adaptation itself stays
    off. Other C libraries are left as they are.
    """
    kinds: list[str] = []

    def suit(event: object) -> None:
        if isinstance(event, Stage):
            change(event.size)

    def change(size: tuple[int, int]) -> None:
        kinds.append("small" if size[0] * size[1] <= _MAX_PIXELS else "large")
        _count(begun=kinds[-1], ended=kinds.pop(0) if len(kinds) > 1 else None)

    try:
        if size:
            change(size)
        yield suit
    finally:
        if kinds:
            _count(ended=kinds.pop())


def _count(*, begun: str | None = None, ended: str | None = None) -> None:
    """Note that a canvas begins or ends, and set glibc to what suits those that remain."""
    set_parameter, trim = _glibc()
    with _lock:
        before = _suitable()
        for kind, change in ((begun, 1), (ended, -1)):
            if kind:
                _running[kind] += change
        if _suitable() != before:
            for parameter, value in _suitable():
                set_parameter(parameter, value)
        if not _running["small"]:  # what small canvases kept
            trim(0)


def _suitable() -> tuple[tuple[int, int], ...]:
    """Glibc's parameters for the canvases that are painted now."""
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

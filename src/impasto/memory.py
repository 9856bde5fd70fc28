"""Memory that runs out, as one clear error; memory that is used again, kept."""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch

from impasto.errors import OutOfMemory

__all__ = ["kept_memory", "memory_guard"]

_MOST_PIXELS = 2**20

# of glibc's malloc.h: name of a parameter, its value during a run, its value by default
_PARAMETERS = ((-4, 0, 65536), (-1, 2**31 - 1, 128 * 1024))  # M_MMAP_MAX, M_TRIM_THRESHOLD


@contextmanager
def memory_guard(job: str) -> Iterator[None]:
    """Turn torch's several ways of saying that memory has run out into OutOfMemory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not any(
            sign in str(error) for sign in ("allocate memory", "not enough memory", "bad_alloc")
        ):
            raise
        raise OutOfMemory(f"not enough memory for {job}; lower --size or --history") from error


@contextmanager
def kept_memory(pixels: int) -> Iterator[None]:
    """Keep what one iteration frees for the next; give it back to the system at the end.

    glibc returns every large block at once and is given it again page by page, each cleared: an
    eighth of a run's time on a CPU. What it keeps has gaps, though, two thirds more in all: with a
    canvas of more `pixels` than a million memory counts for more. Other C libraries are left as
    they are.
    """
    if pixels > _MOST_PIXELS:
        yield
        return
    set_parameter, trim = _glibc()
    for parameter, during, _ in _PARAMETERS:
        set_parameter(parameter, during)
    try:
        yield
    finally:
        for parameter, _, default in _PARAMETERS:
            set_parameter(parameter, default)
        trim(0)


def _glibc() -> tuple[Callable[[int, int], object], Callable[[int], object]]:
    """Its `mallopt` and `malloc_trim`; functions that do nothing where there is no glibc."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        with suppress(AttributeError):
            return library.mallopt, library.malloc_trim
    return (lambda _parameter, _value: None), (lambda _pad: None)

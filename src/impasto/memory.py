"""Memory that runs out, as one clear error."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from impasto.errors import OutOfMemory

__all__ = ["memory_guard"]


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

"""Files and bytes opened for reading, whatever a caller names."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from impasto.errors import ImageError, shown
from impasto.images.held import Encoded

__all__ = ["called", "opened"]


def called(source: str | os.PathLike[str] | Encoded) -> str:
    """What an error calls a file or bytes."""
    return source.name if isinstance(source, Encoded) else shown(source)


@contextmanager
def opened(source: str | os.PathLike[str] | Encoded) -> Iterator[io.BufferedReader]:
    """Open a regular file, or bytes, that hold something.

    Raises ImageError for what cannot be read, and for a pipe, whose opening would wait for its
    other end.
    """
    if isinstance(source, Encoded):
        if not source.data:
            raise ImageError(f"{source.name}: empty (0 bytes); expected an image file")
        raw: Any = io.BytesIO(source.data)
        yield io.BufferedReader(raw)
        return
    with _file(source) as stream:
        yield stream


def _file(path: str | os.PathLike[str]) -> io.BufferedReader:
    name = shown(path)
    try:
        found = Path(os.fsdecode(path)).stat()
        if stat.S_ISDIR(found.st_mode):
            raise ImageError(f"{name}: a folder; expected an image file")
        if not stat.S_ISREG(found.st_mode):
            raise ImageError(f"{name}: a pipe or device; expected an image file")
        if found.st_size == 0:
            raise ImageError(f"{name}: empty (0 bytes); expected an image file")
        return Path(os.fsdecode(path)).open("rb")
    except OSError as error:
        raise ImageError(f"{name}: {error.strerror}; expected a readable image file") from error
    except ValueError as error:  # a NUL in the path
        raise ImageError(f"{name}: {error}; expected the path of an image file") from error

"""Small files of JSON in a folder that many processes share, on any file system.

A process that is killed may leave a hidden draft. Drafts are not searched for, because the folder
may have very many files; they are removed with it.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ATTEMPTS", "PAUSE", "create", "read", "read_whole", "replace"]

ATTEMPTS = 100  # while another process may be at it
PAUSE = 0.05  # seconds between them
LONGEST = 2**24  # bytes; a longer one is not ours


def create(path: Path, values: Mapping[str, Any]) -> bool:
    """Create a file that holds `values`; whether there was none before. Raises OSError.

    It has its whole content when it appears, as a hard link of a file that only we know; where the
    file system has no links, it is created exclusively and then filled.
    """
    text = json.dumps(values)
    with _drafted(path, text) as draft:
        try:
            os.link(draft, path)
        except FileExistsError:
            return draft.stat().st_nlink == 2  # ours, if the server's first answer was lost
        except OSError:
            return _create_and_fill(path, text)
    return True


def replace(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file that holds `values`, on the disk when this returns. Raises OSError.

    Others see the whole file, or what was there before.
    """
    with _drafted(path, json.dumps(values)) as draft:
        draft.replace(path)


def read(path: Path, longest: int = LONGEST) -> dict[str, Any] | None:
    """The object that a file holds; None where there is none, whoever wrote it."""
    try:
        # O_NONBLOCK: opening a pipe would wait for its other end
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            values = json.loads(file.read(longest))
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def read_whole(path: Path) -> dict[str, Any] | None:
    """The same, once the file is whole, which a process that has just created it may be filling.

    None where there is no file, and where it still holds no object after seconds.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        values = read(path)
        if values is not None or not os.path.lexists(path):
            return values
    return None


@contextmanager
def _drafted(path: Path, text: str) -> Iterator[Path]:
    """A file that holds `text` beside `path`, as long as the block lasts."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _create_and_fill(path: Path, text: str) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True

"""A file of JSON lines: one object each, appended as a whole, read as far as it is whole."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from impasto.errors import OutputError, shown
from impasto.images import AtomicFile

__all__ = ["Lines", "as_line", "objects_in"]

LONGEST = 1_000_000  # bytes of a line; a longer one is not ours


class Lines:
    """A file of JSON objects, one a line, to which any number of processes may append.

    Args:
        path: the file; it need not exist.
        use: what it is needed for and what to change, which ends the messages of errors.
    """

    def __init__(self, path: Path, use: str) -> None:
        self.path, self._use = path, use

    def append(self, values: Mapping[str, Any]) -> None:
        """Add a line, on the disk when this returns; OutputError where that fails.

        It is one write, and it starts a new line behind one that was broken off.
        """
        line = as_line(values)
        with self._opened("a+b") as file:
            line = line if _ends_whole(file) else b"\n" + line
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())

    def touch(self) -> None:
        """Make the file if there is none; OutputError where that fails."""
        with self._opened("ab"):
            pass

    def flush(self) -> None:
        """Nothing waits to be written; see `StoredLines`."""

    def rewrite(
        self, records: Iterable[Mapping[str, Any]], check: Callable[[], object] = lambda: None
    ) -> None:
        """Replace the file by one with these objects, as a whole; OutputError where that fails.

        What `check` raises, once all is written and before it takes the file's place, prevents it.
        """
        with AtomicFile(self.path) as draft:
            with draft.open("wb") as file:
                file.writelines(map(as_line, records))
            check()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The objects in the order of their lines; lines that hold none are passed over.

        Raises OutputError where the file cannot be read.
        """
        if not os.path.lexists(self.path):
            return
        with self._opened("rb") as file:
            yield from objects_in(iter(lambda: file.readline(LONGEST), b""))

    @contextmanager
    def _opened(self, mode: str) -> Iterator[BinaryIO]:
        """The file, unbuffered for writing; OSError becomes OutputError."""
        name = shown(self.path)
        try:
            if self.path.exists() and not self.path.is_file():
                raise OutputError(f"{name}: is not a file; move it, or choose another --output")
            with self.path.open(mode, buffering=0 if "a" in mode else -1) as file:
                yield cast(BinaryIO, file)
        except OSError as error:
            raise OutputError(f"{name}: {error.strerror}; {self._use}") from error


def as_line(values: Mapping[str, Any]) -> bytes:
    """An object as a line of JSON."""
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def objects_in(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of these lines; those that hold none are passed over."""
    for line in lines:
        if (values := _parsed(line)) is not None:
            yield values


def _ends_whole(file: BinaryIO) -> bool:
    """Whether the next byte begins a line."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1))
    return file.read(1) in (b"", b"\n")


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The object that a line holds; None for anything else, whoever wrote it."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None

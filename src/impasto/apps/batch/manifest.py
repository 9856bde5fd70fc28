"""The record of a batch: a line for each pair that was begun, however it ended."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, cast

from impasto.errors import OutputError, shown

__all__ = ["Entry", "Manifest"]

LONGEST = 1_000_000  # bytes of a line; a longer one is not ours


@dataclass(frozen=True)
class Entry:
    """How a pair ended: a line of the manifest.

    Attributes:
        index: the pair's number, from 0.
        content, style: its files as they were given.
        output: the result's name within the output folder, with "/".
        content_sha256, style_sha256: checksums; None where a file could not be read.
        status: "done", "failed", or "skipped" for a pair that was done before, which no manifest
            holds.
        settings: the fields of Settings.
        started: when painting began, ISO 8601 in UTC.
        seconds: how long it took.
        iterations, loss, terms: of the canvas that became the picture; None if the pair failed.
        error: why it failed, in one line.
        inputs: checksums of the files that all pairs share, such as masks, by role.
        raised: the error that ends the whole batch; in no manifest.
    """

    index: int
    content: str
    style: str
    output: str
    content_sha256: str | None
    style_sha256: str | None
    status: str
    settings: Mapping[str, Any]
    started: str
    seconds: float
    iterations: int | None = None
    loss: float | None = None
    terms: Mapping[str, float] | None = None
    error: str | None = None
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    raised: BaseException | None = field(default=None, compare=False, repr=False)

    def line(self) -> dict[str, Any]:
        """Plain values by name, as in the manifest."""
        return {name: value for name, value in vars(self).items() if name != "raised"}


_FIELDS = tuple(entry.name for entry in fields(Entry) if entry.name != "raised")


class Manifest:
    """A file of JSON lines, to which any number of processes may append."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Entry) -> None:
        """Add a line, on the disk when this returns; OutputError where that fails.

        It is one write, and it starts a new line behind one that was broken off.
        """
        line = json.dumps(entry.line(), separators=(",", ":")).encode() + b"\n"
        with self._opened("a+b") as file:
            line = line if _ends_whole(file) else b"\n" + line
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())

    def latest(self) -> dict[str, Entry]:
        """The last entry of each output; lines that are no entries are ignored."""
        if not os.path.lexists(self.path):
            return {}
        with self._opened("rb") as file:
            lines = iter(lambda: file.readline(LONGEST), b"")
            return {entry.output: entry for entry in map(_parsed, lines) if entry}

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
            raise OutputError(
                f"{name}: {error.strerror}; a batch must read it, and add a line for each pair"
            ) from error


def _ends_whole(file: BinaryIO) -> bool:
    """Whether the next byte begins a line."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1))
    return file.read(1) in (b"", b"\n")


def _parsed(line: bytes) -> Entry | None:
    """The entry that a line holds; None for anything else, whoever wrote it."""
    try:
        record = json.loads(line)
        known = {name: record[name] for name in _FIELDS if name in record}
        entry = Entry(**known)
    except (ValueError, TypeError, RecursionError):
        return None
    return entry if isinstance(entry.output, str) else None

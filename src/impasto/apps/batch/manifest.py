"""The record of a batch: a line for each pair that was begun, whatever became of it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, cast

from impasto.errors import OutputError, shown

__all__ = ["Entry", "Manifest"]

LONGEST = 1_000_000  # bytes of a line; a longer one is not ours


@dataclass(frozen=True)
class Entry:
    """What became of a pair.

    `index` is its number from 0 on; `content` and `style` are its files as given; `output` is the
    result's name within the output folder, with "/". The checksums are None where a file could not
    be read. `status` is "done" or "failed"; a pair that was done before is "skipped", which no
    manifest holds. `settings` are the fields of Settings. `started` is in ISO 8601, UTC; `seconds`
    is how long it took. What is done has the number of `iterations` run, and the `loss` of the
    canvas that became the picture with its weighted `terms`; what failed has an `error`.
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

    def line(self) -> dict[str, Any]:
        """Plain values by name, as in the manifest."""
        return asdict(self)


class Manifest:
    """A file of JSON lines, which any number of processes may append to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Entry) -> None:
        """Add a line, to stay whatever happens next; OutputError where that fails.

        It goes in one write, and starts anew behind a line that was broken off.
        """
        line = json.dumps(entry.line(), separators=(",", ":")).encode() + b"\n"
        with self._opened("a+b") as file:
            line = line if _ends_whole(file) else b"\n" + line
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())

    def latest(self) -> dict[str, Entry]:
        """The last entry of each output; lines that are none are passed over."""
        if not os.path.lexists(self.path):
            return {}
        with self._opened("rb") as file:
            lines = iter(lambda: file.readline(LONGEST), b"")
            return {entry.output: entry for entry in map(_parsed, lines) if entry}

    @contextmanager
    def _opened(self, mode: str) -> Iterator[BinaryIO]:
        """The file, unbuffered where it is written to; OSError becomes OutputError."""
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
        entry = Entry(**{field.name: record[field.name] for field in fields(Entry)})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return entry if isinstance(entry.output, str) else None

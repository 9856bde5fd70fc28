"""Lines about painted frames: what each says, and those of all processes read together.

    work/
      frames.jsonl             by processes that paint alone
      shared/
        120-180.0.jsonl        by the process that had this lease of frames 120 to 179

Each process that shares a film appends to files of its own, so nothing relies on appending from
several machines.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from impasto.apps.lines import Lines

__all__ = ["MANIFEST", "SHARED", "Entry", "Kind", "Manifests", "manifest"]

MANIFEST, SHARED = "frames.jsonl", "shared"

Kind = Literal["first", "held", "between"]

_OF_A_LEASE = re.compile(r"(\d{1,9})-(\d{1,9})\.(\d{1,9})\.jsonl")  # first, end, lease


@dataclass(frozen=True)
class Entry:
    """How a frame was painted: a line of a manifest.

    Attributes:
        index: the frame's number, from 0.
        time: when it is shown, seconds from the clip's first frame.
        sha256: checksum of its file.
        kind: how it was made: "first" of its shot, a still; "held" by frames painted before; or
            filled in "between" two that are painted.
        shot: number of its shot, from 0.
        iterations, loss: of the canvas that became the frame; the loss is None without iterations.
        e_warp: mean squared difference from the warped frame that was painted before it, of
            reliable pixels, in levels from 0 to 1; None for the first frame of a shot.
        reliable: the part of its pixels that the flow explains, from 0 to 1; None likewise.
        seconds: how long it took.
        notes: one line each.
    """

    index: int
    time: float
    sha256: str
    kind: Kind = "held"
    shot: int = 0
    iterations: int = 0
    loss: float | None = None
    e_warp: float | None = None
    reliable: float | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Entry | None:
        """The entry that a line holds; None for anything else, whoever wrote it."""
        try:
            entry = cls(**{name: values[name] for name in _FIELDS if name in values})
            notes = tuple(map(str, entry.notes))
        except TypeError:
            return None
        whole = type(entry.index) is int and entry.index >= 0 and isinstance(entry.sha256, str)
        return cls(**{**asdict(entry), "notes": notes}) if whole else None


_FIELDS = tuple(field.name for field in fields(Entry))


class Manifests:
    """All manifests of a work folder; each is read again only when it has grown."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[int, list[Entry]]] = {}

    def lines(self, span: range | None) -> dict[int, list[Entry]]:
        """The entries of each frame, the latest last; of files with frames of `span`, or of all.

        Raises OutputError where a file cannot be read.
        """
        found: dict[int, list[Entry]] = {}
        for path in [self._folder / MANIFEST, *self._of_leases(span)]:
            for entry in self._entries(path):
                found.setdefault(entry.index, []).append(entry)
        return found

    def _of_leases(self, span: range | None) -> list[Path]:
        """The manifests of leases, by frames and then by the leases' numbers."""
        folder = self._folder / SHARED
        names = list[str]()
        with suppress(FileNotFoundError, NotADirectoryError):
            names = os.listdir(folder)  # noqa: PTH208 (names alone are asked for)
        found = []
        for match in filter(None, map(_OF_A_LEASE.fullmatch, names)):
            first, end, lease = map(int, match.groups())
            if span is None or (first < span.stop and span.start < end):
                found.append((first, end, lease, folder / match[0]))
        return [path for *_, path in sorted(found)]

    def _entries(self, path: Path) -> list[Entry]:
        size, known = _size(path), self._read.get(path)
        if known is None or known[0] != size:
            entries = list(filter(None, map(Entry.of, manifest(path))))
            known = self._read[path] = size, entries
        return known[1]


def manifest(path: Path) -> Lines:
    """A file of such lines; it need not exist."""
    return Lines(path, "a film must read it, and add a line for each frame")


def _size(path: Path) -> int:
    """Bytes of a file, -1 if there is none; to open it brings that up to date on a network."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size
    except OSError:
        return -1

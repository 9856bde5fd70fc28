"""Where the shots of a whole clip begin, as a small file that processes which share a film read.

A clip is read once for that, and the file grows while it is, so that the first shots are painted
meanwhile. What is found depends on the clip and on the size of the film, which a work folder has as
well, so the file is valid as long as its folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from impasto.apps.film.shots import Note, shots
from impasto.apps.small_files import read
from impasto.images import AtomicFile

__all__ = ["Cuts", "Part"]

_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Part:
    """A shot as far as it is to be painted, which one process paints at a time.

    Attributes:
        number: the shot's in the whole clip, from 0.
        frames: the numbers of its frames; the first of them begins it.
        notes: what else there is to say of frames, by their numbers.
    """

    number: int
    frames: range
    notes: Mapping[int, Note] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """That of its lease."""
        return f"{self.frames.start}-{self.frames.stop}"


@dataclass(frozen=True)
class Cuts:
    """The shots of a clip, as far as they are known.

    Attributes:
        whose: plain values of the clip and the film that they are of.
        starts: the first frame of each, in order; that of the first shot is 0.
        notes: what else there is to say of frames, by their numbers.
        whole: whether the last of them is the clip's last; else nobody knows yet where it ends.
    """

    whose: Mapping[str, Any]
    starts: tuple[int, ...] = ()
    notes: Mapping[int, Note] = field(default_factory=dict)
    whole: bool = False

    @classmethod
    def found(cls, frames: Iterable[np.ndarray], whose: Mapping[str, Any]) -> Iterator[Cuts]:
        """Of all frames (h, w, 3) at the film's size, uint8 or uint16, in order.

        As each shot begins, those so far; in the end the whole.
        """
        starts, notes = list[int](), dict[int, Note]()
        for seen in shots(frames):
            if seen.begins:
                starts.append(seen.index)
                yield cls(whose, tuple(starts), {**notes})
            if seen.note:
                notes[seen.index] = seen.note
        yield cls(whose, tuple(starts), notes, whole=True)

    @classmethod
    def read(cls, path: Path, whose: Mapping[str, Any]) -> Cuts:
        """Those that a file holds, whoever wrote it; none where it is not of this clip."""
        values = read(path) or {}
        starts, notes = values.get("starts"), values.get("notes")
        if values.get("whose") != whose or not isinstance(starts, list):
            return cls(whose)
        numbers = all(type(start) is int for start in starts)
        if not numbers or starts[:1] != [0] or any(a >= b for a, b in pairwise(starts)):
            return cls(whose)
        said = notes.items() if isinstance(notes, dict) else ()
        known = {
            int(index): cast(Note, note)
            for index, note in said
            if _NUMBER.fullmatch(index) and note in get_args(Note)
        }
        return cls(whose, tuple(starts), known, values.get("whole") is True)

    def write(self, path: Path) -> None:
        """Write them to a file, as a whole; OutputError where that fails."""
        with AtomicFile(path) as file:
            file.write_text(json.dumps(asdict(self)))

    def parts(self, span: range) -> list[Part]:
        """The shots that have frames in `span`, cut to it, and whose end is known."""
        bounds = [*self.starts, *([span.stop] if self.whole else [])]
        found = []
        for number, (start, end) in enumerate(pairwise(bounds)):
            frames = range(max(start, span.start), min(end, span.stop))
            notes = {index: note for index, note in self.notes.items() if index in frames}
            if frames:
                found.append(Part(number, frames, notes))
        return found

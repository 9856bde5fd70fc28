"""What a film tells while it is painted: plain, picklable events."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from impasto.apps.film.entries import Entry
from impasto.images import Picture, fit, read
from impasto.run.events import Notice

__all__ = ["FilmEvent", "FrameDone", "Shot"]


@dataclass(frozen=True)
class Shot:
    """A shot begins: its number and its first frame, from 0."""

    number: int
    first: int

    def line(self) -> dict[str, object]:
        """Plain values by name."""
        return {"shot": self.number, "first": self.first}


@dataclass(frozen=True)
class FrameDone:
    """A frame is in the work folder, as `file`; `done` of `total` frames are."""

    entry: Entry
    done: int
    total: int
    file: Path

    def picture(self) -> Picture:
        """The painted frame, sRGB at 16 bits; ImageError when its file is there no more."""
        return read(self.file)

    def preview(self, longest: int) -> Picture:
        """The painted frame at no more than `longest` px a side."""
        picture = self.picture()
        return fit(picture, longest) if longest < max(picture.size) else picture

    def line(self) -> dict[str, object]:
        """Plain values by name."""
        return {**asdict(self.entry), "done": self.done, "total": self.total}


FilmEvent = Shot | FrameDone | Notice

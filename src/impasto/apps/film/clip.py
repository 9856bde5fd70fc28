"""Clips to frames: video files, animations and folders of pictures, upright and in sRGB.

clip = Clip.open("clip.mp4")
clip.size, clip.count, clip.notes
for frame in clip.frames(100, 200):
    frame.pixels
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from impasto.apps.film.footage import Audio, Footage, Reading
from impasto.apps.film.pictures import ANIMATIONS, open_animation, open_folder
from impasto.errors import ImageError, SettingsError, shown
from impasto.images import MAX_PIXELS, file_checksum, pictures_in

__all__ = ["Audio", "Clip", "Frame"]

FPS = Fraction(25)  # of folders, where none are given
EXPECTED = "expected a video, an animation or a folder of pictures"


@dataclass(frozen=True)
class Frame:
    """A frame as it is shown.

    Attributes:
        index: its number in the clip, from 0.
        pts: when it begins, in units of the clip's `time_base` from the first frame.
        seconds, duration: when it begins and how long it is shown, seconds.
        pixels: (h, w, 3) uint8 or uint16, sRGB.
        notes: why it is another frame's picture; empty for a frame that could be decoded.
    """

    index: int
    pts: int
    seconds: float
    duration: float
    pixels: np.ndarray
    notes: tuple[str, ...] = ()


class Clip:
    """A clip that was opened; it keeps no file open and no frame in memory.

    Attributes:
        path: the file or folder.
        facts: all that `Footage` says; the properties are the most used of it.
    """

    def __init__(self, path: Path, facts: Footage) -> None:
        self.path, self.facts = path, facts

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str],
        fps: float | Fraction | None = None,
        max_pixels: int = MAX_PIXELS,
        *,
        ground: int = 1,
    ) -> Clip:
        """Learn what a video file, an animation or a folder of pictures holds.

        `fps` is for folders, frames a second, 25 if None. Transparent parts of pictures are shown
        over `ground`, 1 for white and 0 for black. Files are recognised by their content;
        a GIF, WebP or PNG by its ending. Nothing but the file is opened, whatever it refers to.

        Raises ImageError in one line for what is no clip, ImageTooLarge above `max_pixels` a
        frame, SettingsError for `fps` that do not fit, ExtraMissing where PyAV is not installed.
        """
        path, kind = _regular(source)
        if fps is not None and not 0 < fps <= 1000:
            raise SettingsError(f"fps is {fps}; expected more than 0, at most 1000")
        if stat.S_ISDIR(kind):
            rate = FPS if fps is None else Fraction(fps).limit_denominator(1001)
            return cls(path, open_folder(path, rate, max_pixels, ground))
        if fps is not None:
            raise SettingsError(f"fps is for folders of pictures; {shown(path)} has its own times")
        if path.suffix.lower() in ANIMATIONS:
            return cls(path, open_animation(path, max_pixels, ground))
        from impasto.apps.film.video import open_video

        return cls(path, open_video(path, max_pixels))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as shown, pixels."""
        return self.facts.size

    @property
    def bits(self) -> int:
        """8 or 16 bits a channel of `Frame.pixels`."""
        return self.facts.bits

    @property
    def count(self) -> int:
        """Number of frames; an estimate unless `facts.exact`."""
        return len(self.facts.times)

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average."""
        return self.facts.rate

    @property
    def time_base(self) -> Fraction:
        """Seconds of a unit of `Frame.pts`."""
        return self.facts.time_base

    @property
    def times(self) -> tuple[int, ...]:
        """`Frame.pts` of all frames."""
        return self.facts.times

    @property
    def end(self) -> int:
        """When the last frame ends, in units of `time_base`."""
        return self.facts.end

    @property
    def duration(self) -> float:
        """Seconds from the first frame's beginning to the last one's end."""
        return float(self.facts.end * self.facts.time_base)

    @property
    def audio(self) -> tuple[Audio, ...]:
        """The audio streams."""
        return self.facts.audio

    @property
    def notes(self) -> tuple[str, ...]:
        """What is done with the frames that one may want to know, one line each."""
        return self.facts.notes

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Frames `start` to `stop` - 1, the same as when reading from the beginning.

        A frame that cannot be decoded shows the one before it, or the first that can be decoded,
        and says so. ImageError where none can be.
        """
        start, stop, _ = slice(start, stop).indices(self.count)
        waiting: list[int] = []  # numbers of frames before the first that can be decoded
        last: np.ndarray | None = None
        for index, levels in self._from_good(start) if start < stop else ():
            if index >= stop and not waiting:
                return
            wanted = start <= index < stop
            if not isinstance(levels, str):
                for before in waiting:
                    yield self._frame(before, levels, f"not decoded: shows frame {index}")
                waiting, last = [], levels
                if wanted:
                    yield self._frame(index, levels)
            elif wanted and last is None:
                waiting.append(index)
            elif wanted and last is not None:
                yield self._frame(index, last, f"held over: {levels}")
        if waiting:
            raise ImageError(f"{shown(self.path)}: no frame from {waiting[0]} on can be decoded")

    def checksum(self) -> str:
        """SHA-256 of the file; of a folder: of its pictures' names and contents. Raises OSError."""
        if not self.path.is_dir():
            return file_checksum(self.path)
        sha256 = hashlib.sha256()
        for file in pictures_in(self.path):
            sha256.update(f"{file.name}\0{file_checksum(file)}\n".encode("utf-8", "replace"))
        return sha256.hexdigest()

    def _from_good(self, start: int) -> Reading:
        """Frames from `start` on, or from one before it that can be decoded."""
        back = 1
        while True:
            reading = self.facts.read(start)
            first = next(reading, None)
            if first is None or start == 0 or not isinstance(first[1], str):
                break
            start, back = max(0, start - back), 2 * back
        if first is not None:
            yield first
        yield from reading

    def _frame(self, index: int, pixels: np.ndarray, *notes: str) -> Frame:
        times, base = self.facts.times, self.facts.time_base
        end = times[index + 1] if index + 1 < len(times) else self.facts.end
        seconds, duration = float(times[index] * base), float((end - times[index]) * base)
        return Frame(index, times[index], seconds, duration, pixels, notes)


def _regular(source: str | os.PathLike[str]) -> tuple[Path, int]:
    """The path and mode of a folder or of a file that holds something; ImageError otherwise."""
    name, path = shown(source), Path(os.fsdecode(source))
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", None) or error
        raise ImageError(f"{name}: {why}; {EXPECTED}") from error
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise ImageError(f"{name}: a pipe or device; {EXPECTED}")
    if stat.S_ISREG(found.st_mode) and found.st_size == 0:
        raise ImageError(f"{name}: empty (0 bytes); {EXPECTED}")
    return path, found.st_mode

"""Films that are not one stream: animations, and folders of pictures."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np

from impasto.errors import OutputError, shown
from impasto.images.encode import write_levels
from impasto.images.levels import eight_bits, sixteen_bits
from impasto.outputs.timelapse.encoders import SAVE, Animation

__all__ = ["Flip", "Loose"]

TICKS = {"gif": 10}  # milliseconds that a format counts in; others: 1
SHORTEST = {"gif": 20}  # milliseconds below which browsers show a frame for longer
ENDINGS = (".png", ".tiff")


class Flip:
    """An animated GIF, WebP or PNG; see `Writer`. Its frames are on the disk until it is closed."""

    def __init__(self, file: Path, kind: str, size: tuple[int, int], time_base: Fraction) -> None:
        self._animation = Animation(SAVE[kind], file, size, 25)
        self._tick, self._least = TICKS.get(kind, 1), SHORTEST.get(kind, 1)
        self._base, self._shown = time_base, 0

    def add(self, levels: np.ndarray, pts: int, duration: int) -> None:
        """Append a frame; its end is rounded, so that errors do not add up."""
        end = self._tick * round((pts + duration) * self._base * 1000 / self._tick)
        length = max(self._least, end - self._shown)
        self._animation.add(np.ascontiguousarray(eight_bits(levels)), length)
        self._shown += length

    def close(self, end: int | None = None) -> None:
        """Write the file."""
        self._animation.close()

    def abandon(self) -> None:
        """Delete the frames."""
        self._animation.abandon()


class Loose:
    """A folder of PNG or TIFF files of 16 bits, 000000.png and on; see `Writer`."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._ending, self._count = folder, f".{kind}", 0
        folder.mkdir(exist_ok=True)

    @staticmethod
    def check(folder: Path) -> None:
        """Raise OutputError for a folder that cannot be made, or that holds anything but frames."""
        name = shown(folder)
        if not folder.exists():
            if not folder.absolute().parent.is_dir():
                raise OutputError(f"{name}: its folder does not exist; create it first")
            return
        if not folder.is_dir():
            raise OutputError(f"{name}: a file; expected a folder, or a name with an ending")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{name}: not writable; choose another folder")
        if any(not (_is_frame(file) or file.name.startswith(".")) for file in folder.iterdir()):
            raise OutputError(f"{name}: holds other files; choose an empty or a new folder")

    def add(self, levels: np.ndarray, pts: int, duration: int) -> None:
        """Write a picture; its name counts the frames."""
        write_levels(sixteen_bits(levels), self._file(self._count))
        self._count += 1

    def close(self, end: int | None = None) -> None:
        """Remove the frames of a film that was there before and was longer."""
        written = {self._file(index) for index in range(self._count)}
        for file in self._folder.iterdir():
            if _is_frame(file) and file not in written:
                file.unlink()

    def abandon(self) -> None:
        """Leave the pictures that are there."""

    def _file(self, index: int) -> Path:
        return self._folder / f"{index:06d}{self._ending}"


def _is_frame(file: Path) -> bool:
    return file.suffix in ENDINGS and len(file.stem) >= 6 and file.stem.isdecimal()

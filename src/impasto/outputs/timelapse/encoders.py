"""From frames to files: H.264, animated GIF and WebP."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol, TypeAlias

import numpy as np
from PIL import Image, ImageSequence
from tifffile import TiffWriter

from impasto.outputs.timelapse.video import Coding, Video

__all__ = ["FILMS", "SAVE", "Animation", "Kind", "Size", "VideoEncoder"]

Size: TypeAlias = tuple[int, int]  # width, height
Frame: TypeAlias = np.ndarray  # (h, w, 3) uint8, sRGB
Save: TypeAlias = Callable[[Path, Image.Image, list[int]], None]
"""Writes a file from an image of several RGB frames and the milliseconds of each."""

X264 = Coding("libx264", "yuv420p", {"crf": "18", "rc-lookahead": "8"})
"""Visually lossless; few frames ahead, which halves the memory and costs nothing here."""

PALETTE_FRAMES = 16  # frames that a GIF's palette is made of


class VideoEncoder(Protocol):
    """A film being written, at a constant number of frames a second; `size` is (w, h), pixels."""

    size: Size

    def add(self, frame: Frame) -> None:
        """Append a frame (h, w, 3) uint8 of the film's size; OSError at a full disk."""

    def hold(self, seconds: float) -> None:
        """Show the last frame for so many more seconds."""

    def close(self) -> None:
        """Complete the file; OSError at a full disk."""

    def abandon(self) -> None:
        """Close the file, in whatever state it is."""


class H264:
    """MP4 that plays everywhere, at a constant rate, index in front; see `VideoEncoder`."""

    def __init__(self, file: Path, size: Size, fps: int) -> None:
        self.size, self._fps, self._frames = size, fps, 0
        self._last: Any = None
        self._video = Video(file, "mp4", size, X264, Fraction(1, fps), Fraction(fps))

    def add(self, frame: Frame) -> None:
        """Append a frame (h, w, 3) uint8."""
        self._last = self._video.frame(frame)
        self._encode()

    def hold(self, seconds: float) -> None:
        """Repeat the last frame for so many seconds."""
        for _ in range(round(seconds * self._fps)):
            self._encode()

    def close(self) -> None:
        """Write the frames that the encoder holds, and the index."""
        self._video.close()

    def abandon(self) -> None:
        """Close the file, in whatever state it is."""
        self._video.abandon()

    def _encode(self) -> None:
        self._video.repeat(self._last, self._frames, 1)
        self._frames += 1


class Animation:
    """Frames that `save` writes together at the end; see `VideoEncoder`.

    Until then they are pages of an unnamed TIFF file in the film's folder, so that they take no
    memory and a killed process leaves nothing behind.
    """

    def __init__(self, save: Save, file: Path, size: Size, fps: int) -> None:
        self.size, self._save, self._file, self._tick = size, save, file, 1000 // fps
        self._milliseconds: list[int] = []
        spool: Any = TemporaryFile(dir=file.parent)  # noqa: SIM115 (closed by `close`)
        spool.raw.name = "frames"  # a number otherwise, which TiffWriter does not take
        self._spool, self._pages = spool, TiffWriter(spool)

    def add(self, frame: Frame, milliseconds: int | None = None) -> None:
        """Append a frame (h, w, 3) uint8, shown so long; None: as the rate says."""
        try:
            self._pages.write(frame, photometric="rgb", metadata=None)
            self._spool.flush()
        except OSError as error:  # of numpy, without the system's reason
            raise OSError(errno.ENOSPC, "no space for the frames") from error
        self._milliseconds.append(self._tick if milliseconds is None else milliseconds)

    def hold(self, seconds: float) -> None:
        """Show the last frame for so many more seconds."""
        self._milliseconds[-1] += round(1000 * seconds)

    def close(self) -> None:
        """Write the file."""
        self._pages.close()
        self._spool.seek(0)
        with Image.open(self._spool, formats=["TIFF"]) as film:
            self._save(self._file, film, self._milliseconds)
        self._spool.close()

    def abandon(self) -> None:
        """Delete the frames."""
        with suppress(Exception):
            self._spool.close()


def _save_gif(file: Path, film: Image.Image, milliseconds: list[int]) -> None:
    """One palette for all frames and no dithering: brushwork hides its steps, dots would swarm."""
    palette = _palette(film)
    first, *others = (
        frame.quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in ImageSequence.Iterator(film)
    )
    timing = {"duration": milliseconds, "loop": 0}
    first.save(file, "GIF", save_all=True, append_images=others, **timing)


def _palette(film: Image.Image) -> Image.Image:
    """256 colours for all frames, from every fourth pixel of some of them and of the last."""
    count: int = getattr(film, "n_frames", 1)
    pixels = []
    for index in [*range(0, count, 1 + count // PALETTE_FRAMES), count - 1]:
        film.seek(index)
        pixels.append(np.asarray(film)[::2, ::2])
    return Image.fromarray(np.concatenate(pixels)).quantize(256, method=Image.Quantize.FASTOCTREE)


def _save_webp(file: Path, film: Image.Image, milliseconds: list[int]) -> None:
    options = {"quality": 85, "method": 2, "loop": 0}
    film.save(file, "WEBP", save_all=True, duration=milliseconds, **options)


def _save_apng(file: Path, film: Image.Image, milliseconds: list[int]) -> None:
    film.save(file, "PNG", save_all=True, duration=milliseconds, loop=0)


SAVE = {"gif": _save_gif, "webp": _save_webp, "apng": _save_apng}
"""How an animation is written, by its format."""


@dataclass(frozen=True)
class Kind:
    """A format of films.

    Args:
        encoder: makes an encoder from file, (width, height) and frames a second.
        longest: the longest side, pixels.
        frames: the largest number of frames.
        memory: what it holds during a run, bytes for each pixel of a frame, as measured.
        needs: the library it needs.
    """

    encoder: Callable[[Path, Size, int], VideoEncoder]
    longest: int
    frames: int
    memory: float
    needs: str | None = None

    def fitted(self, size: Size) -> Size:
        """(width, height) of a film of a result of `size` (w, h)."""
        shrink = min(1, self.longest / max(size))
        width, height = (max(1, round(side * shrink)) for side in size)
        return width, height

    def extra_bytes(self, size: Size) -> int:
        """Memory that a film of a result of `size` (w, h) holds during the run, bytes."""
        width, height = self.fitted(size)
        return round(self.memory * width * height)


FILMS = {
    ".mp4": Kind(H264, 3840, 240, 96, "av"),
    ".gif": Kind(partial(Animation, _save_gif), 480, 120, 0),
    ".webp": Kind(partial(Animation, _save_webp), 960, 120, 0),
}

"""From frames to files: H.264, animated GIF and WebP."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol, TypeAlias

import numpy as np
from PIL import Image, ImageSequence
from tifffile import TiffWriter

from impasto.errors import optional

__all__ = ["FILMS", "Kind", "Size", "VideoEncoder"]

Size: TypeAlias = tuple[int, int]  # width, height
Frame: TypeAlias = np.ndarray  # (h, w, 3) uint8, sRGB
Save: TypeAlias = Callable[[Path, Image.Image, list[int]], None]
"""Writes a file from an image of several RGB frames and the milliseconds of each."""

X264 = {"crf": "18", "rc-lookahead": "8"}
"""Visually lossless; few frames ahead, which halves the memory and costs nothing here."""

PALETTE_FRAMES = 16  # frames that a GIF's palette is made of
BT709 = 1  # matrix, primaries and transfer of HD video, and limited range: all of them 1 in H.264


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


def _av() -> Any:  # noqa: ANN401 (a module)
    return optional("av", "video", "an .mp4 film")


@contextmanager
def _os_errors() -> Iterator[None]:
    """Raise PyAV's errors as OSError; not all of them are."""
    try:
        yield
    except _av().FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


class H264:
    """MP4 that plays everywhere: 4:2:0, BT.709, even sides, index in front; see `VideoEncoder`.

    An odd side is made even by repeating its last row or column.
    """

    def __init__(self, file: Path, size: Size, fps: int) -> None:
        self.size, self._fps, self._frames = size, fps, 0
        self._last: Any = None
        with _os_errors():
            options = {"movflags": "+faststart"}
            self._container = _av().open(str(file), "w", format="mp4", options=options)
            self._stream = self._container.add_stream("libx264", rate=fps, options=X264)
            self._stream.width, self._stream.height = (side + side % 2 for side in size)
            self._stream.pix_fmt = "yuv420p"
            context = self._stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = BT709

    def add(self, frame: Frame) -> None:
        """Append a frame (h, w, 3) uint8."""
        height, width, _ = frame.shape
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        rgb = _av().VideoFrame.from_ndarray(even, format="rgb24")
        self._last = rgb.reformat(
            format="yuv420p", dst_colorspace=BT709, dst_color_range=BT709, interpolation="LANCZOS"
        )
        self._encode(self._last)

    def hold(self, seconds: float) -> None:
        """Repeat the last frame for so many seconds."""
        for _ in range(round(seconds * self._fps)):
            self._encode(self._last)

    def close(self) -> None:
        """Write the frames that the encoder holds, and the index."""
        with _os_errors():
            self._container.mux(self._stream.encode(None))
            self._container.close()

    def abandon(self) -> None:
        """Close the file, in whatever state it is."""
        with suppress(Exception):
            self._container.close()

    def _encode(self, frame: Any) -> None:  # noqa: ANN401 (a VideoFrame)
        frame.pts, self._frames = self._frames, self._frames + 1
        with _os_errors():
            self._container.mux(self._stream.encode(frame))


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

    def add(self, frame: Frame) -> None:
        """Append a frame (h, w, 3) uint8."""
        try:
            self._pages.write(frame, photometric="rgb", metadata=None)
            self._spool.flush()
        except OSError as error:  # of numpy, without the system's reason
            raise OSError(errno.ENOSPC, "no space for the frames") from error
        self._milliseconds.append(self._tick)

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

"""Frames to files: H.264, animated GIF and WebP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from PIL import Image

from impasto.errors import optional

__all__ = ["FILMS", "Kind", "Size", "VideoEncoder"]

Size: TypeAlias = tuple[int, int]  # width, height
Frame: TypeAlias = np.ndarray  # (h, w, 3) uint8, sRGB
Frames: TypeAlias = list[Image.Image]
Save: TypeAlias = Callable[[Path, Frames, list[int]], None]  # file, RGB frames, milliseconds each

CRF = "18"  # of 51; visually lossless
PALETTE_FRAMES = 16
BT709 = 1  # matrix, primaries and transfer of HD video, and limited range: all of them 1 in H.264


class VideoEncoder(Protocol):
    """A film being written, at a steady number of frames a second."""

    size: Size

    def add(self, frame: Frame) -> None:
        """Show (h, w, 3) uint8, of the film's size, for one tick; OSError at a full disk."""

    def hold(self, seconds: float) -> None:
        """Leave the last frame on for longer."""

    def close(self) -> None:
        """Write what is left; OSError at a full disk."""

    def abandon(self) -> None:
        """Let go of the file, whatever state it is in."""


def _av() -> Any:  # noqa: ANN401 (a module)
    return optional("av", "video", "an .mp4 film")


@contextmanager
def _os_errors() -> Iterator[None]:
    """PyAV's errors as OSError, which not all of them are."""
    try:
        yield
    except _av().FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


class H264:
    """MP4 that plays everywhere: 4:2:0, BT.709, even sides, index in front.

    An odd side is made even by repeating its last row or column.
    """

    def __init__(self, file: Path, size: Size, fps: int) -> None:
        self.size, self._fps, self._frames = size, fps, 0
        self._last: Any = None
        with _os_errors():
            options = {"movflags": "+faststart"}
            self._container = _av().open(str(file), "w", format="mp4", options=options)
            self._stream = self._container.add_stream("libx264", rate=fps, options={"crf": CRF})
            self._stream.width, self._stream.height = (side + side % 2 for side in size)
            self._stream.pix_fmt = "yuv420p"
            context = self._stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = BT709

    def add(self, frame: Frame) -> None:
        """See Reel."""
        height, width, _ = frame.shape
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        rgb = _av().VideoFrame.from_ndarray(even, format="rgb24")
        self._last = rgb.reformat(
            format="yuv420p", dst_colorspace=BT709, dst_color_range=BT709, interpolation="LANCZOS"
        )
        self._encode(self._last)

    def hold(self, seconds: float) -> None:
        """See Reel."""
        for _ in range(round(seconds * self._fps)):
            self._encode(self._last)

    def close(self) -> None:
        """See Reel."""
        with _os_errors():
            self._container.mux(self._stream.encode(None))
            self._container.close()

    def abandon(self) -> None:
        """See Reel."""
        with suppress(Exception):
            self._container.close()

    def _encode(self, frame: Any) -> None:  # noqa: ANN401 (a VideoFrame)
        frame.pts, self._frames = self._frames, self._frames + 1
        with _os_errors():
            self._container.mux(self._stream.encode(frame))


class Animation:
    """Frames kept until the end, when `save` writes them together."""

    def __init__(self, save: Save, file: Path, size: Size, fps: int) -> None:
        self.size, self._save, self._file, self._tick = size, save, file, 1000 // fps
        self._frames: Frames = []
        self._milliseconds: list[int] = []

    def add(self, frame: Frame) -> None:
        """See Reel."""
        self._frames.append(Image.fromarray(frame))
        self._milliseconds.append(self._tick)

    def hold(self, seconds: float) -> None:
        """See Reel."""
        self._milliseconds[-1] += round(1000 * seconds)

    def close(self) -> None:
        """See Reel."""
        self._save(self._file, self._frames, self._milliseconds)

    def abandon(self) -> None:
        """See Reel."""
        self._frames.clear()


def _save_gif(file: Path, frames: Frames, milliseconds: list[int]) -> None:
    """One palette for all frames, and no dithering: brushwork hides its steps, dots would swarm."""
    palette = _palette(frames)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    _save(file, indexed, milliseconds, "GIF")


def _palette(frames: Frames) -> Image.Image:
    """256 colours for the whole film, from every fourth pixel of some frames and of the last."""
    some = [*frames[:: 1 + len(frames) // PALETTE_FRAMES], frames[-1]]
    pixels = np.concatenate([np.asarray(frame)[::2, ::2] for frame in some])
    return Image.fromarray(pixels).quantize(256, method=Image.Quantize.FASTOCTREE)


def _save_webp(file: Path, frames: Frames, milliseconds: list[int]) -> None:
    _save(file, frames, milliseconds, "WEBP", quality=85, method=2)


def _save(file: Path, frames: Frames, milliseconds: list[int], kind: str, **options: int) -> None:
    """An endless loop of frames; Pillow drops those that do not differ, and keeps their time."""
    first, *others = frames
    timing = {"duration": milliseconds, "loop": 0}
    first.save(file, kind, save_all=True, append_images=others, **timing, **options)


@dataclass(frozen=True)
class Kind:
    """A kind of film: its reel, the longest side in pixels, the most frames, the library."""

    reel: Callable[[Path, Size, int], VideoEncoder]
    longest: int
    frames: int
    needs: str | None = None


FILMS = {
    ".mp4": Kind(H264, 3840, 240, "av"),
    ".gif": Kind(partial(Animation, _save_gif), 480, 120),
    ".webp": Kind(partial(Animation, _save_webp), 960, 120),
}

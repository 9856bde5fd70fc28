"""Video files by PyAV: frames at their times, in BT.709, and audio that is copied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from impasto.errors import optional
from impasto.images.levels import eight_bits, sixteen_bits

__all__ = ["AudioCopy", "Coding", "Video", "exact_lanczos", "os_errors"]

BT709 = 1  # matrix, primaries and transfer of HD video, and limited range: all of them 1 in H.264
FULL = 2  # the range of RGB
KR, KB = 0.2126, 0.0722  # the matrix of BT.709
_REORDERED = 3  # frames of a film in which some may be coded before earlier ones
ROWS = 64  # at a time, where floats are needed


@dataclass(frozen=True)
class Coding:
    """How frames are coded.

    Args:
        encoder: FFmpeg's name of it.
        pixels: FFmpeg's name of the pixel format.
        options: of the encoder.
        tag: four characters by which MP4 and MOV name the codec; None: the usual ones.
    """

    encoder: str
    pixels: str
    options: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None

    def padded(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) in the file: chroma of half the size needs even sides."""
        width, height = size
        if "420" in self.pixels:
            return width + width % 2, height + height % 2
        return (width + width % 2, height) if "422" in self.pixels else size


class AudioCopy(Protocol):
    """Audio of another file, whose packets are copied."""

    def templates(self) -> Iterable[Any]:
        """The streams to copy, as PyAV opened them."""

    def until(self, seconds: Fraction) -> Iterable[tuple[int, Any]]:
        """The packets up to that time, each with the number of its stream in `templates`."""

    def close(self) -> None:
        """Close the file."""


def _av() -> Any:  # noqa: ANN401 (a module)
    return optional("av", "video", "an .mp4 film")


@contextmanager
def os_errors() -> Iterator[None]:
    """Raise PyAV's errors as OSError; not all of them are."""
    try:
        yield
    except _av().FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


class Video:
    """A video file being written; OSError where that fails, as at a full disk.

    What the encoder or the container cannot do is an OSError or a ValueError before any frame.

    An odd side is made even by repeating its last row or column where the coding needs that.

    Args:
        file: where to write, a path or an open file.
        container: FFmpeg's name of the format, such as mp4.
        size: (width, height) of the frames, pixels.
        coding: how they are coded.
        time_base: seconds of a unit of their times.
        rate: frames a second, on average.
        audio: what is heard.
    """

    def __init__(
        self,
        file: Path | IO[bytes],
        container: str,
        size: tuple[int, int],
        coding: Coding,
        time_base: Fraction,
        rate: Fraction,
        audio: AudioCopy | None = None,
    ) -> None:
        self._coding, self._base, self._audio = coding, time_base, audio
        self._lengths: dict[int, int] = {}  # durations of frames in the encoder
        self._count = 0
        self._size = coding.padded(size)
        fast = container in ("mp4", "mov") and isinstance(file, Path)  # reads the file again
        options = {"movflags": "+faststart"} if fast else {}
        with os_errors():
            target = str(file) if isinstance(file, Path) else file
            self._container = _av().open(target, "w", format=container, container_options=options)
            self._stream = self._container.add_stream(
                coding.encoder, rate=rate, options=dict(coding.options)
            )
            self._set_up()
            self._tracks = [
                self._container.add_stream_from_template(one)
                for one in (audio.templates() if audio else ())
            ]
            self._container.start_encoding()

    def _set_up(self) -> None:
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = self._coding.pixels
        self._stream.time_base = self._base
        context = self._stream.codec_context
        context.time_base = self._base
        context.color_primaries = context.color_trc = BT709
        if self._coding.pixels.startswith("yuv"):
            context.colorspace = context.color_range = BT709
        if self._coding.tag:
            context.codec_tag = self._coding.tag

    def add(self, levels: np.ndarray, pts: int, duration: int) -> None:
        """Append a frame (h, w, 3) uint8 or uint16 sRGB, which begins at `pts` and lasts so long.

        Times are in units of the time base and increase.
        """
        frame = self.frame(levels)
        self.repeat(frame, pts, duration)

    def frame(self, levels: np.ndarray) -> Any:  # noqa: ANN401 (a VideoFrame)
        """The frame as the encoder takes it."""
        height, width, _ = levels.shape
        extra = (self._size[1] - height, self._size[0] - width)
        even = np.pad(levels, ((0, extra[0]), (0, extra[1]), (0, 0)), mode="edge")
        return coded(even, self._coding.pixels)

    def repeat(self, frame: Any, pts: int, duration: int) -> None:  # noqa: ANN401 (a VideoFrame)
        """Append what `frame` returned."""
        frame.pts, frame.time_base = pts, self._base
        frame.color_primaries = frame.color_trc = BT709
        self._lengths[pts] = duration
        self._count += 1
        with os_errors():
            self._hear(pts * self._base)
            self._mux(self._stream.encode(frame))

    def close(self, end: int | None = None) -> None:
        """Write the frames that the encoder holds, the audio up to `end`, and the index."""
        with os_errors():
            self._mux(self._stream.encode(None))
            if end is not None:
                self._hear(end * self._base)
            self._container.close()
        if self._audio:
            self._audio.close()

    def abandon(self) -> None:
        """Close the file, in whatever state it is."""
        with suppress(Exception):
            self._container.close()
        if self._audio:
            self._audio.close()

    def _hear(self, seconds: Fraction) -> None:
        for number, packet in self._audio.until(seconds) if self._audio else ():
            packet.stream = self._tracks[number]
            self._container.mux(packet)

    def _mux(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            if packet.pts is not None and packet.pts in self._lengths:
                packet.duration = self._lengths.pop(packet.pts)
            if self._count < _REORDERED:  # x265 leaves it at whatever its memory holds
                packet.dts = packet.pts
            self._container.mux(packet)


def coded(levels: np.ndarray, pixels: str) -> Any:  # noqa: ANN401 (a VideoFrame)
    """Levels (h, w, 3) uint8 or uint16 sRGB as a frame of that pixel format, in BT.709 if YUV."""
    tags = {"interpolation": exact_lanczos()}
    if not pixels.startswith("yuv"):
        shallow = pixels == "bgr0"
        rgb = eight_bits(levels) if shallow else sixteen_bits(levels)
        frame = _av().VideoFrame.from_ndarray(rgb, format="rgb24" if shallow else "rgb48le")
        return frame.reformat(format=pixels, **tags)
    if levels.dtype == np.uint8:
        frame = _av().VideoFrame.from_ndarray(np.ascontiguousarray(levels), format="rgb24")
        return frame.reformat(
            format=pixels, dst_colorspace=BT709, src_color_range=FULL, dst_color_range=BT709, **tags
        )
    frame = _deep_yuv(levels)
    same = {"src_colorspace": BT709, "dst_colorspace": BT709}
    return frame.reformat(
        format=pixels, src_color_range=BT709, dst_color_range=BT709, **same, **tags
    )


def exact_lanczos() -> Any:  # noqa: ANN401 (a set of flags)
    """FFmpeg's most exact conversion, the same on every processor: off by 0.5 of a level at most.

    Its usual one is off by up to 2.7 of 255, as measured; PyAV before 18 has no other.
    """
    method = _av().video.reformatter.Interpolation
    if not hasattr(method, "ACCURATE_RND"):
        return method.LANCZOS
    exact = method.ACCURATE_RND | method.BITEXACT | method.FULL_CHR_H_INT | method.FULL_CHR_H_INP
    return method.LANCZOS | exact


def _deep_yuv(levels: np.ndarray) -> Any:  # noqa: ANN401 (a VideoFrame)
    """Y'CbCr of 16 bits, limited range: what FFmpeg makes of 16-bit RGB is off by up to 0.4 %."""
    height, width, _ = levels.shape
    frame = _av().VideoFrame(width, height, "yuv444p16le")
    into = [np.zeros((height, plane.line_size // 2), np.uint16) for plane in frame.planes]
    for first in range(0, height, ROWS):
        red, green, blue = np.moveaxis(levels[first : first + ROWS] / np.float32(65535), -1, 0)
        y = KR * red + (1 - KR - KB) * green + KB * blue
        cb, cr = (blue - y) / (2 - 2 * KB), (red - y) / (2 - 2 * KR)
        for plane, values in zip(into, (16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr), strict=True):
            plane[first : first + ROWS, :width] = np.rint(256 * values)
    for plane, rows in zip(frame.planes, into, strict=True):
        plane.update(rows.tobytes())
    frame.colorspace = frame.color_range = BT709
    return frame

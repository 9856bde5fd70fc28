"""Video files: opened alone, their packets counted, their frames decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.apps.film.footage import MAX_FRAMES
from impasto.errors import ImageError, ImageTooLarge, optional, shown

__all__ = [
    "EXPECTED",
    "Index",
    "check_size",
    "decoded_frames",
    "opened",
    "packet_index",
    "video_stream",
]

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,yuv4mpegpipe"
"""Containers that are read. None of them refers to other files or to a network."""

EXPECTED = "expected a video (MP4, MOV, MKV, WebM, AVI), an animation or a folder of pictures"


@dataclass(frozen=True)
class Index:
    """The packets of a film, in the order in which their frames are shown.

    stamps: pts of each as in the file; None where one has none.
    keys: numbers of those from which decoding can start.
    """

    stamps: tuple[int, ...] | None
    count: int
    keys: tuple[int, ...]
    last: int  # duration of the last packet, 0 if unknown


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file as a container that can open nothing else; ImageError where it is none."""
    av = optional("av", "video", "reading a clip")
    only = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    old = int(av.__version__.partition(".")[0]) < 19  # which fails for titles that are not UTF-8
    lenient = {"metadata_errors": "replace"} if old else {}
    try:
        container = av.open(f"file:{path.absolute()}", options=only, **lenient)
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ImageError(
            f"{shown(path)}: not a clip that can be read ({why}); {EXPECTED}"
        ) from error
    with container:
        yield container


def video_stream(container: Any, name: str) -> Any:  # noqa: ANN401 (of PyAV)
    """The first video stream that is not a cover picture."""
    for stream in container.streams.video:
        if stream.codec_context is not None and not _is_cover(stream):
            return stream
    raise ImageError(f"{name}: has no video that can be decoded; {EXPECTED}")


def _is_cover(stream: Any) -> bool:  # noqa: ANN401 (of PyAV)
    return "attached_pic" in str(getattr(stream, "disposition", ""))


def check_size(name: str, width: int, height: int, limit: int) -> None:
    """Raise ImageTooLarge for a frame of more than `limit` pixels."""
    if width * height > limit:
        raise ImageTooLarge(
            f"{name}: {width}x{height} px is {width * height:,} pixels a frame, above the limit "
            f"of {limit:,}; make the clip smaller"
        )


def packet_index(container: Any, stream: Any, name: str) -> Index:  # noqa: ANN401 (of PyAV)
    """The packets of a stream that hold frames that are shown."""
    packets: list[tuple[int | None, bool, int]] = []
    with _ended_by_damage():
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard and not _invisible(packet, stream):
                packets.append((packet.pts, packet.is_keyframe, packet.duration or 0))
            if len(packets) > MAX_FRAMES:
                raise ImageTooLarge(f"{name}: more than {MAX_FRAMES:,} frames; cut it into parts")
    if not packets:
        raise ImageError(f"{name}: has no frames; {EXPECTED}")
    given = [packet[0] for packet in packets]
    if None in given or len(set(given)) < len(given):
        return Index(None, len(packets), (0,), 0)
    packets.sort()
    keys = tuple(number for number, packet in enumerate(packets) if packet[1])
    stamps = [packet[0] or 0 for packet in packets]
    length = packets[-1][2]
    if stream.frames == len(packets) and stream.duration:  # of VP9 in MP4, a parser's guess
        length = max(length, (stream.start_time or 0) + stream.duration - stamps[-1])
    return Index(tuple(stamps), len(packets), keys, length)


def _invisible(packet: Any, stream: Any) -> bool:  # noqa: ANN401 (of PyAV)
    """Whether the packet is a VP8 frame that is only a reference (RFC 6386, 9.1)."""
    return stream.codec_context.name == "vp8" and not bytes(packet)[0] & 0x10


def decoded_frames(path: Path, limit: int, seek: int | None = None) -> Iterator[Any]:
    """Decoded frames, from about the time `seek` on; a text for a packet that is damaged."""
    damage = optional("av", "video", "reading a clip").FFmpegError
    with opened(path) as container:
        stream = video_stream(container, shown(path))
        stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(limit)}
        with _ended_by_damage():
            if seek is not None:
                container.seek(seek, stream=stream, backward=True)
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except damage as error:
                    yield f"damaged ({error.strerror})"
                    continue
                yield from frames


@contextmanager
def _ended_by_damage() -> Iterator[None]:
    """Damage that the container cannot be read beyond ends it."""
    try:
        yield
    except optional("av", "video", "reading a clip").FFmpegError:
        return

"""Audio of a clip, copied packet by packet."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from fractions import Fraction
from typing import Any

from impasto.apps.film.clip import Clip
from impasto.apps.film.container import opened
from impasto.errors import optional

__all__ = ["Sound"]


class Sound:
    """The audio of a clip from a time on; see `AudioCopy`.

    Args:
        clip: whose audio it is.
        start: what becomes time 0, seconds from the clip's first frame.
        early: whether the packet before that is copied too, which decoders need to start well; a
            container must hold times below 0 for that.
    """

    def __init__(self, clip: Clip, start: Fraction, *, early: bool) -> None:
        self._begin = clip.facts.origin + start
        self._opening = opened(clip.path)
        self._container = self._opening.__enter__()
        streams = self._container.streams
        self._streams = [streams[one.stream] for one in clip.audio]
        self._early = early
        self._packets = self._wanted()
        self._next: tuple[Fraction, int, Any] | None = next(self._packets, None)

    def templates(self) -> Iterable[Any]:
        """The streams to copy."""
        return list(self._streams)

    def until(self, seconds: Fraction) -> Iterable[tuple[int, Any]]:
        """The packets that begin before that time, each with the number of its stream."""
        while self._next and self._next[0] < seconds:
            yield self._next[1:]
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the file."""
        self._next = None
        self._packets.close()
        self._opening.__exit__(None, None, None)

    def _wanted(self) -> Generator[tuple[Fraction, int, Any], None, None]:
        """Time from `start`, number of the stream and packet, in the order of the file."""
        numbers = {stream.index: number for number, stream in enumerate(self._streams)}
        with suppress(optional("av", "video", "copying audio").FFmpegError):  # damage ends it
            if self._begin > 1:
                self._container.seek(int((self._begin - 1) * 1_000_000))  # AV_TIME_BASE
            for packet in self._container.demux(self._streams):
                if packet.pts is None or not packet.size:
                    continue
                base = packet.time_base
                length = (packet.duration or 0) * base
                time = packet.pts * base - self._begin
                if time + length >= (0 if self._early else length):
                    shift = round(self._begin / base)
                    packet.pts, dts = packet.pts - shift, packet.dts
                    packet.dts = packet.pts if dts is None else dts - shift
                    yield time, numbers[packet.stream.index], packet

"""Video files by PyAV: an index of their packets, then frames from any of them on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from impasto.apps.film.colour import Colour, colour_of
from impasto.apps.film.container import (
    EXPECTED,
    Index,
    check_size,
    decoded_frames,
    opened,
    packet_index,
    video_stream,
)
from impasto.apps.film.fields import deinterlaced
from impasto.apps.film.footage import Audio, Footage, Levels, Reading, repaired
from impasto.errors import ImageError, shown

__all__ = ["open_video"]

PROBED = 12  # frames that are decoded to know a film
SETTLED = 2  # frames before the first, which deinterlacing looks at
ASPECTS = (Fraction(1, 8), Fraction(8))  # of pixels; others are taken for errors


@dataclass(frozen=True)
class Film:
    """How a file is decoded."""

    path: Path
    index: Index
    colour: Colour
    turns: int  # quarters of a circle, counterclockwise
    shown: tuple[int, int]  # (width, height) of square pixels, before it is turned
    interlaced: bool
    limit: int  # pixels

    def read(self, start: int) -> Reading:
        """Frames from `start` on; one that the decoder does not give is a text."""
        first = max(0, start - SETTLED) if self.interlaced else start
        expected, last = start, self.index.count
        for number, frame in self._numbered(first):
            if number < expected:
                continue
            for missing in range(expected, min(number, last)):
                yield missing, "the decoder gives no picture"
            if isinstance(frame, str):
                yield number, frame
            else:
                yield number, self._upright(frame)
            expected = number + 1
        if self.index.stamps:
            for missing in range(expected, last):
                yield missing, "the decoder gives no picture"

    def _numbered(self, first: int) -> Iterator[tuple[int, Any]]:
        """Numbers and decoded frames from `first` or earlier on, progressive ones."""
        frames = self._decoded(first)
        return deinterlaced(frames) if self.interlaced else frames

    def _decoded(self, first: int) -> Iterator[tuple[int, Any]]:
        """Numbers and decoded frames, from the last key frame at or before `first`."""
        stamps = self.index.stamps
        if stamps is None:
            yield from enumerate(decoded_frames(self.path, self.limit))
            return
        numbers = {stamp: number for number, stamp in enumerate(stamps)}
        place = bisect_right(self.index.keys, first)
        key = self.index.keys[place - 1] if place else 0
        if key > 0:
            frames = _known(decoded_frames(self.path, self.limit, stamps[key]), numbers)
            begun = next(frames, None)
            if begun and begun[0] <= first:
                yield begun
                yield from frames
                return
        yield from _known(decoded_frames(self.path, self.limit), numbers)

    def _upright(self, frame: Any) -> Levels:  # noqa: ANN401 (of PyAV)
        levels = self.colour.rgb(frame)
        if levels.shape[1::-1] != self.shown:
            levels = cv2.resize(levels, self.shown, interpolation=cv2.INTER_CUBIC)
        return np.ascontiguousarray(np.rot90(levels, self.turns))


def open_video(path: Path, max_pixels: int) -> Footage:
    """The facts of a video file.

    All packets are read for it, none but a few are decoded. Raises ImageError for what is no video
    or has no frame that can be decoded, ImageTooLarge above `max_pixels` a frame or MAX_FRAMES.
    """
    name = shown(path)
    with opened(path) as container:
        stream = video_stream(container, name)
        check_size(name, stream.codec_context.width, stream.codec_context.height, max_pixels)
        rate = _fraction(stream.average_rate or stream.guessed_rate or 25)
        base, declared = _fraction(stream.time_base or 1 / rate), stream.frames
        aspect = _fraction(stream.sample_aspect_ratio or 1)
        audio = tuple(_audio(one) for one in container.streams.audio if one.codec_context)
        index = packet_index(container, stream, name)
    film, notes = _probed(path, index, aspect, max_pixels)
    index = film.index
    if index.stamps:
        times, changed = repaired([stamp - index.stamps[0] for stamp in index.stamps])
        origin = index.stamps[0] * base
    else:
        base, changed, origin = 1 / rate, 0, Fraction(0)
        times = tuple(range(index.count))
        notes.append(f"frames have no times of their own and are shown {float(rate):g} a second")
    if changed:
        notes.append(f"the times of {changed} frames are repaired")
    if declared > index.count:
        notes.append(f"the file ends early: {index.count} of {declared} frames are there")
    length = index.last if index.stamps and index.last else round(1 / (rate * base))
    end = times[-1] + max(1, length)
    width, height = film.shown[::-1] if film.turns % 2 else film.shown
    if index.stamps and _varies(times):
        notes.append("frames are not evenly spaced; their times are kept")
    return Footage(
        size=(width, height),
        bits=16 if film.colour.deep else 8,
        times=times,
        end=end,
        time_base=base,
        rate=len(times) / (end * base),
        read=film.read,
        origin=origin,
        exact=index.stamps is not None,
        audio=audio,
        notes=tuple(notes),
    )


def _varies(times: tuple[int, ...]) -> bool:
    """Whether frames last differently, by more than rounding."""
    lengths = [after - before for before, after in pairwise(times)]
    return bool(lengths) and max(lengths) - min(lengths) > max(1, max(lengths) // 20)


def _fraction(value: Any) -> Fraction:  # noqa: ANN401 (of PyAV)
    """A rational of PyAV, whose kind depends on its version."""
    return Fraction(value.numerator, value.denominator)


def _probed(path: Path, index: Index, aspect: Fraction, limit: int) -> tuple[Film, list[str]]:
    """How the file is decoded, by its first frames; notes."""
    frames = []
    for frame in decoded_frames(path, limit):
        if not isinstance(frame, str):
            frames.append(_Facts.of(frame))
        if len(frames) == PROBED:
            break
    if not frames:
        raise ImageError(f"{shown(path)}: has no frame that can be decoded; {EXPECTED}")
    first = frames[0]
    stamps = [facts.pts for facts in frames]
    numbers = {stamp: number for number, stamp in enumerate(index.stamps or ())}
    places = [-1 if stamp is None else numbers.get(stamp, -1) for stamp in stamps]
    if places != sorted(set(places)) or -1 in places:  # the file's times are not the decoder's
        index = replace(index, stamps=None)
    notes = []
    width, height = first.size
    if aspect != 1 and ASPECTS[0] <= aspect <= ASPECTS[1]:
        width, height = (
            (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
        )
        notes.append(
            f"pixels of {aspect.numerator}:{aspect.denominator} are resampled to square ones"
        )
    check_size(shown(path), width, height, limit)
    turns = round(first.rotation / 90) % 4
    if turns:
        notes.append(f"turned upright by {(360 - 90 * turns) % 360}° clockwise")
    interlaced = any(facts.interlaced for facts in frames)
    if interlaced:
        notes.append("deinterlaced (bwdif), one frame for two fields")
    notes += first.colour.notes
    return Film(path, index, first.colour, turns, (width, height), interlaced, limit), notes


@dataclass(frozen=True)
class _Facts:
    """What is to be known of a decoded frame, without its pixels."""

    pts: int | None
    size: tuple[int, int]
    rotation: int
    interlaced: bool
    colour: Colour

    @classmethod
    def of(cls, frame: Any) -> _Facts:  # noqa: ANN401 (of PyAV)
        size = frame.width, frame.height
        rotation, interlaced = int(frame.rotation), bool(frame.interlaced_frame)
        return cls(frame.pts, size, rotation, interlaced, colour_of(frame))


def _known(frames: Iterator[Any], numbers: dict[int, int]) -> Iterator[tuple[int, Any]]:
    """The frames that have a number by their pts, each with it."""
    for frame in frames:
        if not isinstance(frame, str) and (number := numbers.get(frame.pts)) is not None:
            yield number, "damaged" if frame.is_corrupt else frame


def _audio(stream: Any) -> Audio:  # noqa: ANN401 (of PyAV)
    context = stream.codec_context
    return Audio(stream.index, context.name, context.sample_rate, context.channels)

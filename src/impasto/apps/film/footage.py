"""What all kinds of clips have in common: facts about them, and a way to read their frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

__all__ = ["MAX_FRAMES", "Audio", "Footage", "Reading", "repaired"]

Levels: TypeAlias = np.ndarray  # (h, w, 3) uint8 or uint16, sRGB
Reading: TypeAlias = Iterator[tuple[int, "Levels | str"]]
"""Index and levels of each frame in order; a text, why it cannot be decoded, instead of levels."""

MAX_FRAMES = 1_000_000  # eleven hours at 25 frames a second


@dataclass(frozen=True)
class Audio:
    """An audio stream: its number in the file, its codec, samples a second, channels."""

    stream: int
    codec: str
    rate: int
    channels: int


@dataclass(frozen=True)
class Footage:
    """A clip's facts, and `read(start)`, which reads from that frame to the end.

    Attributes:
        size: (width, height) as shown, upright and of square pixels.
        bits: 8 or 16, of a channel of the levels.
        times: when each frame begins, in units of `time_base` from the first; strictly increasing.
        end: when the last one ends.
        time_base: seconds of a unit.
        rate: frames a second, on average.
        origin: when the first frame begins in the file, by which audio is aligned; seconds.
        exact: whether the number of frames is known, else it is an estimate.
        audio: the audio streams.
        notes: what is done with the frames that one may want to know, one line each.
    """

    size: tuple[int, int]
    bits: int
    times: tuple[int, ...]
    end: int
    time_base: Fraction
    rate: Fraction
    read: Callable[[int], Reading]
    origin: Fraction = Fraction(0)
    exact: bool = True
    audio: tuple[Audio, ...] = ()
    notes: tuple[str, ...] = ()


def repaired(times: list[int]) -> tuple[tuple[int, ...], int]:
    """Times made strictly increasing, and how many had to be changed for that."""
    changed, last, increasing = 0, None, []
    for time in times:
        if last is not None and time <= last:
            time, changed = last + 1, changed + 1
        increasing.append(time)
        last = time
    return tuple(increasing), changed

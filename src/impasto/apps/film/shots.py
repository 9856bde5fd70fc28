"""Where one shot ends and the next begins, frame by frame.

    for seen in shots(frames):
        if seen.begins: ...         # the frame has nothing to do with the one before
        if seen.note == "flash": ...

A frame is compared with the last one that belonged to the shot, both as thumbnails. If it is odd,
up to three frames are read ahead: where the shot comes back, the odd frames were a flash, else
there is a cut. So four frames are in memory at most.

What happens between shots:

- cut: the first frame of the other shot begins it
- fade through black or white: frames without a picture are noted and begin nothing; the next frame
  that has a picture does
- dissolve: the shot goes on, and one picture appears in the other; a frame or two may be a cut
- a single foreign frame within a shot: stray, and no cut; up to three brighter ones: a flash
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from impasto.apps.film.flow import Flow, rough_motion
from impasto.apps.film.warp import coverage, looked_up

__all__ = ["CUT", "Note", "Seen", "Thumbnail", "change", "shots"]

Item = TypeVar("Item")
Note = Literal["", "flash", "stray", "black", "white", "plain", "light"]
"""What a frame is besides a part of its shot; `light` changes fast, as in a fade."""

_SIZE = 160  # px of a thumbnail's longer side
CUT = 0.6
_PLAIN = 3.0  # σ, levels
_DARK, _BRIGHT = 24, 231  # means of a frame without a picture that is black or white
_BRIGHTER, _FLASH = 16, 48  # levels of the mean: in a flash; what makes a flash by itself
_FADE = 1.07, 3  # change of contrast, and of the mean in levels, in one frame
_AHEAD = 3  # frames


@dataclass(frozen=True)
class Thumbnail:
    """A frame's luma (h, w) uint8, at most 160 px long; mean and standard deviation in levels."""

    luma: NDArray[np.uint8]
    mean: float
    deviation: float

    @classmethod
    def of(cls, frame: np.ndarray) -> Thumbnail:
        """Of a frame (h, w, 3), uint8 or uint16."""
        height, width = frame.shape[:2]
        scale = min(1.0, _SIZE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        levels = np.rint(grey * (255 / np.iinfo(frame.dtype).max)).astype(np.uint8)
        return cls(levels, float(levels.mean()), float(levels.std()))

    @property
    def plain(self) -> bool:
        """Whether there is no picture: black, white or any one shade."""
        return self.deviation < _PLAIN


@dataclass(frozen=True)
class Seen(Generic[Item]):
    """A frame in its shot.

    index: of the frame, from 0
    item: what was given as the frame
    begins: whether a shot begins here; the first frame begins one
    note: what else there is to say
    change: from the last frame of the shot, 0 for the first frame; more than 0.6 at a cut
    """

    index: int
    item: Item
    begins: bool
    note: Note
    change: float


def change(now: Thumbnail, before: Thumbnail) -> float:
    """Mean |n - W n'|, n = (luma - mean) / σ: near 0 in a shot, near 1 from one shot to another.

    W is the warp by a rough flow, or by one that begins with the shift of the whole frame (the
    largest phase correlation) if that explains more; so a whip pan is no cut. Where a flow leaves
    the frame nothing is compared, unless that is more than half. σ is 5 levels at least, so that
    noise on a plain surface is no change. Means and σ are each frame's own, so that light may vary.
    """
    plain = _difference(now, before, rough_motion(now.luma, before.luma))
    if plain <= CUT or min(now.luma.shape) < 2:
        return plain
    return min(plain, _difference(now, before, _shifted_motion(now.luma, before.luma)))


def _shifted_motion(one: np.ndarray, other: np.ndarray) -> Flow:
    """Rough flow after a shift of the whole frame by whole pixels."""
    window = cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
    far, _ = cv2.phaseCorrelate(one.astype(np.float32), other.astype(np.float32), window)
    flow = np.empty((*one.shape, 2), np.float32)
    flow[:] = np.rint(far)
    more: Flow = flow + rough_motion(one, looked_up(other, flow))
    return more


def _difference(now: Thumbnail, before: Thumbnail, back: Flow) -> float:
    off, inside = np.abs(_normal(now) - looked_up(_normal(before), back)), coverage(back)
    return float(off[inside].mean() if inside.mean() > 0.5 else off.mean())


def shots(
    frames: Iterable[Item], pixels: Callable[[Item], np.ndarray] = lambda item: np.asarray(item)
) -> Iterator[Seen[Item]]:
    """Says of each frame, in order, whether a shot begins.

    pixels: gives an item's pixels (h, w, 3), uint8 or uint16; the item itself, if it is an array
    """
    film = _Ahead(frames, pixels)
    last: Thumbnail | None = None  # of the shot, None where one must begin
    index = 0
    while film.has(0):
        odd, difference = 1, 0.0
        if last:
            difference = change(film[0], last)
            odd = _odd_frames(film, last)
        if last and odd == 0:
            yield Seen(index, film.take(), False, _light(film.taken, last), difference)
            last = film.taken
        elif last and _comes_back(film, last, odd):
            for k in range(odd):
                difference = change(film[0], last)
                yield Seen(index + k, film.take(), False, _oddity(film.taken, last), difference)
        else:
            foreign = last is None or difference > CUT
            begins = index == 0 or (foreign and not film[0].plain)
            note = _shade(film[0]) if foreign or not last else _light(film[0], last)
            yield Seen(index, film.take(), begins, note, difference)
            last, odd = None if film.taken.plain else film.taken, 1
        index += max(odd, 1)


class _Ahead(Generic[Item]):
    """Frames yet to come and their thumbnails, read when they are asked for."""

    def __init__(self, frames: Iterable[Item], pixels: Callable[[Item], np.ndarray]) -> None:
        self._frames, self._pixels = iter(frames), pixels
        self._read: deque[tuple[Item, Thumbnail]] = deque()
        self.taken: Any = None

    def has(self, k: int) -> bool:
        """Whether there are more than k frames to come."""
        while len(self._read) <= k:
            try:
                item = next(self._frames)
            except StopIteration:
                return False
            self._read.append((item, Thumbnail.of(self._pixels(item))))
        return True

    def __getitem__(self, k: int) -> Thumbnail:
        return self._read[k][1]

    def take(self) -> Item:
        """The next frame, whose thumbnail is `taken` from now on."""
        item, self.taken = self._read.popleft()
        return item


def _odd_frames(film: _Ahead[Any], last: Thumbnail) -> int:
    """How many frames in a row do not look as the shot did, three at most."""
    odd = 0
    while odd < _AHEAD and film.has(odd) and _strange(film[odd], last):
        odd += 1
    return odd


def _strange(frame: Thumbnail, last: Thumbnail) -> bool:
    return frame.plain or frame.mean > last.mean + _FLASH or change(frame, last) > CUT


def _comes_back(film: _Ahead[Any], last: Thumbnail, odd: int) -> bool:
    """Whether the shot goes on after the odd frames, which were a flash or nothing."""
    bright = last.mean + _BRIGHTER
    brief = odd == 1 or all(film[k].plain or film[k].mean > bright for k in range(odd))
    return brief and film.has(odd) and not _strange(film[odd], last)


def _oddity(frame: Thumbnail, last: Thumbnail) -> Note:
    if frame.mean > last.mean + _BRIGHTER:
        return "flash"
    return _shade(frame) or "stray"


def _shade(frame: Thumbnail) -> Note:
    """What a frame without a picture shows; nothing for one that has one."""
    if not frame.plain:
        return ""
    return "black" if frame.mean < _DARK else "white" if frame.mean > _BRIGHT else "plain"


def _light(frame: Thumbnail, last: Thumbnail) -> Note:
    """What a frame without a picture shows, or whether light changes fast."""
    contrast, levels = _FADE
    steady = 1 / contrast < frame.deviation / last.deviation < contrast
    changes = abs(frame.mean - last.mean) > levels and not steady
    return _shade(frame) or ("light" if changes else "")


def _normal(frame: Thumbnail) -> NDArray[np.float32]:
    """Luma (h, w) with mean 0 and standard deviation 1."""
    away = frame.luma.astype(np.float32) - np.float32(frame.mean)
    normal: NDArray[np.float32] = away / np.float32(max(frame.deviation, 5.0))
    return normal

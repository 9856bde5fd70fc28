"""The canvases of a shot that were painted, and where they are in other frames of it.

A frame is held by those painted before it, the nearest that shows a place first; one between two
that are painted by both of them, by their trust and their nearness in time. Towards the end of a
loop the shot's first canvas comes in, which is the next after the last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from impasto.apps.film.ahead import Moves
from impasto.apps.film.flow import rough_motion
from impasto.apps.film.order import Path, Prepared, moved
from impasto.apps.film.painting import Moved
from impasto.apps.film.reliability import Confidence, closest_first, confidence, shared
from impasto.apps.film.warp import looked_up, warped
from impasto.apps.film.work import Canvas
from impasto.settings import FilmSettings

__all__ = ["Canvases"]

_ENOUGH = 0.995  # of a frame covered: farther canvases could add nothing that is seen
_CLOSING = 8  # frames, at the end of a loop, in which its first canvas comes in


@dataclass(frozen=True, eq=False)
class _Remembered:
    """A frame that was painted, its canvas (3, h, w), sRGB, and how far it is painted, (h, w)."""

    item: Prepared
    canvas: torch.Tensor
    settled: torch.Tensor

    def moved(self, distance: int, motion: Moves, where: Confidence) -> Moved:
        """It where it is in another frame, from which `motion` leads to it."""
        canvas = warped(self.canvas, motion.back)
        settled = torch.from_numpy(looked_up(self.settled.numpy(), motion.back))
        return Moved(distance, canvas, torch.from_numpy(where), settled, self.item.sources)


class Canvases:
    """Those that frames yet to come need: the last few, and of a loop the first.

    Args:
        film: how frames follow one another.
        count: frames of the clip, which in a loop are followed by its first.
    """

    def __init__(self, film: FilmSettings, count: int) -> None:
        self._film, self._count = film, count
        self._known: dict[int, _Remembered] = {}  # by number of painted frame in the shot
        self._next = 0
        self._first: _Remembered | None = None

    def clear(self) -> None:
        """A shot begins: nothing before it holds its frames."""
        self._known.clear()
        self._next, self._first = 0, None

    def remember(self, item: Prepared, canvas: Canvas | None) -> None:
        """The next painted frame of the shot, and its canvas; None where that is lost."""
        if canvas is not None:
            self._known[self._next] = _Remembered(item, canvas.pixels, canvas.settled)
            if self._next == 0 and self._film.loop:
                self._first = self._known[0]
        self._next += 1
        for old in [n for n in self._known if n < self._next - 1 - self._reach]:
            del self._known[old]

    def needed(self) -> set[int]:
        """Frames whose canvases the next painted frame and those after it may need."""
        return {each.item.frame.index for each in self._known.values()}

    def moved(self, item: Prepared, motion: Moves | None) -> list[Moved]:
        """Those painted before, where they are in a frame, nearest first, as far as they add.

        `motion` is the frame's to the last that was painted; nothing is held without it.
        """
        if motion is None or not self._known:
            return []
        found: list[tuple[int, _Remembered, Moves]] = []
        covered = np.zeros(item.levels.shape[:2], np.float32)
        for distance in sorted(self._film.references):
            before = self._known.get(self._next - distance)
            if before is None or not _adds(item, before.item, covered, distance):
                continue
            near = motion if distance == 1 else moved(item, before.item)
            found.append((distance, before, near))
            covered = np.sum(closest_first([near.trust for *_, near in found]), axis=0)
        parts = closest_first([near.trust for *_, near in found])
        held = [
            before.moved(distance, near, where)
            for (distance, before, near), where in zip(found, parts, strict=True)
        ]
        return held if self._first is None else self._closed(item, held, self._first)

    def beside(self, index: int, path: Path) -> list[Moved]:
        """The two painted last, where they are in a frame between them."""
        before, after = self._known[self._next - 2], self._known[self._next - 1]
        assert path.before
        assert path.after
        start, stop = before.item.frame.index, after.item.frame.index
        passed = (index - start) / (stop - start)
        one, other = shared(path.before.trust, path.after.trust, passed)
        return [
            before.moved(1, path.before, one),
            after.moved(-1, path.after, other),
        ]

    @property
    def _reach(self) -> int:
        return max(self._film.references)

    def _closed(self, item: Prepared, held: list[Moved], first: _Remembered) -> list[Moved]:
        """At the end of a loop, the first canvas too, the more the nearer its frame comes."""
        closing = min(max(_CLOSING, 2 * self._film.every), self._count // 2)
        left = self._count - item.frame.index
        if left > closing:
            return held
        motion, passed = moved(item, first.item), 1 - left / (closing + 1)
        covered = torch.stack([each.where for each in held]).sum(0).numpy()
        _, other = shared(covered, motion.trust, passed)
        rest = torch.from_numpy(1 - np.float32(passed) * motion.trust)
        return [
            *(replace(each, where=each.where * rest) for each in held),
            first.moved(-1, motion, other),
        ]


def _adds(item: Prepared, before: Prepared, covered: Confidence, distance: int) -> bool:
    """Whether a frame farther before may show what nearer ones do not: a guess, at half the size.

    It takes a tenth of the time of the flows that it saves.
    """
    if distance == 1:
        return True
    if covered.mean() > _ENOUGH:
        return False
    size = max(1, covered.shape[1] // 2), max(1, covered.shape[0] // 2)
    pair = item.levels, before.levels
    now, then = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in pair)
    trust = confidence(now, then, rough_motion(now, then), rough_motion(then, now))
    known = cv2.resize(covered, size, interpolation=cv2.INTER_AREA)
    return float(np.maximum(trust - known, 0).mean()) > 1 - _ENOUGH

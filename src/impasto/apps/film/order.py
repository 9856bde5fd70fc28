"""In which order the frames of a shot are painted, and how each moves to those it is held by.

    every = 1     0  1  2  3  4 …
    every = 4     0  4 (1 2 3)  8 (5 6 7) … and the shot's last frame

A stretch is what is painted in one go: a frame, and then those between it and the frame painted
before. With `every` = 1 nothing is between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from impasto.apps.film.ahead import Moves, both_ways, joined, moves
from impasto.apps.film.clip import Frame
from impasto.apps.film.shots import Seen
from impasto.apps.film.sources import FrameSources, agreement
from impasto.images import Picture

__all__ = ["Following", "Path", "Prepared", "followed", "in_pairs", "moved", "paths", "stretches"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A frame at the film's size: as a picture, and its levels (h, w, 3) uint8 or uint16.

    `sources` are what it is painted from beside itself.
    """

    frame: Frame
    picture: Picture
    levels: np.ndarray
    sources: FrameSources


@dataclass(frozen=True, eq=False)
class Following:
    """A frame in its shot, and how it moves from the one before.

    back: to the frame before; None for the first of a shot, and where nothing is to be painted
    forth: from the frame before to this one; None too where no frames are between painted ones
    """

    seen: Seen[Prepared]
    back: Moves | None = None
    forth: Moves | None = None


@dataclass(frozen=True, eq=False)
class Path:
    """How a frame moves to the painted frames on both sides of it, as far as there are flows."""

    before: Moves | None
    after: Moves | None = None


def in_pairs(
    seen: Iterator[Seen[Prepared]],
) -> Iterator[tuple[Seen[Prepared], Prepared | None]]:
    """Each frame with the one before it in its shot."""
    before: Prepared | None = None
    for each in seen:
        yield each, None if each.begins else before
        before = each.item


def followed(
    missing: Collection[int], every: int, pair: tuple[Seen[Prepared], Prepared | None]
) -> Following:
    """A frame with its flows, where it or one of its stretch is to be painted."""
    seen, before = pair
    near = range(seen.index - every + 1, seen.index + every)
    if before is None or not any(index in missing for index in near):
        return Following(seen)
    if every == 1:
        return Following(seen, moved(seen.item, before))
    back, forth = both_ways(seen.item.levels, before.levels)
    return Following(seen, alike(back, seen.item, before), alike(forth, before, seen.item))


def moved(now: Prepared, before: Prepared) -> Moves:
    """Motion from one frame to another, trusted as far as both are painted alike."""
    return alike(moves(now.levels, before.levels), now, before)


def alike(motion: Moves, now: Prepared, before: Prepared) -> Moves:
    """The same motion, trusted only where masks that move agree."""
    where = agreement(now.sources, before.sources, motion.back)
    return Moves(motion.back, np.asarray(motion.trust * where, np.float32))


def stretches(frames: Iterable[Following], every: int) -> Iterator[list[Following]]:
    """The frames from one that is painted (not with them) to the next (with them).

    The first frame of a shot and its last are painted, and every so many between.
    """
    waiting: list[Following] = []
    for each in frames:
        if each.seen.begins and waiting:
            yield waiting
            waiting = []
        waiting.append(each)
        if each.seen.begins or len(waiting) == every:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def paths(stretch: Sequence[Following]) -> list[Path]:
    """For each frame its motion to the painted frame before the stretch, and to the last of it."""
    before: list[Moves | None] = []
    for each in stretch:
        before.append(_on(each.back, before[-1]) if before else each.back)
    after: list[Moves | None] = [None]
    for each in reversed(stretch[1:]):
        after.append(_on(each.forth, after[-1]) if len(after) > 1 else each.forth)
    return [Path(*both) for both in zip(before, reversed(after), strict=True)]


def _on(near: Moves | None, far: Moves | None) -> Moves | None:
    return joined(near, far) if near and far else None

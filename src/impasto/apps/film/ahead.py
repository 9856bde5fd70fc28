"""Work on the next frames while this one is painted.

    pairs = zip(frames_but_the_first, frames)
    with Ahead(lambda pair: moves(*pair), pairs) as results:
        for motion in results: ...

One thread works: OpenCV lets go of Python's lock, and a film needs its flows in order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, TypeVar

import numpy as np

from impasto.apps.film.flow import Flow, motion
from impasto.apps.film.reliability import Confidence, confidence
from impasto.apps.film.warp import looked_up
from impasto.errors import SettingsError

__all__ = ["Ahead", "Moves", "both_ways", "joined", "moves"]

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Moves:
    """From one frame to another, as a rule one before it.

    back: flow (h, w, 2) in pixels, from the frame to the other
    trust: confidence (h, w) in [0, 1] in it
    """

    back: Flow
    trust: Confidence


def moves(frame: np.ndarray, before: np.ndarray) -> Moves:
    """Motion and its reliability for two frames (h, w, 3), uint8 or uint16."""
    back, forth = motion(frame, before), motion(before, frame)
    return Moves(back, confidence(frame, before, back, forth))


def both_ways(frame: np.ndarray, before: np.ndarray) -> tuple[Moves, Moves]:
    """`moves(frame, before)` and `moves(before, frame)`, each flow computed once."""
    back, forth = motion(frame, before), motion(before, frame)
    return (
        Moves(back, confidence(frame, before, back, forth)),
        Moves(forth, confidence(before, frame, forth, back)),
    )


def joined(near: Moves, far: Moves) -> Moves:
    """From a frame to a third by way of a second: `near` leads to the second, `far` on from it.

    b(p) = n(p) + f(p + n(p)), as sure as the less sure of the two steps.
    """
    on, trust = looked_up(far.back, near.back), looked_up(far.trust, near.back)
    return Moves(near.back + on, np.minimum(near.trust, trust))


class Ahead(Generic[Given, Made]):
    """Results of `work` for each item, in order, made in a thread of their own.

    The thread begins at once. It reads items and makes results until `depth` of them wait, and goes
    on as they are taken. An error of the work or of the items is raised where its result would be.
    The thread ends with the items, with an error, or when the block ends, after what it is at.
    """

    def __init__(
        self, work: Callable[[Given], Made], items: Iterable[Given], depth: int = 2
    ) -> None:
        if depth < 1:
            raise SettingsError(f"depth is {depth}; work ahead needs room for 1 result at least")
        self._results: SimpleQueue[tuple[list[Made], BaseException | None]] = SimpleQueue()
        self._room = threading.Semaphore(depth)
        self._stopped = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._make, args=(work, iter(items)), daemon=True)
        self._thread.start()

    def __enter__(self) -> Ahead[Given, Made]:
        """Itself; the thread ends with the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the thread."""
        self.close()

    def __iter__(self) -> Iterator[Made]:
        """Itself: results are taken once."""
        return self

    def __next__(self) -> Made:
        """The next result; waits for it."""
        if self._over:
            raise StopIteration
        made, error = self._results.get()
        if made:
            self._room.release()
            return made[0]
        self.close()
        if isinstance(error, StopIteration):
            raise RuntimeError("the work raised StopIteration") from error
        raise error or StopIteration

    def close(self) -> None:
        """End the thread, and wait until it has; results that wait are dropped."""
        self._over = True
        self._stopped.set()
        self._room.release()
        self._thread.join()

    def _make(self, work: Callable[[Given], Made], items: Iterator[Given]) -> None:
        error: BaseException | None = None
        try:
            while True:
                self._room.acquire()
                if self._stopped.is_set():
                    break
                try:
                    item = next(items)
                except StopIteration:
                    break
                self._results.put(([work(item)], None))
        except BaseException as raised:  # raised again where results are taken
            error = raised
        self._results.put(([], error))

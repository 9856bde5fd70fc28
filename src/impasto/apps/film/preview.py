"""The frame that was painted last, in a file that is always whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from impasto.apps.film.events import FrameDone
from impasto.images import check_writable

__all__ = ["Preview"]

PAUSE = 1.0  # seconds between two frames


class Preview:
    """Overwrites a picture file with frames as they are done, at most one a second, and the last.

    Args:
        path: a picture file, of any format that can be written.
        clock: tells the seconds.
    """

    def __init__(
        self, path: str | os.PathLike[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path, self._clock = Path(os.fsdecode(path)), clock
        self._due = -float("inf")

    def check(self, size: tuple[int, int]) -> None:
        """OutputError where a picture of `size` (w, h), pixels, cannot be written."""
        check_writable(self.path, 8, 95, size)

    def show(self, frame: FrameDone) -> None:
        """Write a frame, if it is time; OutputError where that fails."""
        now = self._clock()
        if now >= self._due or frame.done == frame.total:
            self._due = now + PAUSE
            frame.picture().save(self.path)

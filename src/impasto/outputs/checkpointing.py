"""Checkpoints of a run while it goes on, in the background."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable

from impasto.errors import OutputError
from impasto.run.checkpoint import Checkpoint

__all__ = ["CheckpointWriter"]

_LEAST_PAUSE = 5.0  # seconds
_SHARE = 0.02  # of a run's time
_MOST_COPIED = 2**28  # bytes

_now, _worked = time.monotonic, time.thread_time


class CheckpointWriter:
    """Saves checkpoints of a run to `path` while it goes on: one at a time, in the background.

    Those too large to be copied, which may be half of what a run takes, are saved in its midst.
    One begins `every` so many seconds; with 0 at each offer. With None it is at most one in 5
    seconds, and so few that copying, hashing and writing take less than 2 % of the run's time, as
    long as one costs what the last one did. Where saving fails there is a warning, one for each
    kind of failure, and the run goes on.
    """

    def __init__(self, path: str | os.PathLike[str], every: float | None) -> None:
        self._path, self._every = path, every
        self._started = self._began = _now()
        self._spent = self._cost = 0.0  # seconds in all, and those of the last one
        self._thread: threading.Thread | None = None
        self._trouble: str | None = None
        self._told: set[str] = set()

    def offer(self, make: Callable[[], Checkpoint]) -> None:
        """Save what `make` returns, if it is time and the one before is saved.

        What it returns may share the run's tensors.
        """
        if self._every == 0:
            self._wait()
        if self._thread and self._thread.is_alive():
            return
        self._tell()
        if self._is_due():
            self._begin(make)

    def close(self, make: Callable[[], Checkpoint] | None = None) -> None:
        """Wait until the last one is saved, and save what `make` returns if it is given."""
        self._wait()
        self._tell()
        if make:
            self._begin(make)
            self._wait()
            self._tell()

    def _is_due(self) -> bool:
        pause, run = _now() - self._began, _now() - self._started
        if self._every is not None:
            return pause >= self._every
        return pause >= _LEAST_PAUSE and self._spent + self._cost <= _SHARE * run

    def _begin(self, make: Callable[[], Checkpoint]) -> None:
        self._began = _now()
        checkpoint = make()
        if checkpoint.bytes > _MOST_COPIED:
            self._save(checkpoint)
            self._note(_now() - self._began)
            return
        checkpoint = checkpoint.copied()
        work = (checkpoint, _now() - self._began)
        # a daemon, for a run that is interrupted twice shall end at once
        self._thread = threading.Thread(target=self._save_beside, args=work, daemon=True)
        self._thread.start()

    def _save_beside(self, checkpoint: Checkpoint, copying: float) -> None:
        """In the thread: its waiting for the disk costs the run nothing."""
        before = _worked()
        self._save(checkpoint)
        self._note(copying + _worked() - before)

    def _save(self, checkpoint: Checkpoint) -> None:
        try:
            checkpoint.save(self._path)
        except Exception as error:  # whatever it is, the run goes on
            self._trouble = str(error) if isinstance(error, OutputError) else repr(error)

    def _note(self, cost: float) -> None:
        """Remember what one took of the run's time, seconds."""
        self._cost = cost
        self._spent += cost

    def _wait(self) -> None:
        if self._thread:
            self._thread.join()
            self._thread = None

    def _tell(self) -> None:
        """Warn of a failure that is new."""
        trouble, self._trouble = self._trouble, None
        if trouble and trouble not in self._told:
            self._told.add(trouble)
            warnings.warn(f"no checkpoint: {trouble}", stacklevel=3)

"""Checkpoints of a run, saved in the background while it goes on."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.errors import ImpastoError, OutputError
from impasto.outputs.base import Option, Output, Size, Values

if TYPE_CHECKING:
    from impasto.run.checkpoint import Checkpoint
    from impasto.run.run import Run

__all__ = ["CHECKPOINT_NAME", "CheckpointOutput", "CheckpointWriter", "SharedWriter"]

CHECKPOINT_NAME = "{stem}.checkpoint"
"""Name of a checkpoint beside the picture, if no other is given."""

_MIN_PAUSE = 5.0  # seconds
_SHARE = 0.02  # of the run's time
_MAX_COPY = 2**28  # bytes
_MAX_CANVASES = 2 * 1000 + 4  # pairs of the longest history; point, gradient, best, average

_now, _worked = time.monotonic, time.thread_time


class CheckpointOutput(Output):
    """What it takes to resume the run; deleted at its end, unless it is to be kept."""

    options = (
        Option(
            "checkpoint",
            Path,
            "Save the state of the run there while painting, so that --resume can continue it.",
            metavar="FILE.checkpoint",
        ),
        Option(
            "checkpoint_every",
            float,
            "Interval; 0 saves after each iteration. By default saving takes under 2 % of time.",
            metavar="SECONDS",
            minimum=0,
        ),
        Option(
            "keep_checkpoint",
            bool,
            "Keep it when the picture is finished, so that --resume can add iterations later.",
        ),
    )
    endings = (".checkpoint",)
    resumable = True
    in_batch = False
    announced = False

    @classmethod
    def requested(cls, values: Values) -> bool:
        """Whether a file, an interval, or that it is kept is given."""
        return bool(values)

    @property
    def path(self) -> Path:
        """Its file, by default beside the picture."""
        given = self.values.get("checkpoint")
        return Path(str(given)) if given else self.target.beside(CHECKPOINT_NAME)

    def extra_bytes(self, size: Size) -> int:
        """Memory of the copy that is saved while the run goes on, bytes, at most."""
        return min(_MAX_COPY, _MAX_CANVASES * 3 * 4 * size[0] * size[1])

    def begin(self, run: Run, *, continues: bool) -> None:
        """Begin to measure the time."""
        every = self.values.get("checkpoint_every")
        self._run = run
        self._writer = CheckpointWriter(self.path, every)
        self._shared = SharedWriter(run, self.path, every) if run.share else None

    def handle(self, event: Any) -> None:  # noqa: ANN401 (any event)
        """Save a checkpoint after a Step, if it is time; OutputError if the last one failed."""
        from impasto.run.events import Step

        if self._shared and isinstance(event, Step):
            self._shared.offer()
        elif isinstance(event, Step):
            self._writer.offer(partial(self._run.checkpoint, copy=False))

    def settle(self, *, complete: bool) -> None:
        """Delete the checkpoint of a complete run, else save the last one; OutputError if not."""
        from impasto.run.checkpoint import Checkpoint

        if self._shared:
            self._shared.close(save=not complete or bool(self.values.get("keep_checkpoint")))
        elif complete and not self.values.get("keep_checkpoint"):
            self._writer.close()
            Checkpoint.remove(self.path)
        else:
            last = partial(self._run.checkpoint, copy=False) if self._run.between_steps else None
            self._writer.close(last)


class CheckpointWriter:
    """Saves checkpoints of a run to `path`: one at a time, in the background.

    One larger than 256 MB is not copied but saved at once, while the run waits: a copy may be half
    of what the run takes.

    Args:
        path: the file.
        every: seconds from one to the next; 0 saves at each offer. None is 5 seconds or more, such
            that copying, hashing and writing take less than 2 % of the run's time, if each
            checkpoint costs as much as the last one.
    """

    def __init__(self, path: str | os.PathLike[str], every: float | None) -> None:
        self._path, self._pace = path, _Pace(every)
        self._thread: threading.Thread | None = None
        self._failure: str | None = None
        self._reported: set[str] = set()

    def offer(self, make: Callable[[], Checkpoint]) -> None:
        """Save what `make` returns, if it is time and the one before is saved.

        The checkpoint may share the run's tensors. Raises OutputError if saving the one before
        failed, once for each kind of failure; the next offer is saved again.
        """
        if self._pace.every == 0:
            self._wait()
        if self._thread and self._thread.is_alive():
            return
        failure = self._new_failure()
        if self._pace.is_due():
            self._begin(make)
        if failure:
            raise failure

    def close(self, make: Callable[[], Checkpoint] | None = None) -> None:
        """Wait until the last one is saved; then save what `make` returns, if it is given.

        The checkpoint may share the run's tensors. Raises OutputError if saving either of them
        failed in a way not reported yet.
        """
        self._wait()
        failure = self._new_failure()
        if make:
            self._begin(make, aside=False)
            failure = self._new_failure() or failure
        if failure:
            raise failure

    def _begin(self, make: Callable[[], Checkpoint], *, aside: bool = True) -> None:
        """Save what `make` returns, in the thread if it can be `aside`."""
        began = self._pace.begin()
        with self._noted():
            checkpoint = make()
            if aside and checkpoint.bytes <= _MAX_COPY:
                work = (checkpoint.copied(), _now() - began)
                # a daemon thread, so that a second Ctrl-C ends the process at once
                self._thread = threading.Thread(target=self._save_aside, args=work, daemon=True)
                self._thread.start()
                return
            checkpoint.save(self._path)
        self._pace.note(_now() - began)

    def _save_aside(self, checkpoint: Checkpoint, copying: float) -> None:
        """Save in the thread; the time it waits for the disk costs the run nothing."""
        before = _worked()
        with self._noted():
            checkpoint.save(self._path)
        self._pace.note(copying + _worked() - before)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Remember a failure, whatever it is, so that the run goes on."""
        from impasto.hardware.oom import memory_guard

        try:
            with memory_guard("a checkpoint"):
                yield
        except Exception as error:
            self._failure = str(error) if isinstance(error, ImpastoError) else repr(error)

    def _wait(self) -> None:
        if self._thread:
            self._thread.join()
            self._thread = None

    def _new_failure(self) -> OutputError | None:
        """The error of the last checkpoint, unless one like it was reported."""
        failure, self._failure = self._failure, None
        if failure is None or failure in self._reported:
            return None
        self._reported.add(failure)
        return OutputError(f"no checkpoint: {failure}")


class SharedWriter:
    """Saves checkpoints of a run that processes share, while it waits: see CheckpointWriter.

    The clock of the first process decides for all.
    """

    def __init__(self, run: Run, path: Path, every: float | None) -> None:
        self._run, self._path, self._pace = run, path, _Pace(every)

    def offer(self) -> None:
        """Save a checkpoint if it is time; collective. OutputError where that fails."""
        from impasto.objective.ranks import gathered

        share = self._run.share
        assert share is not None
        if gathered(share.ranks, float(self._pace.is_due()))[0]:
            self._save()

    def close(self, *, save: bool) -> None:
        """Save the last one, or delete it; collective. OutputError where that fails."""
        from impasto.run.shared_checkpoint import remove_shared

        share = self._run.share
        assert share is not None
        if not save:
            remove_shared(self._path, share.ranks)
        elif self._run.between_steps:
            self._save()

    def _save(self) -> None:
        from impasto.run.shared_checkpoint import save_shared

        share, began = self._run.share, self._pace.begin()
        assert share is not None
        try:
            save_shared(self._run.checkpoint(copy=False), self._path, share)
        except OutputError as error:
            raise OutputError(f"no checkpoint: {error}") from error
        finally:
            self._pace.note(_now() - began)


class _Pace:
    """When to save the next checkpoint; `every` as in CheckpointWriter."""

    def __init__(self, every: float | None) -> None:
        self.every = every
        self._started = self._began = _now()
        self._spent = self._cost = 0.0  # seconds in total, and of the last one

    def is_due(self) -> bool:
        """Whether it is time."""
        pause, run = _now() - self._began, _now() - self._started
        if self.every is not None:
            return pause >= self.every
        return pause >= _MIN_PAUSE and self._spent + self._cost <= _SHARE * run

    def begin(self) -> float:
        """A checkpoint begins: the time now."""
        self._began = _now()
        return self._began

    def note(self, cost: float) -> None:
        """Add the seconds of the run's time that it took."""
        self._cost = cost
        self._spent += cost

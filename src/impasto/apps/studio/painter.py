"""The parent's side of the painting process: one at most, replaced when it dies.

The process is spawned: a forked child would wait for threads of torch that it does not have.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from impasto.apps.environment import tell_threads
from impasto.apps.studio.orders import Order, Quit, Told

__all__ = ["Painter"]

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0  # seconds between two that died before they were ready


class Painter:
    """A painting process, and a thread that hears it.

    Args:
        heard: called with everything it tells, in that thread; `died` is told of each process that
            ended, with its exit code.
        prepare: functions, each `module:name`, that the process calls first; a program that
            registers variants of its own registers them so in the painter.
        warm: load the network of the default recipe before the first job.
        patience: seconds that a job under way has to be saved when the studio closes.
    """

    def __init__(
        self,
        heard: Callable[[Told], object],
        prepare: Sequence[str] = (),
        *,
        warm: bool = True,
        patience: float = 15.0,
    ) -> None:
        self._heard, self._setup, self._patience = heard, (tuple(prepare), warm), patience
        self._lock = threading.Lock()  # of the two below
        self._pipe: Connection | None = None
        self._process: SpawnProcess | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="painter")

    def start(self) -> None:
        """Start the process in the background."""
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The number of the process; None while there is none."""
        process = self._process
        return process.pid if process else None

    def send(self, order: Order) -> bool:
        """Send an order; whether there was a process to send it to."""
        with self._lock:
            if self._pipe is None:
                return False
            try:
                self._pipe.send(order)
            except (OSError, ValueError):  # it died; the thread will hear of it
                return False
            return True

    def close(self) -> None:
        """End the process, once it has saved what it paints, or its time for that is over."""
        self._closing.set()
        self.send(Quit())
        if not self._thread.is_alive():
            return
        self._thread.join(self._patience)
        with self._lock:
            if self._process is not None and self._thread.is_alive():
                self._process.kill()
        self._thread.join()

    def _follow(self) -> None:
        """Start a process, hear it until it ends, and again."""
        failures = 0
        while not self._closing.is_set():
            pipe, process = self._spawned()
            ready = False
            while (told := _received(pipe)) is not None:
                ready = ready or told.kind == "ready"
                self._tell(told)
            with self._lock:
                self._pipe = None
                pipe.close()
            process.join()
            with self._lock:
                self._process = None
            failures = 0 if ready else failures + 1
            self._tell(Told("died", facts={"code": process.exitcode}))
            self._closing.wait(min(_LONGEST_PAUSE, 2.0**failures) if failures else 0)

    def _tell(self, told: Told) -> None:
        """Tell it; an error there must not end this thread, without which nothing is painted."""
        try:
            self._heard(told)
        except Exception:
            _LOG.exception("the studio could not take in what its painter told: %s", told.kind)

    def _spawned(self) -> tuple[Connection, SpawnProcess]:
        context = multiprocessing.get_context("spawn")
        pipe, theirs = context.Pipe()
        process = context.Process(
            target=_paint, args=(theirs, *self._setup), daemon=True, name="painter"
        )
        process.start()
        theirs.close()  # so that the pipe ends when the process does
        with self._lock:
            self._pipe, self._process = pipe, process
        if self._closing.is_set():
            self.send(Quit())
        return pipe, process


def _received(pipe: Connection) -> Told | None:
    """What the process tells next; None once it has ended."""
    try:
        told: Told = pipe.recv()
        return told
    except (EOFError, OSError):
        return None


def _paint(pipe: Connection, prepare: Sequence[str], warm: bool) -> None:
    """The process: impasto.apps.studio.easel imports torch, which the parent never does."""
    tell_threads()
    from impasto.apps.studio.easel import work

    work(pipe, prepare, warm=warm)

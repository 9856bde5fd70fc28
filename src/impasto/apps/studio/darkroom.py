"""The parent's side of the worker process, in which everything that decodes pictures runs.

    studio ── name, arguments ──> worker ── value, or one line of text ──> studio

A file that takes too much memory or time ends the worker, not the studio; the next call gets a new
one. Calls come one after another.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from impasto.apps.environment import tell_threads
from impasto.apps.studio import tasks
from impasto.apps.studio.refusal import Refusal

__all__ = ["Darkroom"]

_STARTING = 120.0  # seconds until a new worker is ready, at most


class Darkroom:
    """A worker process and its one line.

    Args:
        prepare: functions, each `module:name`, that the worker calls before its first task; tests
            register networks so.
        patience: factor on the time limits of all tasks.
    """

    def __init__(self, prepare: Sequence[str] = (), patience: float = 1.0) -> None:
        self._prepare, self._patience = tuple(prepare), patience
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="darkroom")
        self._lock = threading.Lock()  # of the two below, which `close` changes from outside
        self._process: SpawnProcess | None = None
        self._closed = self._greeted = False
        self._pipe: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The worker's process number; None while there is none."""
        process = self._process
        return process.pid if process else None

    def start(self) -> None:
        """Start the worker in the background."""
        self._pool.submit(self._ready)

    async def call(self, name: str, *arguments: Any) -> Any:  # noqa: ANN401 (plain values)
        """What the task `name` of `impasto.apps.studio.tasks` returns.

        Raises Refusal: 422 for what the task itself refuses, and where it takes too much memory or
        time; 503 where the studio ends.
        """
        return await asyncio.wrap_future(self.submit(name, *arguments))

    def submit(self, name: str, *arguments: Any) -> Future[Any]:  # noqa: ANN401 (plain values)
        """The same from a thread: a future."""
        if self._closed:
            raise Refusal(503, "the studio is closing")
        return self._pool.submit(self._run, name, arguments)

    def close(self) -> None:
        """End the worker, whatever it is at."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()  # whoever waits for it hears that its pipe ended
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            self._kill()

    def _run(self, name: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401 (plain values)
        task = tasks.TASKS[name]
        pipe = self._ready()
        try:
            pipe.send((name, arguments))
            if not pipe.poll(task.seconds * self._patience):
                self._lost()
                raise Refusal(422, f"{task.what} took longer than {task.seconds:.0f} s")
            kind, value = pipe.recv()
        except (EOFError, OSError):
            self._lost()
            if self._closed:
                raise Refusal(503, "the studio is closing") from None
            raise Refusal(422, f"{task.what} took more memory than there is for it") from None
        if kind == "value":
            return value
        if kind == "spent":  # memory ran out; what is left of the worker is not relied on
            self._lost()
        raise Refusal(500 if kind == "failed" else 422, value)

    def _ready(self) -> Connection:
        """The pipe to a worker that is there."""
        with self._lock:
            if self._closed:
                raise Refusal(503, "the studio is closing")
            if self._process is None or not self._process.is_alive() or self._pipe is None:
                self._kill()
                self._begin()
            pipe = self._pipe
        assert pipe is not None
        with suppress(EOFError, OSError):
            if not self._greeted and pipe.poll(_STARTING):
                self._greeted = pipe.recv() == "ready"
        return pipe

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._greeted = False
        arguments = (theirs, self._prepare)
        process = context.Process(target=_work, args=arguments, daemon=True, name="darkroom")
        process.start()
        theirs.close()  # so that the pipe ends when the process does
        self._process = process

    def _lost(self) -> None:
        """End the worker, and have the next one ready by the time it is asked for."""
        with self._lock:
            self._kill()
        with suppress(RuntimeError):  # the studio is closing
            self._pool.submit(self._ready)

    def _kill(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


def _work(pipe: Connection, prepare: Sequence[str]) -> None:
    """The process: impasto.apps.studio.worker imports torch, which the parent never does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    tell_threads()
    from impasto.apps.studio.worker import work

    work(pipe, prepare)

"""Jobs painted by several processes at once, each with its share of cores and memory.

driver ── Job, Job, … ──> worker ── events, Entry, … ──> driver

Workers are spawned: a forked child would wait for threads of torch that it does not have.
"""

from __future__ import annotations

import gc
import multiprocessing
import pickle
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event as Flag
from typing import Any

from impasto.apps.batch.executors import cache_size
from impasto.apps.batch.job import Task, Watch, entry_of, paint_job
from impasto.apps.batch.layout import Job
from impasto.apps.batch.manifest import Entry
from impasto.errors import ImpastoError, SettingsError
from impasto.objective import StyleCache
from impasto.outputs.session import Stop
from impasto.run.events import Step

__all__ = ["Processes", "sendable"]

_MAX_WORKERS = 1024


class Processes:
    """The executor `processes`: so many jobs at once."""

    def __init__(self, workers: int) -> None:
        if not 1 <= workers <= _MAX_WORKERS:
            raise SettingsError(f"jobs is {workers}; expected 1 to {_MAX_WORKERS}")
        self._workers = workers

    def map(self, jobs: Sequence[Job], task: Task, watch: Watch) -> Iterator[Entry]:
        """An Entry for each job, in the order in which they end.

        After Ctrl-C, each worker saves the picture it is at, and its entry is yielded.
        """
        count = min(self._workers, len(jobs))
        task = replace(task, share=task.share / max(1, count))
        crew = _Crew(count, task, jobs)
        try:
            yield from crew.entries(watch)
        finally:
            crew.close()


class _Worker:
    """A process, the driver's end of its pipe, and the job it is at."""

    def __init__(self, task: Task, cache: int, stop: Flag) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, task, cache, stop)
        self.process: SpawnProcess = context.Process(target=_work, args=arguments, daemon=True)
        with _interrupts_ignored():
            self.process.start()
        theirs.close()  # so that the pipe ends when the process does
        self.job: Job | None = None
        self.ready = False


class _Crew:
    """Workers that take jobs from one queue until it is empty or one of them is `raised`."""

    def __init__(self, count: int, task: Task, jobs: Sequence[Job]) -> None:
        self._task, self._cache = task, cache_size(jobs)
        self._waiting = list(jobs)
        self._stop = multiprocessing.get_context("spawn").Event()
        self._workers = [self._hired() for _ in range(count)]

    def entries(self, watch: Watch) -> Iterator[Entry]:
        """The entries as they come; `watch` sees the events on the way."""
        interrupted = False
        while any(self._is_busy(worker) for worker in self._workers):
            try:
                for worker in self._heard():
                    entry = self._handle(worker, watch)
                    if entry is None:
                        continue
                    if entry.raised:
                        self._end()
                    yield entry
            except KeyboardInterrupt:
                if interrupted:  # the second one
                    raise
                interrupted = True
                self._end()
        if interrupted:
            raise KeyboardInterrupt

    def close(self) -> None:
        """End all processes: those that wait for a job by themselves, the others at once."""
        for worker in self._workers:
            if worker.job or not worker.ready:
                worker.process.terminate()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()

    def _is_busy(self, worker: _Worker) -> bool:
        return bool(worker.job or (self._waiting and not worker.ready))

    def _hired(self) -> _Worker:
        return _Worker(self._task, self._cache, self._stop)

    def _end(self) -> None:
        """Begin no more jobs, and let those under way save their pictures."""
        self._waiting.clear()
        self._stop.set()

    def _heard(self) -> Iterator[_Worker]:
        """The workers that have something to say, or that died."""
        by_pipe: dict[Any, _Worker] = {worker.pipe: worker for worker in self._workers}
        yield from (by_pipe[pipe] for pipe in wait(list(by_pipe)))

    def _handle(self, worker: _Worker, watch: Watch) -> Entry | None:
        """Take one message; the entry, if it is one or the process died with a job."""
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            return self._replaced(worker)
        if isinstance(message, Entry) or message is None:  # None: it is ready
            worker.ready = True
            self._assign(worker)
            return message
        if worker.job:
            watch(worker.job, message)
        return None

    def _assign(self, worker: _Worker) -> None:
        """The next job, if there is one."""
        worker.job = self._waiting.pop(0) if self._waiting else None
        if worker.job:
            with suppress(OSError):  # it died; reading its pipe will tell
                worker.pipe.send(worker.job)

    def _replaced(self, worker: _Worker) -> Entry | None:
        """Put another process in place of one that died; the entry of the job it was at."""
        worker.pipe.close()
        worker.process.join()
        self._workers.remove(worker)
        code = worker.process.exitcode
        if not worker.ready:
            raise ImpastoError(
                f"a worker process ended with code {code} before its first job; a script that "
                f"paints with processes must do so under `if __name__ == '__main__':`"
            )
        if worker.job is None:
            return None
        if self._waiting:
            self._workers.append(self._hired())
        reason = "killed, perhaps for lack of memory" if code == -signal.SIGKILL else "ended"
        error = f"the worker process was {reason} (code {code})"
        return entry_of(worker.job, self._task, status="failed", error=error)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Start a process that ignores Ctrl-C, also while it imports; the driver handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(pipe: Connection, task: Task, size: int, stop: Stop) -> None:
    """Paint jobs from the pipe until it ends; `stop` ends a job early, `size` is the cache's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cache = StyleCache(size)

    def tell(_: Job, event: Any) -> None:  # noqa: ANN401 (an event)
        pipe.send(event.bare() if isinstance(event, Step) else event)

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the driver is gone
        pipe.send(None)
        while True:
            entry = paint_job(pipe.recv(), task, cache=cache, watch=tell, stop=stop)
            pipe.send(sendable(entry))
            if entry.error:
                gc.collect()  # the traceback of its error holds the run's arrays, in a cycle


def sendable(entry: Entry) -> Entry:
    """The entry, its error as text where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(entry))
    except Exception:
        return replace(entry, raised=RuntimeError(entry.error))
    return entry

"""The driver's side of a batch on a Ray cluster: who paints what, and what a loss costs.

    machines ──> hired ──> ready ──> at a job ──> ready …      one job at a time, a worker
                   │                    │
                   └─ lost: try again   └─ lost: the job goes to the next worker that is ready

Ray is behind the protocol `Cluster`, of which tests have one without processes. Workers do not
restart by Ray's `max_restarts`, nor are calls repeated by `max_task_retries`: Ray would resume the
stream of a repeated call where the first one broke off, and restart nothing on another machine.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from impasto.apps.batch.job import Task, Watch, entry_of
from impasto.apps.batch.layout import Job
from impasto.apps.batch.manifest import Entry
from impasto.apps.batch.ray_machines import Resources, difference, needs
from impasto.apps.batch.ray_worker import Greeting
from impasto.apps.batch.stores import Url
from impasto.errors import ImpastoError, OutputError
from impasto.run.events import Notice

__all__ = ["Cluster", "Crew", "Hand", "Lost"]

_RETRIES = 2  # of a job, and of the start of a worker on a machine
_LOOK = 5.0  # seconds between two looks for machines
_PATIENCE = 300.0  # seconds without any worker that is ready


class Lost(Exception):
    """A worker that has died; the text says why."""


class Hand(Protocol):
    """A worker as the driver holds it."""

    def greet(self) -> Any:  # noqa: ANN401 (a stream, which only the cluster knows)
        """A stream with its Greeting."""

    def paint(self, job: Job) -> Any:  # noqa: ANN401 (of Ray)
        """A stream with the events of a job, and its Entry."""

    def stop(self) -> None:
        """Let it end its job early."""

    def dismiss(self) -> None:
        """End its process."""


class Cluster(Protocol):
    """What the driver asks of Ray."""

    def machines(self) -> Mapping[str, Resources]:
        """What each machine that is there has, by its id."""

    def hire(self, machine: str, need: Resources) -> Hand:
        """Start a worker there."""

    def heard(self, streams: Sequence[Any], seconds: float) -> list[Any]:
        """The streams that have a message or are broken; after so many seconds perhaps none."""

    def take(self, stream: Any) -> Any:  # noqa: ANN401 (of Ray)
        """The next message of a stream; Lost where its worker died."""


@dataclass(eq=False)
class _Worker:
    """A worker, its machine, what it says, and the job it is at."""

    machine: str
    hand: Hand
    stream: Any
    job: Job | None = None


class Crew:
    """Workers that take jobs from one queue until it is empty or one of them is `raised`.

    Args:
        cluster: where.
        jobs, task: what they paint.
        own: the driver's `identity`, which each worker must have as well.
        limit: number of workers at most; None is as many as the machines have room for.
        clock: seconds from any beginning.
    """

    def __init__(
        self,
        cluster: Cluster,
        jobs: Sequence[Job],
        task: Task,
        own: Mapping[str, str],
        limit: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._task, self._own, self._clock = cluster, task, own, clock
        self._waiting, self._first = list(jobs), jobs[0] if jobs else None
        self._limit = len(jobs) if limit is None else limit
        self._workers: list[_Worker] = []
        self._losses, self._failures, self._lost = Counter[int](), Counter[str](), Counter[str]()
        self._reason, self._ending = "", False
        self._looked, self._alive = float("-inf"), clock()

    def entries(self, watch: Watch) -> Iterator[Entry]:
        """The entries as they come; `watch` sees the events on the way.

        Raises ImpastoError where no machine can paint.
        """
        interrupted = False
        while self._waiting or self._busy():
            try:
                yield from self._look(watch)
                for worker in self._heard():
                    if entry := self._handle(worker, watch):
                        yield entry
            except KeyboardInterrupt:  # noqa: PERF203 (a wait costs more)
                if interrupted:  # the second one
                    raise
                interrupted = True
                self._end()
        if interrupted:
            raise KeyboardInterrupt

    def close(self) -> None:
        """End all processes."""
        while self._workers:
            self._workers.pop().hand.dismiss()

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.job]

    def _end(self) -> None:
        """Begin no more jobs, and let those under way save their pictures."""
        self._ending = True
        self._waiting.clear()
        for worker in self._busy():
            worker.hand.stop()

    def _look(self, watch: Watch) -> Iterator[Entry]:
        """Now and then, replace workers of machines that are gone, and hire where there is room.

        Ray may wait for ever for a machine that is gone. ImpastoError where none can paint.
        """
        now = self._clock()
        if now - self._looked < _LOOK:
            return
        machines = self._cluster.machines()
        for worker in [w for w in self._workers if w.machine not in machines]:
            if not worker.job:
                self._dismiss(worker)
            elif entry := self._replace(worker, "its machine is gone", watch):
                yield entry
        self._looked = now
        if self._waiting:
            self._hire(machines, now)

    def _hire(self, machines: Mapping[str, Resources], now: float) -> None:
        """Start workers where there is room."""
        hired = Counter(worker.machine for worker in self._workers)
        # one that lost a worker comes last: it may be gone, and Ray not know it yet
        for machine in sorted(machines, key=lambda name: self._lost[name]):
            has = machines[machine]
            need, count = needs(self._task.settings, has)
            for _ in range(count - hired[machine]):
                if self._failures[machine] <= _RETRIES and self._has_use():
                    hand = self._cluster.hire(machine, need)
                    self._workers.append(_Worker(machine, hand, hand.greet()))
        self._check_patience(now)

    def _has_use(self) -> bool:
        """Whether there are jobs for one more worker."""
        return len(self._workers) < min(self._limit, len(self._waiting) + len(self._busy()))

    def _check_patience(self, now: float) -> None:
        if self._busy():
            self._alive = now
        elif not self._workers and self._reason:
            raise ImpastoError(f"no machine of the cluster can paint: {self._reason}")
        elif now - self._alive > _PATIENCE:
            raise ImpastoError(
                f"no worker of the cluster is ready after {_PATIENCE:g} s; its processors may be "
                f"in use, so set threads to fewer than a machine has, or try again later"
            )

    def _heard(self) -> Iterator[_Worker]:
        """The workers that have something to say, or that died."""
        by_stream = {id(worker.stream): worker for worker in self._workers}
        streams = [worker.stream for worker in self._workers]
        for stream in self._cluster.heard(streams, _LOOK):
            yield by_stream[id(stream)]

    def _handle(self, worker: _Worker, watch: Watch) -> Entry | None:
        """Take one message; the entry, if it is one or the job is given up."""
        try:
            message = self._cluster.take(worker.stream)
        except Lost as error:
            return self._replace(worker, str(error), watch)
        if isinstance(message, Greeting):
            self._welcome(worker, message, watch)
            return None
        job = worker.job
        assert job is not None
        if isinstance(message, Entry):
            worker.job, entry = None, _visible(job, message)
            if entry.raised:
                self._end()
            self._assign(worker)
            return entry
        watch(job, message)
        return None

    def _welcome(self, worker: _Worker, greeting: Greeting, watch: Watch) -> None:
        """Give it a job, unless it would paint otherwise than we do."""
        problem = greeting.problem or difference(self._own, greeting.identity)
        if not problem:
            self._failures[worker.machine] = 0
            self._assign(worker)
            return
        self._dismiss(worker)
        if self._failures[worker.machine] <= _RETRIES and self._first:
            watch(self._first, Notice(f"a machine is left out: {problem}", "cluster"))
        self._failures[worker.machine], self._reason = _RETRIES + 1, problem

    def _assign(self, worker: _Worker) -> None:
        """The next job; without one the worker makes room for others."""
        if not self._waiting:
            self._dismiss(worker)
            return
        worker.job = self._waiting.pop(0)
        worker.stream = worker.hand.paint(worker.job)

    def _dismiss(self, worker: _Worker) -> None:
        worker.hand.dismiss()
        worker.job = None
        self._workers.remove(worker)
        self._looked = float("-inf")  # there may be room for another

    def _replace(self, worker: _Worker, reason: str, watch: Watch) -> Entry | None:
        """Let another worker do what one that died was to do; the entry, if that is in vain."""
        job = worker.job
        self._lost[worker.machine] += 1
        self._dismiss(worker)
        if job is None:
            self._failures[worker.machine] += 1
            self._reason = reason
            return None
        self._losses[job.index] += 1
        if not self._ending and self._losses[job.index] <= _RETRIES:
            watch(job, Notice(f"a worker was lost ({reason}); the pair is continued", "cluster"))
            self._waiting.insert(0, job)
            return None
        count = self._losses[job.index]
        lost = f"{count} workers were lost with it; the last: {reason}"
        error = lost if count > 1 else f"a worker was lost with it: {reason}"
        return entry_of(job, self._task, status="failed", error=error)


def _visible(job: Job, entry: Entry) -> Entry:
    """The entry; one that is `raised` where its result is on a disk that we do not see."""
    if entry.status != "done":
        return entry
    if isinstance(job.path, Url):
        return entry  # the worker has put it there
    try:
        # a listing brings a network's file system up to date, which asking for the file may not do
        seen = job.path.name in os.listdir(job.path.parent)  # noqa: PTH208 (names alone are asked for)
    except OSError:
        seen = False
    if seen:
        return entry
    error = OutputError(
        f"{job.path}: is painted on a machine of the cluster and not to be seen here; choose an "
        f"output folder that all machines share"
    )
    return replace(entry, status="failed", error=str(error), raised=error)

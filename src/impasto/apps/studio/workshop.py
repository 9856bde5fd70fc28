"""The queue and its one painter: every command on jobs, and how each job ends.

    command ──> Job in a new state ──> job.json, feed
                  └── order ──> painter ── Told ──> Job ──> job.json, feed

Calls may come from any thread. A command returns at once; the painter follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from impasto.apps.studio.hearing import Hearing
from impasto.apps.studio.jobs import Job, allowed
from impasto.apps.studio.orders import Adjust, End, How, Order, Told, Watch, Work
from impasto.apps.studio.refusal import Refusal
from impasto.apps.studio.register import Register
from impasto.errors import ImpastoError, OutputError

__all__ = ["MAX_ITERATIONS", "MAX_QUEUE", "Brush", "Workshop"]

MAX_QUEUE = 20  # jobs
MAX_ITERATIONS = 100_000  # added at once

_ENDED: Mapping[str, str] = {
    "done": "done",
    "stopped": "stopped",
    "paused": "paused",
    "failed": "failed",
    "quit": "interrupted",
}
"""How a job is after the painter left it, by how that ended."""

Line = dict[str, Any]


class Brush(Protocol):
    """What paints: `impasto.apps.studio.painter.Painter`."""

    def send(self, order: Order) -> bool:
        """Send an order; whether there was a process to send it to."""
        ...


class Workshop:
    """The commands on jobs. Each raises Refusal: 404 for a job that is not there, 409 in a state
    to which it does not apply, or for a full queue.

    Args:
        register: the jobs.
        brush: paints.
        work_of: what the painter needs to paint a job; raises where a picture is gone.
    """

    def __init__(self, register: Register, brush: Brush, work_of: Callable[[Job], Work]) -> None:
        self._register, self._brush, self._work_of = register, brush, work_of
        self.hearing = Hearing(register)
        self._errands: list[str] = []  # jobs of which only the result is to be written
        self._at: str | None = None  # the job in the painter's hands
        self._gone: set[str] = set()  # discarded while it was
        self._ready = self._closing = False
        self._watch = Watch()

    def open(self) -> None:
        """Take in the jobs on the disk; those that were painted were interrupted."""
        with self._register.lock:
            for job in self._register.load():
                if job.state == "painting":
                    self._register.put(job.changed(state="interrupted", remaining=None))
                elif job.state == "stopped" and job.owed:
                    self._register.put(job.changed(settling=True))
                    self._errands.append(job.id)

    def close(self) -> None:
        """Begin no more jobs."""
        with self._register.lock:
            self._closing = True

    def watch(self, watch: Watch) -> None:
        """Who looks at previews from now on."""
        with self._register.lock:
            if watch != self._watch:
                self._watch = watch
                self._brush.send(watch)

    def create(self, job: Job) -> Line:
        """Queue a new job; Refusal 507 for a full disk."""
        with self._register.lock:
            self._check_room()
            try:
                self._register.folders.write(job)
            except OutputError as error:
                self._register.folders.remove(job.id)
                self._register.tell_full(surely=True)
                raise Refusal(507, "the disk is full; discard jobs, and try again") from error
            self._tidy()
            return self._enqueue(job)

    def pause(self, job: str) -> Line:
        """Take a job from the queue or the painter; it can be resumed."""
        return self._rest(job, "pause", "paused")

    def stop(self, job: str) -> Line:
        """End a job, its best picture so far as its result."""
        return self._rest(job, "stop", "stopped")

    def resume(self, job: str) -> Line:
        """Queue a job that rests; it goes on from its checkpoint, bit for bit."""
        with self._register.lock:
            found = self._allowed(job, "resume")
            if found.state in ("queued", "painting"):
                return self._register.line(found)
            self._check_room()
            return self._enqueue(found.changed(error=None))

    def move(self, job: str, before: str | None) -> Line:
        """Put a job of the queue before another one, or at the end."""
        with self._register.lock:
            found = self._allowed(job, "move")
            if before not in (None, job, *self._register.queue):
                raise Refusal(409, "the other job is not in the queue")
            if before != job:
                self._register.insert(found, before)
            return self._register.line(self._register.jobs[job])

    def more(self, job: str, iterations: int) -> Line:
        """Go on with a finished job for so many iterations at its last scale."""
        if not 1 <= iterations <= MAX_ITERATIONS:
            raise Refusal(422, f"iterations is {iterations}; expected 1 to {MAX_ITERATIONS}")
        with self._register.lock:
            found = self._allowed(job, "more")
            self._check_room()
            counts = {"extra": found.extra + iterations, "version": found.version + 1}
            return self._enqueue(found.changed(**counts), first=True)

    def adjust(self, job: str, request: Mapping[str, Any]) -> Line:
        """Go on with other settings, from the canvas that there is; at once where it is painted."""
        with self._register.lock:
            found = self._allowed(job, "adjust")
            if dict(found.request) == dict(request):
                return self._register.line(found)
            changed = found.anew(request=request, error=None)
            if found.state not in ("painting", "queued"):
                self._check_room()
                return self._enqueue(changed, first=True)
            if found.state == "painting":
                self._brush.send(Adjust(self._work_of(changed)))
            self._register.put(changed)
            return self._register.line(changed)

    def discard(self, job: str, why: str | None = None) -> None:
        """Remove a job, whatever state it is in."""
        with self._register.lock:
            self._register.job(job)
            if self._at == job:
                self._brush.send(End(job, "discard"))
                self._gone.add(job)
                self._register.folders.forget(job)
            else:
                self._register.folders.remove(job)
            self._dequeue(job)
            self._register.forget(job, why)
            self.hearing.forget(job)
            self._register.tell_queue()

    def heard(self, told: Told) -> None:
        """Take in what the painter tells."""
        with self._register.lock:
            match told.kind:
                case "ready":
                    self._ready = True
                    self._brush.send(self._watch)
                    self._next()
                case "died":
                    self._lost()
                case "ended":
                    self._ended(told)
                case _:
                    self.hearing.hear(told)

    def _rest(self, job: str, command: How, state: str) -> Line:
        with self._register.lock:
            found = self._allowed(job, command)
            if found.state in (state, "done"):
                return self._register.line(found)
            at = self._at == job
            if at:
                self._brush.send(End(job, command))
            self._dequeue(job)
            errand = command == "stop" and found.owed and not at
            if errand:
                self._errands.append(job)
            self._register.put(found.changed(state=state, remaining=None, settling=at or errand))
            self._register.tell_queue()
            self._next()
            return self._register.line(self._register.jobs[job])

    def _allowed(self, job: str, command: str) -> Job:
        found = self._register.job(job)
        if allowed(found.state, command) is False:
            raise Refusal(409, f"the job is {found.state}; {command} does not apply to it")
        return found

    def _enqueue(self, job: Job, *, first: bool = False) -> Line:
        """Queue a job, and begin it if the painter's hands are free."""
        self._dequeue(job.id)
        queue = self._register.queue
        job = job.changed(state="queued", remaining=None, settling=self._at == job.id)
        self._register.insert(job, queue[0] if first and queue else None)
        self._next()
        return self._register.line(self._register.jobs[job.id])

    def _dequeue(self, job: str) -> None:
        for line in (self._register.queue, self._errands):
            if job in line:
                line.remove(job)

    def _check_room(self) -> None:
        if len(self._register.queue) >= MAX_QUEUE:
            raise Refusal(409, f"the queue is full; it holds {MAX_QUEUE} jobs")

    def _next(self) -> None:
        """Give the painter its next job, if its hands are free."""
        line = self._errands or self._register.queue
        while line and self._ready and not self._closing and self._at is None:
            errand = line is self._errands
            job = self._register.jobs[line.pop(0)]
            try:
                work = replace(self._work_of(job), only_result=errand)
            except (ImpastoError, Refusal) as error:
                text = self._register.said(error)
                self._register.put(job.changed(state="failed", settling=False, error=text))
            else:
                self._at = job.id
                self._brush.send(work)  # if it died, that will be told
                if not errand:
                    self._register.put(job.changed(state="painting", settling=False))
            self._register.tell_queue()
            line = self._errands or self._register.queue

    def _ended(self, told: Told) -> None:
        """The painter's hands are free."""
        self._at = None
        if told.job in self._gone:
            self._gone.discard(told.job)
            self._register.folders.remove(told.job)
        elif job := self._register.jobs.get(told.job):
            self.hearing.keep_preview(job.id)
            self._settle(job, told.facts)
            self._tidy()
        self._next()

    def _settle(self, job: Job, facts: Mapping[str, Any]) -> None:
        """Put a job that the painter left into its state."""
        known: dict[str, Any] = {"settling": False, "remaining": None}
        known |= {name: facts[name] for name in ("outputs",) if name in facts}
        state = _ENDED[facts["how"]]
        if state == "failed":
            known["error"] = self._register.said(facts["error"])
            self._register.tell_full()
        current = facts["version"] == job.version
        if job.state == "painting" and not current:  # other settings came too late for this run
            self._enqueue(job.changed(**{**known, "error": None}), first=True)
        elif job.state == "painting" or (current and state in ("done", "failed")):
            self._dequeue(job.id)
            self._register.put(job.changed(**known, state=state))
            self._register.tell_queue()
        else:  # a command has put it where it is to be
            self._register.put(job.changed(**{**known, "error": None}))

    def _lost(self) -> None:
        """The painter died, and another one comes; its job was interrupted."""
        self._ready, lost, self._at = False, self._at, None
        if lost in self._gone:
            self._gone.discard(lost)
            self._register.folders.remove(lost)
        job = self._register.jobs.get(lost or "")
        if job is not None:
            owes = job.state == "stopped" and job.owed  # its result was being written
            state = "interrupted" if job.state == "painting" or owes else job.state
            self._register.put(job.changed(state=state, settling=False, remaining=None))

    def _tidy(self) -> None:
        """Remove the oldest finished jobs where all take more than the quota, and say so."""
        folders = self._register.folders
        for job in folders.excess(self._register.jobs.values()):
            gigabytes = folders.quota / 1e9
            self.discard(job.id, f"jobs took over {gigabytes:g} GB, and this was the oldest")

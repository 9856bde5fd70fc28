"""All jobs as they are now: in memory, on the disk, and told to all viewers."""

from __future__ import annotations

import threading
from typing import Any

from impasto.apps.studio.feed import Feed
from impasto.apps.studio.folders import LOW, Folders
from impasto.apps.studio.jobs import Job
from impasto.apps.studio.refusal import Refusal, missing, without_places
from impasto.errors import OutputError

__all__ = ["Register"]


class Register:
    """Jobs by id, and the queue. Hold `lock` around what belongs together.

    Args:
        folders: where they are kept.
        feed: gets `job`, `step`, `gone` and `full`.
    """

    def __init__(self, folders: Folders, feed: Feed) -> None:
        self.folders, self.feed = folders, feed
        self.lock = threading.RLock()
        self.jobs: dict[str, Job] = {}
        self.queue: list[str] = []
        self._unsaved: set[str] = set()

    def job(self, job: str) -> Job:
        """A job; Refusal 404 for an id that is not there."""
        found = self.jobs.get(job)
        if found is None:
            raise missing("job")
        return found

    def all(self) -> list[dict[str, Any]]:
        """Every job as the page sees it, the newest first."""
        with self.lock:
            newest = sorted(self.jobs.values(), key=lambda j: (j.created, j.id), reverse=True)
            return [self.line(job) for job in newest]

    def line(self, job: Job) -> dict[str, Any]:
        """A job as the page sees it."""
        return job.line(self.queue.index(job.id) if job.id in self.queue else None)

    def load(self) -> list[Job]:
        """Take in the jobs on the disk, the oldest first."""
        found = self.folders.load()
        self.jobs = {job.id: job for job in found}
        waiting = (job for job in found if job.state == "queued")
        self.queue = [job.id for job in sorted(waiting, key=lambda job: (job.rank, job.id))]
        return found

    def put(self, job: Job, *, save: bool = True) -> None:
        """A job has changed."""
        self.jobs[job.id] = job
        for each in {job.id, *self._unsaved} if save else ():
            self._save(each)
        self.feed.publish("job", self.line(job))

    def insert(self, job: Job, before: str | None) -> None:
        """Put a job into the queue before another one of it, or at its end."""
        rest = [each for each in self.queue if each != job.id]
        place = len(rest) if before is None else rest.index(before)
        ranks = [self.jobs[each].rank for each in rest]
        self.queue = [*rest[:place], job.id, *rest[place:]]
        self.put(job.changed(rank=_between(ranks[:place][-1:], ranks[place:][:1])))
        self.tell_queue()

    def step(self, job: Job) -> None:
        """A job has gone on; the disk need not know."""
        self.jobs[job.id] = job
        self.feed.publish("step", job.step(), job.id)

    def forget(self, job: str, why: str | None) -> None:
        """A job is gone."""
        del self.jobs[job]
        self._unsaved.discard(job)
        self.feed.forget(job)
        self.feed.publish("gone", {"id": job, **({"why": why} if why else {})})

    def tell_queue(self) -> None:
        """Tell the places of those that wait."""
        for job in self.queue:
            self.feed.publish("job", self.line(self.jobs[job]))

    def tell_full(self, *, surely: bool = False) -> None:
        """Tell that the disk is full, if it is."""
        free = self.folders.free
        if surely or free < LOW:
            self.feed.publish("full", {"free": free})

    def said(self, error: object) -> str:
        """An error or a notice as one line, without places of the file system."""
        text = error.text if isinstance(error, Refusal) else str(error)
        return without_places(" ".join(text.split()), [self.folders.root])

    def _save(self, job: str) -> None:
        try:
            self.folders.write(self.jobs[job])
            self._unsaved.discard(job)
        except OutputError:  # kept in memory, and tried again with the next change
            self._unsaved.add(job)
            self.tell_full(surely=True)


def _between(low: list[float], high: list[float]) -> float:
    """A rank between two others, each of which may be absent."""
    if low and high:
        return (low[0] + high[0]) / 2
    return low[0] + 1 if low else high[0] - 1 if high else 0.0

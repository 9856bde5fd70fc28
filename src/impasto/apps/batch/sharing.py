"""A batch that several workers share: what one of them does until every pair has ended.

first worker ──> Round <── other workers        each: take a lease, paint, record, take the next;
                   └──> manifest                 then wait for the others', or take over
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from impasto.apps.batch.executors import Executor
from impasto.apps.batch.job import Task, Watch, entry_of
from impasto.apps.batch.layout import Job
from impasto.apps.batch.manifest import Entry, Manifest
from impasto.apps.batch.round import ELSEWHERE, Round
from impasto.apps.batch.stores import Place, Url
from impasto.apps.leases import Lease, LeaseLost, Leases, Lookout
from impasto.encoder import weights_of
from impasto.errors import OutputError, version_of
from impasto.run.events import Notice

__all__ = ["Sharing"]

_COMPACTION = "manifest"  # the lease of who writes it
_GONE = "the folder that workers share is gone, and the manifest has no record of the pair"


class Sharing:
    """Paints jobs together with all workers of the same folder.

    Args:
        leases: of the folder that all workers see.
        manifest: gets the records in the end.
        jobs: all jobs of the batch, those that are done too.
        task: how; every worker has the same.
        executor: paints the pairs that this worker takes.
        worker: what this one is called.
        pause: waits for so many seconds, by default `time.sleep`.
    """

    def __init__(
        self,
        leases: Leases,
        manifest: Manifest,
        jobs: Sequence[Job],
        task: Task,
        executor: Executor,
        worker: str,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._leases, self._manifest, self._jobs, self._task = leases, manifest, jobs, task
        self._executor, self._worker, self._pause = executor, worker, pause or time.sleep
        self._lookout, self._told = Lookout(self._leases), ""

    def entries(self, find: Callable[[], Iterable[Job]], watch: Watch) -> Iterator[Entry]:
        """An Entry for each pair of the round, whoever paints it, in the order in which they end.

        `find` gives the jobs that are to be painted; the first worker of a round asks it. After an
        entry that is `raised` there are no more, and other workers go on. While it waits, `watch`
        gets a Notice of the kind "sharing". Else it ends when every pair has ended and is in the
        manifest.

        Raises SettingsError where workers in the folder paint another batch, OutputError where the
        folder cannot be written or is damaged.
        """
        party, jobs = self._joined(find)
        self._manifest.touch()  # a batch has begun, though its round may be given up
        seen = dict[str, Entry]()
        over = False
        for entry in self._painted(party, jobs, watch):
            over = over or bool(entry.raised)
            seen[entry.output] = entry
            yield entry
        if not over:
            self._compact(party, jobs, seen)

    def _joined(self, find: Callable[[], Iterable[Job]]) -> tuple[Round, list[Job]]:
        """The round that is on, and its jobs."""
        batch = _identity(self._jobs, self._task, self._leases)
        while True:
            party = Round.joined(self._leases, batch, self._worker)
            with party.ending():  # then there is another one to join
                indices = party.agreed(lambda: (job.index for job in find()), len(self._jobs))
                return party, [self._jobs[index] for index in indices]

    def _painted(self, party: Round, jobs: Sequence[Job], watch: Watch) -> Iterator[Entry]:
        """The entries of these jobs, as they end here or elsewhere."""
        pending = {job.name: job for job in jobs}
        free, expired, over = list(jobs), frozenset[str](), False
        while pending and not over:
            for entry in self._mapped(party, free, expired, watch):
                over = over or bool(entry.raised)
                del pending[entry.output]
                yield entry
            for entry in () if over else self._ended(party, list(pending.values())):
                del pending[entry.output]
                yield entry
            left = list(pending.values())
            free, expired = self._free(party, left)
            if left and not (free or over):
                self._wait(party, left, watch)

    def _mapped(
        self, party: Round, jobs: Sequence[Job], expired: frozenset[str], watch: Watch
    ) -> Iterator[Entry]:
        """The entries of the jobs that this worker could take, or that have ended meanwhile."""
        names = {job.name: job for job in jobs}
        task = replace(self._task, round=replace(party, expired=expired))
        for entry in self._executor.map(jobs, task, watch) if jobs else ():
            if entry.raised:
                yield entry
            # a process that died leaves no record, whatever its executor says: it is tried again
            elif entry.status != ELSEWHERE and (ended := party.record(names[entry.output])):
                yield ended

    def _ended(self, party: Round, jobs: Sequence[Job]) -> Iterator[Entry]:
        """The entries of those that have ended: all of them, once the round has."""
        if party.is_on:
            yield from filter(None, map(party.record, jobs))
            return
        latest = self._manifest.latest()
        for job in jobs:
            yield latest.get(job.name) or entry_of(job, self._task, status="failed", error=_GONE)

    def _free(self, party: Round, jobs: Sequence[Job]) -> tuple[list[Job], frozenset[str]]:
        """The jobs that nobody is at, and the files of their leases that have expired."""
        with party.ending():
            names, expired = self._lookout.look(map(party.lease_of, jobs))
            free = set(names)
            return [job for job in jobs if party.lease_of(job) in free], expired
        return [], frozenset()

    def _wait(self, party: Round, jobs: Sequence[Job], watch: Watch) -> None:
        """Tell who is waited for, if that is new, and pause."""
        text = self._lookout.waiting(str(len(jobs)), [*map(party.lease_of, jobs)])
        if text != self._told:
            self._told = text
            watch(jobs[0], Notice(text, "sharing"))
        self._pause(self._leases.pause)

    def _compact(self, party: Round, jobs: Sequence[Job], seen: Mapping[str, Entry]) -> None:
        """See that the manifest has every record and the round ends, here or elsewhere.

        `seen` are the entries of all jobs, for records that a server now fails to read.
        """
        while party.is_on:
            with party.ending():
                names, expired = self._lookout.look([_COMPACTION])
                take = partial(self._leases.take, _COMPACTION, party.worker, expired=expired)
                if names and (lease := take()):
                    self._end(party, jobs, seen, lease)
                    continue
            self._pause(self._leases.pause)

    def _end(
        self, party: Round, jobs: Sequence[Job], seen: Mapping[str, Entry], lease: Lease
    ) -> None:
        with lease, suppress(LeaseLost):
            try:
                records = [party.record(job) or seen[job.name] for job in jobs]
                party.check()  # after the records; they go when it ends
                if records:
                    self._manifest.compact(records, lease.check)
                lease.check()
                party.end()
            except (OutputError, KeyboardInterrupt):
                lease.give_back()
                raise


def _identity(jobs: Sequence[Job], task: Task, leases: Leases) -> dict[str, Any]:
    """What all workers of a batch must agree on, by name; plain JSON.

    Pictures count by name and size, so that a worker that comes late reads none of them in vain;
    folders by nothing, since machines may have them elsewhere.
    """
    settings = task.settings
    pairs = [[_file(job.pair.content), _file(job.pair.style), job.name] for job in jobs]
    return {
        "version of impasto": version_of("impasto"),
        "settings": {**settings.pixels(), "iterations": settings.iterations},
        "weights": weights_of(task.sources.get("encoder") or settings.encoder).sha256,
        "pairs": _digest(pairs),
        "output options": _digest([sorted(job.outputs.items()) for job in jobs]),
        "beat and expiry of leases": [leases.beat, leases.expiry],
        "inputs": entry_of(jobs[0], task).inputs if jobs else {},
    }


def _file(path: Place) -> list[Any]:
    if isinstance(path, Url):
        return [path.name, path.version()]
    try:
        return [path.name, path.stat().st_size]
    except (OSError, ValueError):
        return [path.name, None]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()

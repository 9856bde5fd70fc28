"""The process that paints on a machine of a Ray cluster: an actor with its network and styles."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

from impasto.apps.batch.job import Task, entry_of, one_line, paint_job
from impasto.apps.batch.layout import Job
from impasto.apps.batch.manifest import Entry
from impasto.apps.batch.processes import sendable
from impasto.encoder import weights_of
from impasto.errors import optional, version_of
from impasto.hardware import choose_threads
from impasto.objective import StyleCache
from impasto.run.events import Event, Step

__all__ = ["Greeting", "Painter", "identity", "within"]

_PAUSE = 0.5  # seconds between two steps that are told

Message = Any  # Greeting, Event or Entry


@dataclass(frozen=True)
class Greeting:
    """What a worker says when it is ready.

    `identity` is what it must have in common with the driver; `problem` is why it cannot paint, or
    empty.
    """

    identity: Mapping[str, str]
    problem: str = ""


class Painter:
    """Paints one job at a time; the driver holds it as an actor.

    Args:
        task: what all jobs share.
        cache: number of style statistics that are kept.
        folder: where the driver runs, from which names of files lead.
        resources: what Ray grants in place of what it tells itself; for tests.
    """

    def __init__(
        self, task: Task, cache: int, folder: str, resources: Mapping[str, float] | None = None
    ) -> None:
        self._task = within(task, _granted() if resources is None else resources)
        self._cache, self._folder = StyleCache(cache), folder
        self._stop = threading.Event()
        # Ray calls in threads of its own, and OpenMP keeps helpers for each that has computed: one
        # thread computes, so that there are no more of them than cores
        self._computing = ThreadPoolExecutor(1)

    def greet(self) -> Iterator[Message]:
        """One Greeting."""
        try:
            os.chdir(self._folder)
        except OSError as error:
            reason = f"it has no folder {self._folder} ({error.strerror}), where the batch runs"
            yield Greeting({}, f"{reason}; run it in a folder that all machines share")
            return
        yield Greeting(self._computing.submit(identity, self._task).result())

    def paint(self, job: Job) -> Iterator[Message]:
        """The events of a job's run, steps without canvas and not all of them; then its Entry."""
        told: SimpleQueue[Message] = SimpleQueue()
        # apart, because events come by a callback and this is a generator
        self._computing.submit(self._paint, job, thinned(told.put), told.put)
        while not isinstance(message := told.get(), Entry):
            yield message
        yield message

    def stop(self) -> None:
        """End the job under way early, with its files written."""
        self._stop.set()

    def _paint(
        self, job: Job, tell: Callable[[Event], object], end: Callable[[Entry], object]
    ) -> None:
        try:
            entry = paint_job(
                job,
                self._task,
                cache=self._cache,
                watch=lambda _, event: tell(event),
                stop=self._stop,
                checkpoint=job.checkpoint,
            )
        except BaseException as error:  # a bug; without an entry the driver would wait for ever
            failed = {"status": "failed", "error": one_line(error), "raised": error}
            entry = entry_of(job, self._task, **failed)
        end(sendable(entry))
        if entry.error:
            gc.collect()  # the traceback of its error holds the run's arrays, in a cycle


def identity(task: Task) -> dict[str, str]:
    """What must be the same on all machines, by name."""
    weights = weights_of(str(task.sources.get("encoder") or task.settings.encoder))
    return {"impasto": version_of("impasto"), "weights": weights.digest}


def within(task: Task, resources: Mapping[str, float]) -> Task:
    """The task with the threads and memory that Ray grants; on a GPU the memory is the card's."""
    limits = {}
    if cpus := resources.get("CPU"):
        limits["threads"] = min(max(1, int(cpus)), choose_threads(task.settings.threads).value)
    if (memory := resources.get("memory")) and not resources.get("GPU"):
        limits["memory"] = int(memory)
    return replace(task, limits=limits)


def thinned(
    tell: Callable[[Event], object], clock: Callable[[], float] = time.monotonic
) -> Callable[[Event], None]:
    """Pass on what `tell` is to hear: a step now and then, bare, and every other event."""
    last = float("-inf")

    def hear(event: Event) -> None:
        nonlocal last
        if not isinstance(event, Step):
            tell(event)
        elif clock() - last >= _PAUSE:
            last = clock()
            tell(event.bare())

    return hear


def _granted() -> Mapping[str, float]:
    context = optional("ray", "ray", "painting on a cluster").get_runtime_context()
    resources: Mapping[str, float] = context.get_assigned_resources()
    return resources

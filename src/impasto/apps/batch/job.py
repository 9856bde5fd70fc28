"""One pair painted: a pure function of plain values, which any process can call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from impasto.apps.batch.layout import Job, make_folder
from impasto.apps.batch.manifest import Entry
from impasto.apps.batch.round import Round
from impasto.apps.batch.staging import at_hand, deliver
from impasto.apps.batch.stores import Place, Url
from impasto.apps.tuned import paint_tuned
from impasto.errors import CheckpointError, Diverged, ImageError, OutOfMemory, OutputError
from impasto.hardware import Hardware
from impasto.images import MAX_PIXELS
from impasto.images.checksums import file_checksum
from impasto.objective import StyleCache
from impasto.outputs.session import Stop
from impasto.run import Result, Run
from impasto.run.build import trial_of
from impasto.run.checkpoint import Checkpoint
from impasto.run.events import Event, Step
from impasto.settings import Settings

__all__ = ["OWN", "Task", "Watch", "entry_of", "one_line", "paint_job"]

OWN = (ImageError, OutputError, OutOfMemory, Diverged)
"""Errors of one pair; any other error would end every other pair too."""

Watch = Callable[[Job, Event], object]


@dataclass(frozen=True)
class Task:
    """What all jobs of a batch share; plain values, so that it can be sent to another process.

    Attributes:
        settings: of every run.
        sources: files that all runs read, as keywords of `impasto.Run`: `init`, `protect`,
            `content_masks`, `style_masks`, `encoder`; each a path or a list of paths.
        max_pixels: larger pictures are refused before they are decoded.
        share: part of the machine's cores and memory that one job may use, 1/n for n at once.
        limits: threads and memory that a job has instead, where a scheduler grants them.
        round: what other workers know of, if the batch is shared with them.
    """

    settings: Settings
    sources: Mapping[str, Any] = field(default_factory=dict)
    max_pixels: int = MAX_PIXELS
    share: float = 1.0
    limits: Mapping[str, int] = field(default_factory=dict)
    round: Round | None = None

    def files(self) -> Iterator[tuple[str, Path]]:
        """Role and path of each file that all runs read."""
        for role, value in self.sources.items():
            several = value if isinstance(value, (list, tuple)) else [value]
            for index, path in enumerate(several):
                yield f"{role} {index + 1}" if len(several) > 1 else role, Path(path)

    def run(
        self, job: Job, cache: StyleCache | None = None, resume: Checkpoint | None = None
    ) -> Run:
        """The run of a job that is at hand; raises what `impasto.Run` does for unfit inputs."""
        content, style, settings = job.pair.content, job.pair.style, self._shared_out()
        assert isinstance(content, Path)
        assert isinstance(style, Path)
        options: dict[str, Any] = {"max_pixels": self.max_pixels, "cache": cache, "resume": resume}
        return Run(content, style, settings, **options, **self.sources)

    def _shared_out(self) -> Settings:
        """The settings with this job's share of threads and memory."""
        if self.limits:
            return self.settings.replaced(**self.limits)
        if self.share == 1:
            return self.settings
        hardware = Hardware.choose(self.settings, trial=trial_of(Run), share=self.share)
        threads, memory = self.settings.threads, int(self.settings.memory)
        return self.settings.replaced(
            threads=max(1, int(threads * self.share)) if threads else hardware.threads,
            memory=int(memory * self.share) if memory else hardware.memory,
        )


def entry_of(job: Job, task: Task, **facts: Any) -> Entry:  # noqa: ANN401 (fields of Entry)
    """The entry of a job, by default of one that is skipped; with checksums of all its files."""
    known: dict[str, Any] = {
        "content_sha256": _checksum(job.pair.content),
        "style_sha256": _checksum(job.pair.style),
        "status": "skipped",
        "settings": task.settings.model_dump(mode="json"),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "inputs": {role: _checksum(path) for role, path in task.files()} | _versions(job),
    }
    known |= {"content": str(job.pair.content), "style": str(job.pair.style)}
    return Entry(index=job.index, output=job.name, **{**known, **facts})


def paint_job(
    job: Job,
    task: Task,
    *,
    cache: StyleCache | None = None,
    watch: Watch = lambda _job, _event: None,
    stop: Stop | None = None,
    checkpoint: Path | None = None,
) -> Entry:
    """Paint a job's pair, write its files, and tell how it ended; raises nothing.

    An error of this pair alone makes the entry "failed". Any other error, KeyboardInterrupt too, is
    also its `raised`: it ends the batch. `stop` ends the run early, as Ctrl-C does. The run
    continues from `checkpoint` if there is such a file, and writes it. Where the batch is shared,
    the pair may have been painted by another worker, or be ELSEWHERE, and the checkpoint is the
    round's; see `Round`.
    """
    if task.round is None:
        return _paint(job, task, cache, watch, stop, checkpoint)

    def paint(checkpoint: Path, guard: Callable[[Event], None]) -> Entry:
        def guarded(job: Job, event: Event) -> None:
            guard(event)
            watch(job, event)

        return _paint(job, task, cache, guarded, stop, checkpoint)

    try:
        return task.round.painted(job, paint)
    except BaseException as error:
        return entry_of(job, task, status="failed", error=one_line(error), raised=error)


def _paint(
    job: Job,
    task: Task,
    cache: StyleCache | None,
    watch: Watch,
    stop: Stop | None,
    checkpoint: Path | None = None,
) -> Entry:
    """Paint a job's pair, from its checkpoint if there is one."""
    begun, clock = entry_of(job, task), time.perf_counter()

    def ended(status: str, **facts: Any) -> Entry:  # noqa: ANN401 (fields of Entry)
        seconds = round(time.perf_counter() - clock, 3)
        return replace(begun, status=status, seconds=seconds, **facts)

    try:
        with at_hand(job) as here:
            run = _run(here, task, cache, checkpoint)
            assert isinstance(here.path, Path)
            make_folder(here.path.parent)
            request = here.request(checkpoint)
            outcome = paint_tuned(run, request, lambda event: watch(job, event), stop)
            if outcome.result is not None:
                deliver(job, here)
        if outcome.result is None or outcome.interrupted:
            return ended("failed", error="interrupted", raised=KeyboardInterrupt())
    except OWN as error:
        return ended("failed", error=one_line(error))
    except BaseException as error:
        return ended("failed", error=one_line(error), raised=error)
    step = _selected(outcome.result)
    iterations = outcome.result.steps[-1].done
    return ended("done", iterations=iterations, loss=step.loss, terms=step.terms)


def _run(job: Job, task: Task, cache: StyleCache | None, checkpoint: Path | None) -> Run:
    """The run of a job; one whose checkpoint is of no use begins anew."""
    if checkpoint and Checkpoint.exists(checkpoint):
        with suppress(CheckpointError):
            return task.run(job, cache, Checkpoint.load(checkpoint))
    return task.run(job, cache)


def one_line(error: BaseException) -> str:
    """An error as one line."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = " ".join(str(error).split())
    return text if isinstance(error, OWN) else f"{type(error).__name__}: {text}"


def _selected(result: Result) -> Step:
    """The step whose canvas became the picture: the last, or the best at the last scale."""
    if result.settings.select == "last":
        return result.steps[-1]
    first = max(n for n, step in enumerate(result.steps) if step.iteration == 0)
    return min(result.steps[first:], key=lambda step: step.loss)


def _versions(job: Job) -> dict[str, str | None]:
    """What the stores of a job's pictures say of them, by role."""
    both = {"content": job.pair.content, "style": job.pair.style}
    return {role: place.version() for role, place in both.items() if isinstance(place, Url)}


def _checksum(path: Place) -> str | None:
    """SHA-256 in hexadecimal digits; None for what is no readable file, which painting explains.

    None for a file in a store too, which would have to be fetched.
    """
    if isinstance(path, Url):
        return None
    try:
        # opening a pipe would wait for its other end, and Path.is_file raises for a long name
        if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises for a name that is too long)
            return None
        found = path.stat()
        return _digest(path, found.st_size, found.st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=10_000)
def _digest(path: Path, size: int, changed: int) -> str:
    """The checksum of a file with this size and time of change, which only tell when to read it."""
    return file_checksum(path)

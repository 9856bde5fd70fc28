"""A batch: which jobs are done, which are painted, and the manifest of how each ended."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from impasto.apps.batch.executors import Executor
from impasto.apps.batch.job import OWN, Task, Watch, entry_of
from impasto.apps.batch.layout import Job, Layout
from impasto.apps.batch.manifest import Entry, Manifest
from impasto.apps.batch.pairs import Pair
from impasto.apps.batch.serial import Serial
from impasto.apps.batch.sharing import Sharing
from impasto.apps.batch.staging import at_hand
from impasto.apps.batch.stores import Url
from impasto.apps.leases import Leases, worker_name
from impasto.encoder import weights_of
from impasto.errors import SettingsError
from impasto.images import MAX_PIXELS, read
from impasto.images.names import located
from impasto.run.events import Step
from impasto.run.layers import check_layers
from impasto.settings import Settings
from impasto.settings.schedule import most_iterations

__all__ = ["Batch"]

_TRIED = 5  # jobs whose pictures are read in search of one that can be

Show = Callable[[Step], object]


class Batch:
    """Pairs to paint; iterate over it for an Entry per pair.

    Args:
        pairs: what to paint, in this order.
        settings: how.
        layout: where to.
        sources: files that all pairs share, as keywords of `impasto.Run`: `init`, `protect`,
            `content_masks`, `style_masks`, `encoder`; each a path or a list of paths.
        max_pixels: larger pictures are refused before they are decoded.
        overwrite: paint pairs that were done before too.
        executor: paints the jobs, by default one after the other in this process.
        leases: those by which any number of processes and machines that see the layout's folder
            paint this batch together, `Leases(layout.shared)`; each has the same arguments.

    A pair that fails by itself is recorded, and the next one begins. Any other error ends the
    batch, KeyboardInterrupt too: it is recorded and raised. No result stays in memory.

    Raises SettingsError or OutputError for names that do not fit; see `Layout.jobs`.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        settings: Settings,
        layout: Layout,
        *,
        sources: Mapping[str, Any] | None = None,
        max_pixels: int = MAX_PIXELS,
        overwrite: bool = False,
        executor: Executor | None = None,
        leases: Leases | None = None,
    ) -> None:
        if leases and overwrite:
            raise SettingsError(
                "overwrite is true, and workers that share a batch would paint it once more each "
                "time one of them comes late; leave it out, or choose another output folder"
            )
        if leases and getattr(executor, "distributes", False):
            raise SettingsError(
                "share is true, and a cluster divides the pairs by itself; leave one of them out"
            )
        self.settings, self.layout = settings, layout
        self.task = Task(settings, dict(sources or {}), max_pixels)
        self.jobs = layout.jobs(pairs, settings, [path for _, path in self.task.files()])
        self.manifest = Manifest(layout.manifest)
        self._overwrite, self._executor = overwrite, executor or Serial()
        self._leases, self.worker = leases, worker_name()

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.jobs)

    def __iter__(self) -> Iterator[Entry]:
        """Paint them; see `entries`."""
        return self.entries()

    def entries(self, show: Show | None = None, *, watch: Watch | None = None) -> Iterator[Entry]:
        """Paint the pairs, and yield how each ended; those done before are "skipped".

        `show` sees every Step, `watch` every event of a run, with its job. Everything that all
        pairs share is checked before any file is made.

        Raises OutputError if the folder or its manifest cannot be written, or if a file is in the
        way of the first batch into the folder (see `Layout.check_free`), ImageError for a shared
        picture that cannot be read, SettingsError or WeightsError for a network or layers that do
        not exist.
        """
        self._check_shared()
        done, waiting = self._sorted()
        self._check_free()
        self._rehearse(waiting)
        with self.layout.prepared(self.jobs):
            self.manifest.latest()  # raises where it is not a file that can be read
            entries = self._ended(waiting, _watching(show, watch))
        raised: BaseException | None = None
        for entry in entries:
            while done and done[0].index < entry.index:
                yield done.popleft()
            raised = raised or entry.raised
            if not entry.raised:
                yield entry
        if raised:
            raise raised
        yield from done

    def _ended(self, jobs: Sequence[Job], watch: Watch) -> Iterator[Entry]:
        """An entry for each of the jobs as it ends, in the manifest."""
        if self._leases and jobs:
            return self._together(jobs, self._leases, watch)
        entries = self._executor.map(jobs, self.task, watch)
        self.manifest.touch()  # a batch has begun, though it may be killed before its first line
        return self._recorded(entries)

    def _recorded(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        try:
            for entry in entries:
                self.manifest.append(entry)
                yield entry
        finally:
            self.manifest.flush()

    def _together(self, jobs: Sequence[Job], leases: Leases, watch: Watch) -> Iterator[Entry]:
        """The same with all workers that share the batch; the manifest has them in the end."""
        ours = {job.name: job for job in jobs}
        sharing = Sharing(leases, self.manifest, self.jobs, self.task, self._executor, self.worker)
        over = False
        for entry in sharing.entries(lambda: self._sorted()[1], watch):
            over = over or bool(entry.raised)
            if ours.pop(entry.output, None):
                yield entry
        for job in () if over else ours.values():
            yield entry_of(job, self.task)  # another worker ended it before we joined

    def _check_shared(self) -> None:
        """Read what all pairs share once, so that a mistake there is not each pair's failure."""
        for role, path in self.task.files():
            if role == "encoder":
                weights_of(str(path))
            else:
                read(located(path), self.task.max_pixels)
        check_layers(self.settings)

    def _check_free(self) -> None:
        """Replace no file by the first batch into a folder, unless that was asked for."""
        if not self._overwrite:
            remedy = "or remove it" if self._leases else "or add --overwrite to replace it"
            self.layout.check_free(self.jobs, most_iterations(self.settings), remedy)

    def _sorted(self) -> tuple[deque[Entry], list[Job]]:
        """The entries of the jobs that are done, and the jobs that are not."""
        latest = {} if self._overwrite else self.manifest.latest()
        done, waiting = deque[Entry](), list[Job]()
        for job in self.jobs:
            now = entry_of(job, self.task)
            if _is_done(job, now, latest.get(job.name)):
                done.append(now)
            else:
                waiting.append(job)
        return done, waiting

    def _rehearse(self, jobs: Sequence[Job]) -> None:
        """Raise an error that every job would end with, by setting up the first one that works."""
        for job in islice(jobs, _TRIED):
            try:
                with at_hand(job) as here:
                    self.task.run(here)
            except OWN:
                continue
            return


def _watching(show: Show | None, watch: Watch | None) -> Watch:
    """Both callbacks as one."""

    def see(job: Job, event: Any) -> None:  # noqa: ANN401 (an event)
        if show and isinstance(event, Step):
            show(event)
        if watch:
            watch(job, event)

    return see


def _is_done(job: Job, now: Entry, known: Entry | None) -> bool:
    """Whether the manifest has the job as done, with the same files and the same pixels."""
    if known is None or known.status != "done" or not _same_pixels(known.settings, now.settings):
        return False
    files = [(e.inputs, e.content_sha256, e.style_sha256) for e in (known, now)]
    return files[0] == files[1] and _is_there(job)


def _is_there(job: Job) -> bool:
    if isinstance(job.path, Url):
        return job.path.exists()
    return os.path.isfile(job.path)  # noqa: PTH113 (Path.is_file would raise for a name too long)


def _same_pixels(known: object, now: Mapping[str, Any]) -> bool:
    """Whether two sets of settings, the first from a file, give the same picture.

    Fields that the first lacks have their defaults, and those that are no more must be empty.
    """
    if not isinstance(known, Mapping) or any(known[name] for name in known if name not in now):
        return False
    full = {**Settings().model_dump(mode="json"), **known}
    return all(full[name] == now[name] for name in (*Settings.pixel_fields(), "iterations"))

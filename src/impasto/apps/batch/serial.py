"""Jobs painted one after the other in this process, with one network and one cache of styles."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence

from impasto.apps.batch.executors import cache_size
from impasto.apps.batch.job import Task, Watch, paint_job
from impasto.apps.batch.layout import Job
from impasto.apps.batch.manifest import Entry
from impasto.errors import SettingsError
from impasto.objective import StyleCache

__all__ = ["Serial"]


class Serial:
    """The executor `serial`."""

    def __init__(self, workers: int = 1) -> None:
        if workers != 1:
            raise SettingsError(f"jobs is {workers}; serial paints one at a time, use processes")

    def map(self, jobs: Sequence[Job], task: Task, watch: Watch) -> Iterator[Entry]:
        """An Entry for each job, in their order."""
        cache = StyleCache(cache_size(jobs))
        for job in jobs:
            entry = paint_job(job, task, cache=cache, watch=watch)
            if entry.error:
                gc.collect()  # the traceback of its error holds the run's arrays, in a cycle
            yield entry
            if entry.raised:
                return

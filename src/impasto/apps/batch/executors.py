"""Where the jobs of a batch are painted: one file an executor, `EXECUTORS` names them all.

An executor maps `paint_job` over jobs. It yields an Entry for each, in any order; after one that is
`raised` it begins no more jobs, and yields the entries of those under way. It writes nothing else:
the manifest is the driver's. What prevents every job, such as a cluster that refuses, `map` raises
before it returns, so that a batch that cannot begin leaves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, Protocol

from impasto.errors import SettingsError
from impasto.settings.registry import Registry

if TYPE_CHECKING:
    from impasto.apps.batch.job import Task, Watch
    from impasto.apps.batch.layout import Job
    from impasto.apps.batch.manifest import Entry

__all__ = ["EXECUTORS", "Executor", "ExecutorFactory", "cache_size", "executor_at"]

_STYLES = 64  # statistics that a cache holds at least
_SCALES = 16  # more than runs have


class Executor(Protocol):
    """Paints jobs, one after the other or several at once."""

    def map(self, jobs: Sequence[Job], task: Task, watch: Watch) -> Iterator[Entry]:
        """An Entry for each job; `watch` sees every event of a run, with its job."""


class ExecutorFactory(Protocol):
    """Makes an executor that paints so many jobs at once.

    One that has a parameter `address` too is called with both, each None where nobody says it: then
    it chooses the number itself.
    """

    def __call__(self, workers: int) -> Executor:
        """The executor; SettingsError for a number of workers that it cannot have."""


EXECUTORS: Registry[ExecutorFactory] = Registry(
    "executor",
    {
        "serial": "impasto.apps.batch.serial:Serial",
        "processes": "impasto.apps.batch.processes:Processes",
        "ray": "impasto.apps.batch.ray:Ray",
    },
    "impasto.executors",
)
"""Executors by name; each makes one for a number of workers."""


def executor_at(place: str, workers: int | None = None) -> Executor:
    """The executor at a place, NAME or NAME://ADDRESS, by default with the number it chooses.

    Raises SettingsError for an unknown name, an address that it has no use for, and a number that
    it cannot have; what the executor raises where it cannot be.
    """
    name, _, address = place.partition("://")
    factory: Any = EXECUTORS.get(name)
    if "address" in signature(factory).parameters:
        clustered: Executor = factory(workers, address=address or None)
        return clustered
    if address:
        raise SettingsError(f"on is {place!r}, and {name} has no address; expected {name}")
    plain: ExecutorFactory = factory
    return plain(workers or 1)


def cache_size(jobs: Sequence[Job]) -> int:
    """Number of style statistics to cache, so that those of styles in several jobs fit."""
    recurring = sum(count > 1 for count in Counter(job.pair.style for job in jobs).values())
    return max(_STYLES, recurring * _SCALES)

"""Many pairs painted with one network, and a manifest from which a batch continues.

    pairs = pairs_in("holiday")
    for entry in Batch(pairs, Settings.of("gatys"), Layout(Path("holiday"))):
        print(entry.output, entry.status, entry.error or "")

Gallery ── pair_up ──> Pair, Pair, … ── Layout ──> Job, Job, … ── executor ──> Entry, Entry, …
                                                   Manifest <── done before? ──┘ └──> Manifest

Several processes and machines paint one batch together by `Leases`.

Names are loaded when first used, so that the command line can list the executors at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.apps.batch.driver import Batch
    from impasto.apps.batch.executors import EXECUTORS, Executor
    from impasto.apps.batch.job import Task, paint_job
    from impasto.apps.batch.layout import Job, Layout
    from impasto.apps.batch.manifest import Entry, Manifest
    from impasto.apps.batch.pairs import PAIRINGS, Gallery, Pair, galleries_in, pair_up, pairs_in
    from impasto.apps.leases import Leases

_HOMES = {
    "EXECUTORS": ".executors",
    "PAIRINGS": ".pairs",
    "Batch": ".driver",
    "Entry": ".manifest",
    "Executor": ".executors",
    "Gallery": ".pairs",
    "Job": ".layout",
    "Layout": ".layout",
    "Leases": "..leases",
    "Manifest": ".manifest",
    "Pair": ".pairs",
    "Task": ".job",
    "galleries_in": ".pairs",
    "paint_job": ".job",
    "pair_up": ".pairs",
    "pairs_in": ".pairs",
}

__all__ = [
    "EXECUTORS",
    "PAIRINGS",
    "Batch",
    "Entry",
    "Executor",
    "Gallery",
    "Job",
    "Layout",
    "Leases",
    "Manifest",
    "Pair",
    "Task",
    "galleries_in",
    "paint_job",
    "pair_up",
    "pairs_in",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (loaded late, since torch takes seconds)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)

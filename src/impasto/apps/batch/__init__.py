"""Many pairs painted one after the other, with one network, and a manifest to go on from.

    pairs = pairs_in("holiday")
    for entry in Batch(pairs, Settings.of("gatys"), Layout("holiday")):
        print(entry.output, entry.status, entry.error or "")

Gallery ── pair_up ──> Pair, Pair, … ── Layout ──> Job, Job, … ── Batch ──> Entry, Entry, …
                                                     Manifest <── done before? ──┘ └──> Manifest
"""

from impasto.apps.batch.layout import Job, Layout
from impasto.apps.batch.manifest import Entry, Manifest
from impasto.apps.batch.painting import Batch
from impasto.apps.batch.pairs import PAIRINGS, Gallery, Pair, galleries_in, pair_up, pairs_in

__all__ = [
    "PAIRINGS",
    "Batch",
    "Entry",
    "Gallery",
    "Job",
    "Layout",
    "Manifest",
    "Pair",
    "galleries_in",
    "pair_up",
    "pairs_in",
]

"""Names of `impasto.batch` in version 0.1."""

from impasto.apps.former import moved

__getattr__ = moved(
    "impasto.batch",
    Batch="impasto.apps.batch:Batch",
    Layout="impasto.apps.batch:Layout",
    pairs_in="impasto.apps.batch:pairs_in",
    pair_up="impasto.apps.batch:pair_up",
)

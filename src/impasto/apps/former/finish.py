"""Names of `impasto.finish` in version 0.1."""

from impasto.apps.former import moved

__getattr__ = moved(
    "impasto.finish",
    FINISHES="impasto.apps.former._classes:FINISHES",
)

"""Names of `impasto.report` in version 0.1."""

from impasto.apps.former import moved

__getattr__ = moved(
    "impasto.report",
    Story="impasto.apps.former._classes:Story",
    Film="impasto.apps.former._classes:Film",
)

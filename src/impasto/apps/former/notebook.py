"""Names of `impasto.notebook` in version 0.1."""

from impasto.apps.former import moved

__getattr__ = moved(
    "impasto.notebook",
    live="impasto.apps.notebook:live",
    watch="impasto.apps.notebook:watch",
)

"""Names of `impasto.checkpoint` in version 0.1."""

from impasto.apps.former import moved

__getattr__ = moved(
    "impasto.checkpoint",
    Checkpoint="impasto.run.checkpoint:Checkpoint",
)

"""What listens to a run's steps and writes files."""

from impasto.outputs.files import Files, affordable, filled
from impasto.outputs.session import Outcome, paint

__all__ = [
    "Files",
    "Outcome",
    "affordable",
    "filled",
    "paint",
]

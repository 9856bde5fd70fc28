"""What consumes a run's events and writes files.

    Run ── Step, Step, … ── paint ──> picture, trace, report, timelapse, checkpoint, …

Each output is a class of its own, which `OUTPUTS` names.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from impasto.outputs.base import OUTPUTS, Option, Output, Target
from impasto.outputs.request import Request, available, options

if TYPE_CHECKING:
    from impasto.outputs.session import Outcome, paint

__all__ = [
    "OUTPUTS",
    "Option",
    "Outcome",
    "Output",
    "Request",
    "Target",
    "available",
    "options",
    "paint",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (loaded late, since torch takes seconds)
    if name not in ("Outcome", "paint"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("impasto.outputs.session"), name)

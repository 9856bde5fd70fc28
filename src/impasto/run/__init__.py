"""The algorithm: inputs, canvas, stages, steps, result."""

from impasto.run.api import iterate, reconstruct, stylize, texture
from impasto.run.events import Done, Event, Notice, Result, Stage, Step
from impasto.run.run import Run
from impasto.run.sources import Sources

__all__ = [
    "Done",
    "Event",
    "Notice",
    "Result",
    "Run",
    "Sources",
    "Stage",
    "Step",
    "iterate",
    "reconstruct",
    "stylize",
    "texture",
]

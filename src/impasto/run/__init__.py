"""The algorithm: inputs, canvas, stages, steps, result."""

from impasto.run.api import iterate, reconstruct, stylize, texture
from impasto.run.events import Step
from impasto.run.loop import Result, Run

__all__ = [
    "Result",
    "Run",
    "Step",
    "iterate",
    "reconstruct",
    "stylize",
    "texture",
]

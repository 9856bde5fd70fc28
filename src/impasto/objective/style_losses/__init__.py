"""Distances between two pictures' style statistics at one layer, by name."""

from impasto.objective.style_losses.gram import GRAMS, StyleLoss
from impasto.objective.style_losses.registry import (
    find_style_loss,
    statistic_of,
    style_loss,
    style_losses,
    unit_of,
)

__all__ = [
    "GRAMS",
    "StyleLoss",
    "find_style_loss",
    "statistic_of",
    "style_loss",
    "style_losses",
    "unit_of",
]

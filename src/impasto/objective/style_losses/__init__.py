"""Distances between the style statistics of two pictures at one layer, by name."""

from impasto.objective.style_losses.base import Declaration, StyleLoss, declaration, declare
from impasto.objective.style_losses.gram import GRAMS
from impasto.objective.style_losses.registry import find_style_loss, style_loss, unit_of

__all__ = [
    "GRAMS",
    "Declaration",
    "StyleLoss",
    "declaration",
    "declare",
    "find_style_loss",
    "style_loss",
    "unit_of",
]

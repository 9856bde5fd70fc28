"""What the canvas is held against: content, style and total variation."""

from impasto.losses.content import CONTENT_SCALES
from impasto.losses.features import Features, Thinned
from impasto.losses.named import (
    find_style_loss,
    statistic_of,
    style_loss,
    style_losses,
    unit_of,
)
from impasto.losses.statistics import STATISTICS, Moments, Pull, flat, statistics_read
from impasto.losses.style import GRAMS, StyleLoss
from impasto.losses.variation import VARIATIONS

__all__ = [
    "CONTENT_SCALES",
    "GRAMS",
    "STATISTICS",
    "VARIATIONS",
    "Features",
    "Moments",
    "Pull",
    "StyleLoss",
    "Thinned",
    "find_style_loss",
    "flat",
    "statistic_of",
    "statistics_read",
    "style_loss",
    "style_losses",
    "unit_of",
]

"""What the canvas is held against: content, style and total variation."""

from impasto.losses.content import CONTENT_SCALES
from impasto.losses.statistics import STATISTICS, Moments, flat, statistics_read
from impasto.losses.style import STYLE_LOSSES
from impasto.losses.variation import VARIATIONS

__all__ = [
    "CONTENT_SCALES",
    "STATISTICS",
    "STYLE_LOSSES",
    "VARIATIONS",
    "Moments",
    "flat",
    "statistics_read",
]

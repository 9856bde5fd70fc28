"""The function that a canvas minimises: features, their statistics, terms, loss and gradient."""

from impasto.objective.cache import StyleCache
from impasto.objective.measure import StyleStatistics, blend_statistics, measure_statistics
from impasto.objective.objective import (
    CanvasFunction,
    Comparison,
    Evaluation,
    Measurement,
    Objective,
)
from impasto.objective.statistics import (
    STATISTICS,
    Features,
    Moments,
    SampledFeatures,
    Statistic,
    StatisticGradient,
)
from impasto.objective.tiles import Tile, Tiling, Window, min_tile, windows

__all__ = [
    "STATISTICS",
    "CanvasFunction",
    "Comparison",
    "Evaluation",
    "Features",
    "Measurement",
    "Moments",
    "Objective",
    "SampledFeatures",
    "Statistic",
    "StatisticGradient",
    "StyleCache",
    "StyleStatistics",
    "Tile",
    "Tiling",
    "Window",
    "blend_statistics",
    "measure_statistics",
    "min_tile",
    "windows",
]

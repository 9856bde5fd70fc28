"""The function that a canvas minimises: features, their statistics, terms, loss and gradient."""

from impasto.objective.features import Features, SampledFeatures
from impasto.objective.measure import StyleStatistics, blend_statistics, measure_statistics
from impasto.objective.objective import Evaluation, Objective
from impasto.objective.statistics import STATISTICS, Moments, Pull, statistics_read
from impasto.objective.tiles import Tiling, Window, least_tile, windows

__all__ = [
    "STATISTICS",
    "Evaluation",
    "Features",
    "Moments",
    "Objective",
    "Pull",
    "SampledFeatures",
    "StyleStatistics",
    "Tiling",
    "Window",
    "blend_statistics",
    "least_tile",
    "measure_statistics",
    "statistics_read",
    "windows",
]

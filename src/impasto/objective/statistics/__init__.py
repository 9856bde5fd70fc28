"""Statistics of features at a layer: what style losses compare."""

from impasto.objective.statistics.base import Collector, Statistic, StatisticGradient
from impasto.objective.statistics.features import Features, SampledFeatures
from impasto.objective.statistics.moments import STATISTICS, Moments

__all__ = [
    "STATISTICS",
    "Collector",
    "Features",
    "Moments",
    "SampledFeatures",
    "Statistic",
    "StatisticGradient",
]

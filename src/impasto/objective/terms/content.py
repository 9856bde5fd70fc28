"""Content distance: the squared difference of features, under three normalisations.

All are scale · Σ(F - P)² over the C channels and M positions of a layer, which makes the gradient
2 · scale · (F - P) and leaves only the scale to choose.
"""

from collections.abc import Callable

__all__ = ["CONTENT_SCALES"]


def mean(channels: int, positions: int) -> float:
    """Mean of (F - P)²."""
    return 1 / (channels * positions)


def half_mean(channels: int, positions: int) -> float:
    """Mean of ½(F - P)²."""
    return 0.5 / (channels * positions)


def half_sum(channels: int, positions: int) -> float:
    """½ Σ(F - P)² (Gatys et al. 2016, eq. 1)."""
    return 0.5


CONTENT_SCALES: dict[str, Callable[[int, int], float]] = {
    "mean": mean,
    "half-mean": half_mean,
    "half-sum": half_sum,
}
"""(C, M) -> scale of Σ(F - P)², by name of the normalisation."""

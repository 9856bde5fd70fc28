"""The line search of Moré & Thuente (1994), which L-BFGS-B and so scipy's L-BFGS use.

It keeps an interval with the best length so far at one end, tries lengths from cubic and quadratic
models of φ, and ends at sufficient decrease with |φ'(t)| ≤ η|φ'(0)|. The constants are L-BFGS-B's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import copysign, sqrt

__all__ = ["Interval", "Point", "is_sufficient"]

_DECREASE, _CURVATURE = 1e-3, 0.9  # μ and η of the paper
_NARROW = 0.1  # an interval shorter than this part of its far end is a point
_SHRINK = 0.66  # two steps shorten the interval at least to this, or it is halved
_EXTRAPOLATION = (1.1, 4.0)  # how many times further to try while there is no interval
_MAX_LENGTH = 1e10


@dataclass(frozen=True)
class Point:
    """φ and its slope at t."""

    t: float
    value: float
    slope: float

    def tilted(self, slope: float) -> Point:
        """The same of ψ(t) = φ(t) - slope·t."""
        return Point(self.t, self.value - slope * self.t, self.slope - slope)


def is_sufficient(origin: Point, trial: Point) -> bool:
    """Whether both Wolfe conditions hold at `trial`."""
    decreased = trial.value <= origin.value + _DECREASE * origin.slope * trial.t
    return decreased and abs(trial.slope) <= -_CURVATURE * origin.slope


@dataclass(frozen=True)
class Interval:
    """State of the search: the `best` and the `other` end, the widths of the last two intervals.

    `bracketed`: a minimum lies between the ends. `modelled`: φ itself is modelled rather than ψ,
    which is φ minus the required decrease.
    """

    origin: Point
    best: Point
    other: Point
    bracketed: bool = False
    modelled: bool = False
    width: float = _MAX_LENGTH
    before: float = 2 * _MAX_LENGTH

    @classmethod
    def at(cls, origin: Point) -> Interval:
        """The start: no interval yet."""
        return cls(origin, origin, origin)

    def is_exhausted(self, trial: Point) -> bool:
        """Whether rounding or the interval's width leave no other length to try than `trial`."""
        if not self.bracketed:
            return trial.t >= _MAX_LENGTH
        low, high = sorted((self.best.t, self.other.t))
        return not low < trial.t < high or high - low <= _NARROW * high

    def after(self, trial: Point) -> tuple[Interval, float]:
        """The interval that `trial` leaves, and the next length to try."""
        tilt = _DECREASE * self.origin.slope
        low_enough = trial.value <= self.origin.value + tilt * trial.t
        modelled = self.modelled or (low_enough and trial.slope >= 0)
        if not modelled and trial.value <= self.best.value and not low_enough:
            ends = (self.best.tilted(tilt), self.other.tilted(tilt), trial.tilted(tilt))
        else:
            ends = (self.best, self.other, trial)
        bounds = self._bounds(trial)
        t, bracketed = _next(*ends, self.bracketed, bounds)
        best, other = _updated((self.best, self.other, trial), ends)
        moved = replace(self, best=best, other=other, bracketed=bracketed, modelled=modelled)
        return moved._safeguarded(t)

    def _bounds(self, trial: Point) -> tuple[float, float]:
        """Limits of the next length: the interval, or further out while there is none."""
        if self.bracketed:
            low, high = sorted((self.best.t, self.other.t))
            return low, high
        nearer, farther = (trial.t + times * (trial.t - self.best.t) for times in _EXTRAPOLATION)
        return (0.0 if self.best is self.origin else nearer), farther

    def _safeguarded(self, t: float) -> tuple[Interval, float]:
        """The interval with its widths recorded; t is its middle if it shrank too little."""
        if not self.bracketed:
            return self, min(t, _MAX_LENGTH)
        width = abs(self.other.t - self.best.t)
        if width >= _SHRINK * self.before:
            t = self.best.t + 0.5 * (self.other.t - self.best.t)
        low, high = sorted((self.best.t, self.other.t))
        if not low < t < high or high - low <= _NARROW * high:
            t = self.best.t
        return replace(self, before=self.width, width=width), t


def _next(
    best: Point, other: Point, trial: Point, bracketed: bool, bounds: tuple[float, float]
) -> tuple[float, bool]:
    """The next length by the paper's four cases, and whether a minimum is bracketed now."""
    opposed = trial.slope * copysign(1.0, best.slope) < 0
    if trial.value > best.value:  # 1: too high, the minimum is on this side
        cubic, quadratic = _cubic(best, trial), _parabola(best, trial)
        near = abs(cubic - best.t) < abs(quadratic - best.t)
        return (cubic if near else (cubic + quadratic) / 2), True
    if opposed:  # 2: lower and past the minimum
        cubic, secant = _cubic(trial, best), _secant(best, trial)
        return (cubic if abs(cubic - trial.t) > abs(secant - trial.t) else secant), True
    low, high = bounds
    outward = high if trial.t > best.t else low
    if abs(trial.slope) < abs(best.slope):  # 3: lower and flattening
        cubic, secant = _cubic_ahead(best, trial, outward), _secant(best, trial)
        closer = abs(cubic - trial.t) < abs(secant - trial.t)
        if not bracketed:
            t = secant if closer else cubic
            return min(max(t, low), high), False
        t, limit = cubic if closer else secant, trial.t + _SHRINK * (other.t - trial.t)
        return (min(t, limit) if trial.t > best.t else max(t, limit)), True
    return (_cubic(trial, other) if bracketed else outward), bracketed  # 4: falling as steeply


def _updated(
    ends: tuple[Point, Point, Point], modelled: tuple[Point, Point, Point]
) -> tuple[Point, Point]:
    """The best and the other end after the trial, by the function that is modelled."""
    (best, other, trial), (low, _, tried) = ends, modelled
    if tried.value > low.value:
        return best, trial
    return trial, best if tried.slope * copysign(1.0, low.slope) < 0 else other


def _cubic(one: Point, two: Point) -> float:
    """Minimum of the cubic through both values and slopes."""
    theta, gamma = _thetagamma(one, two)
    p, q = (gamma - one.slope) + theta, ((gamma - one.slope) + gamma) + two.slope
    return one.t + p / q * (two.t - one.t)


def _cubic_ahead(best: Point, trial: Point, outward: float) -> float:
    """Minimum of the cubic if it lies beyond the trial, else the outward bound."""
    theta, gamma = _thetagamma(trial, best)
    p, q = (gamma - trial.slope) + theta, (gamma + (best.slope - trial.slope)) + gamma
    ahead = gamma != 0 and q != 0 and p / q < 0
    return trial.t + p / q * (best.t - trial.t) if ahead else outward


def _thetagamma(one: Point, two: Point) -> tuple[float, float]:
    """The cubic's θ and γ, the latter signed so that the minimum lies on the way from `one`."""
    theta = 3 * (one.value - two.value) / (two.t - one.t) + one.slope + two.slope
    scale = max(abs(theta), abs(one.slope), abs(two.slope))
    under = (theta / scale) ** 2 - (one.slope / scale) * (two.slope / scale)
    gamma = scale * sqrt(max(0.0, under))
    return theta, gamma if two.t > one.t else -gamma


def _parabola(best: Point, trial: Point) -> float:
    """Minimum of the parabola through both values and the best end's slope."""
    reach = trial.t - best.t
    return best.t + best.slope / ((best.value - trial.value) / reach + best.slope) / 2 * reach


def _secant(best: Point, trial: Point) -> float:
    """Zero of the slope, interpolated linearly."""
    return trial.t + trial.slope / (trial.slope - best.slope) * (best.t - trial.t)

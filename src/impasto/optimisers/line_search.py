"""The step length along a direction: fixed, by backtracking, or by Wolfe's conditions, two ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, isnan, sqrt

import torch
from torch import Tensor

from impasto.optimisers.base import Iterate, ValueAndGrad, Valued
from impasto.optimisers.box import Box
from impasto.optimisers.more_thuente import Interval, Point, is_sufficient
from impasto.optimisers.parts import WHOLE, Parts

__all__ = ["ARMIJO", "MORE_THUENTE", "NONE", "STRONG_WOLFE", "LineSearch", "Ray", "Trial"]

_DECREASE, _CURVATURE = 1e-4, 0.9  # c₁ and c₂ of the Wolfe conditions
_MAX_TRIALS = 25
_MAX_TRIALS_MORE_THUENTE = 20  # L-BFGS-B's
_SHORTER = 0.1  # of a length at which the function is not finite
_MIN_MOVE = 1e-9  # a bracket that moves no entry by more than this is a point


@dataclass(frozen=True, eq=False)
class Trial:
    """A point `x` (n,) at distance `t` along a direction, the `step` to it, the function `at` it.

    The step is t·d where nothing is projected, not the difference of points: in float32 a canvas's
    first step vanishes in the rounding of that.
    """

    t: float
    step: Tensor
    x: Tensor
    at: Valued
    direction: Tensor
    parts: Parts = WHOLE
    _slopes: list[float] = field(default_factory=list, repr=False)

    @cached_property
    def loss(self) -> float:
        """φ(t)."""
        return float(self.at.loss)

    @property
    def slope(self) -> float:
        """φ'(t), computed once; not every search needs it.

        No `cached_property`: before Python 3.12 its lock is one for all trials, and a run in
        another thread would wait for the processes of this one.
        """
        if not self._slopes:
            slope = self.parts.dot(self.at.gradient.reshape(-1), self.direction)
            self._slopes.append(float(slope))
        return self._slopes[0]


@dataclass(frozen=True, eq=False)
class Ray:
    """φ(t) = f(P(x + t·d)) from an iterate along d (n,); P projects onto the box, if any.

    `parts` makes products of vectors that processes share.
    """

    function: ValueAndGrad
    start: Iterate
    direction: Tensor
    box: Box | None = None
    parts: Parts = WHOLE

    def origin(self) -> Trial:
        """φ at 0, which is known."""
        no_step = torch.zeros_like(self.direction)
        return Trial(0.0, no_step, self.start.x, self.start.at, self.direction, self.parts)

    def __call__(self, t: float) -> Trial:
        """φ at t: one evaluation."""
        step = self.direction if t == 1 else self.direction * t
        x = self.start.x.add(self.direction, alpha=t)
        if self.box:
            x = self.box.project(x)
            step = x - self.start.x
        return Trial(t, step, x, self.function(x), self.direction, self.parts)

    def finite(self, t: float, nearest: float) -> Trial | None:
        """φ at t or, where loss or slope are not finite, at lengths ever closer to `nearest`.

        None if it is not finite at 25 lengths, or at one that moves no entry.
        """
        for _ in range(_MAX_TRIALS):
            trial = self(t)
            if isfinite(trial.loss + trial.slope):
                return trial
            del trial  # as large as four canvases
            t = nearest + _SHORTER * (t - nearest)
            if abs(t - nearest) * self.parts.largest(self.direction) < _MIN_MOVE:
                break
        return None


@dataclass(frozen=True)
class LineSearch:
    """An entry of `impasto.settings.variants.LINE_SEARCHES`.

    Attributes:
        search: (ray, the length to try first) -> the point to step to; None if there is none.
        trials: how many of its trials are in memory at once.
    """

    search: Callable[[Ray, float], Trial | None]
    trials: int


def fixed(ray: Ray, t: float) -> Trial | None:
    """The first length, whatever the function is there."""
    return ray(t)


def armijo(ray: Ray, t: float) -> Trial | None:
    """The first of t, t/2, t/4, … with φ(t) ≤ φ(0) + c₁·g·(x_t - x₀); None if 25 lengths fail."""
    origin = ray.origin()
    for _ in range(_MAX_TRIALS):
        trial = ray(t)
        slope = float(ray.parts.dot(ray.start.gradient, trial.step))
        if trial.loss <= origin.loss + _DECREASE * slope:
            return trial
        t /= 2
    return None


def strong_wolfe(ray: Ray, t: float) -> Trial | None:
    """A length with sufficient decrease and |φ'(t)| ≤ c₂|φ'(0)| (Nocedal & Wright 2006, 3.5-3.6).

    Cubic interpolation within safeguards, in the order of trials of torch's L-BFGS, so that both
    take the same steps where the function is finite. After 25 trials, the best found; None if that
    is the start.
    """
    origin = ray.origin()
    previous, trial = origin, ray.finite(t, 0.0)
    for extrapolations in range(_MAX_TRIALS):
        if trial is None:  # nothing is finite beyond the last one
            return previous if previous.t > 0 else None
        risen = extrapolations > 1 and trial.loss >= previous.loss
        if risen or _too_high(trial, origin) or (trial.slope >= 0 and not _flat(trial, origin)):
            return _zoom(ray, origin, previous, trial, _MAX_TRIALS - extrapolations)
        if _flat(trial, origin):
            return trial
        low = trial.t + 0.01 * (trial.t - previous.t)
        t = _cubic_minimum(previous, trial, low, 10 * trial.t)
        previous, trial = trial, ray.finite(t, trial.t)
    return trial if trial and trial.loss < origin.loss else None


def _zoom(ray: Ray, origin: Trial, low: Trial, high: Trial, trials: int) -> Trial | None:
    """A Wolfe length between two ends that bracket one; `low` is always the end of lower loss."""
    reach = ray.parts.largest(ray.direction)
    stuck = False
    for _ in range(trials):
        if high.loss < low.loss:
            low, high = high, low
        if abs(high.t - low.t) * reach < _MIN_MOVE:
            break
        t, stuck = _within(low, high, stuck)
        trial = ray.finite(t, low.t)
        if trial is None:
            break
        if _too_high(trial, origin) or trial.loss >= low.loss:
            high = trial
        elif _flat(trial, origin):
            return trial
        else:
            low, high = trial, low if trial.slope * (high.t - low.t) >= 0 else high
    best = min(low, high, key=lambda end: end.loss)
    return best if best.t > 0 else None


def _too_high(trial: Trial, origin: Trial) -> bool:
    return trial.loss > origin.loss + _DECREASE * trial.t * origin.slope


def _flat(trial: Trial, origin: Trial) -> bool:
    return abs(trial.slope) <= -_CURVATURE * origin.slope and not _too_high(trial, origin)


def _within(one: Trial, other: Trial, stuck: bool) -> tuple[float, bool]:
    """The next length inside a bracket, and whether it is close to an end.

    If it is close to an end for the second time in a row, or outside, it moves a tenth of the
    bracket inside.
    """
    low, high = sorted((one.t, other.t))
    t = _cubic_minimum(one, other, low, high)
    margin = 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if stuck or not low < t < high:
        return (high - margin if abs(t - high) < abs(t - low) else low + margin), False
    return t, True


def _cubic_minimum(one: Trial, other: Trial, low: float, high: float) -> float:
    """Minimum of the cubic through both values and slopes, clamped to [low, high]."""
    a, b = sorted((one, other), key=lambda trial: trial.t)
    slope = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    try:
        discriminant = slope**2 - a.slope * b.slope
    except OverflowError:  # of a float; that of a product is inf
        return (low + high) / 2
    if not discriminant >= 0:  # no minimum, or not a number
        return (low + high) / 2
    root = sqrt(discriminant)
    curvature = b.slope - a.slope + 2 * root
    if curvature == 0:
        return (low + high) / 2
    t = b.t - (b.t - a.t) * ((b.slope + root - slope) / curvature)
    return min(max(t, low), high)


def more_thuente(ray: Ray, t: float) -> Trial | None:
    """A length that satisfies Wolfe's conditions, by the trials of L-BFGS-B; None if 20 fail."""
    start = ray.origin()
    origin = Point(0.0, start.loss, start.slope)
    interval = Interval.at(origin)
    for _ in range(_MAX_TRIALS_MORE_THUENTE):
        trial = None if isnan(t) else ray.finite(t, interval.best.t)
        if trial is None:
            return None
        here = Point(trial.t, trial.loss, trial.slope)
        if is_sufficient(origin, here) or interval.is_exhausted(here):
            return trial if trial.t > 0 else None
        interval, t = interval.after(here)
    return None


NONE = LineSearch(fixed, trials=1)
ARMIJO = LineSearch(armijo, trials=2)
STRONG_WOLFE = LineSearch(strong_wolfe, trials=5)
MORE_THUENTE = LineSearch(more_thuente, trials=2)

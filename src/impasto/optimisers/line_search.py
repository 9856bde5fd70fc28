"""How far to go along a direction: not asking, backtracking, or Wolfe's conditions, two ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import torch
from torch import Tensor

from impasto.errors import SettingsError
from impasto.optimisers.base import Box, Iterate, ValueAndGrad, Valued
from impasto.optimisers.more_thuente import Interval, Point, enough

__all__ = ["LINE_SEARCHES", "Ray", "Trial", "line_search"]

_DECREASE, _CURVATURE = 1e-4, 0.9  # c₁ and c₂ of the Wolfe conditions
_MOST_TRIALS = 25
_MOST_THUENTE = 20  # L-BFGS-B's
_LEAST_MOVE = 1e-9  # a bracket that moves no entry by more than this is a point


@dataclass(frozen=True, eq=False)
class Trial:
    """A point at distance t along a direction, the step to it, and what the function is there.

    The step is t·d where nothing was projected, not the difference of points: in float32 a
    picture's first step vanishes in the rounding of that.
    """

    t: float
    step: Tensor
    x: Tensor
    at: Valued
    direction: Tensor

    @cached_property
    def loss(self) -> float:
        """φ(t)."""
        return float(self.at.loss)

    @cached_property
    def slope(self) -> float:
        """φ'(t), which not every search asks for."""
        return float(self.at.gradient.reshape(-1).dot(self.direction))


@dataclass(frozen=True, eq=False)
class Ray:
    """φ(t) = f(P(x + t·d)) from an iterate; P projects onto the box, if there is one."""

    evaluate: ValueAndGrad
    start: Iterate
    direction: Tensor
    box: Box | None = None

    def origin(self) -> Trial:
        """φ at 0, already known."""
        no_step = torch.zeros_like(self.direction)
        return Trial(0.0, no_step, self.start.x, self.start.at, self.direction)

    def __call__(self, t: float) -> Trial:
        """φ at t: one evaluation."""
        step = self.direction if t == 1 else self.direction * t
        x = self.start.x.add(self.direction, alpha=t)
        if self.box:
            x = self.box.project(x)
            step = x - self.start.x
        return Trial(t, step, x, self.evaluate(x), self.direction)


Search = Callable[[Ray, float], Trial | None]


def take(ray: Ray, t: float) -> Trial | None:
    """The first length tried, whatever is there."""
    return ray(t)


def armijo(ray: Ray, t: float) -> Trial | None:
    """The first of t, t/2, t/4, … with φ(t) ≤ φ(0) + c₁·g·(x_t - x₀); None if 25 have it not."""
    origin = ray.origin()
    for _ in range(_MOST_TRIALS):
        trial = ray(t)
        if trial.loss <= origin.loss + _DECREASE * float(ray.start.gradient.dot(trial.step)):
            return trial
        t /= 2
    return None


def strong_wolfe(ray: Ray, t: float) -> Trial | None:
    """A length with sufficient decrease and |φ'(t)| ≤ c₂|φ'(0)| (Nocedal & Wright 2006, 3.5-3.6).

    Cubic interpolation within safeguards, in the order of trials that torch's L-BFGS makes, so
    that both take the same steps. Out of trials, the best found; None if that is the start.
    """
    origin = ray.origin()
    previous, trial = origin, ray(t)
    for extrapolations in range(_MOST_TRIALS):
        risen = extrapolations > 1 and trial.loss >= previous.loss
        if risen or _too_high(trial, origin) or (trial.slope >= 0 and not _flat(trial, origin)):
            return _zoom(ray, origin, previous, trial, _MOST_TRIALS - extrapolations)
        if _flat(trial, origin):
            return trial
        least = trial.t + 0.01 * (trial.t - previous.t)
        t = _cubic_minimiser(previous, trial, least, 10 * trial.t)
        previous, trial = trial, ray(t)
    return trial if trial.loss < origin.loss else None


def _zoom(ray: Ray, origin: Trial, low: Trial, high: Trial, trials: int) -> Trial | None:
    """A Wolfe length between two ends that bracket one; `low` is the lower of them throughout."""
    reach = float(ray.direction.abs().max())
    stuck = False
    for _ in range(trials):
        if high.loss < low.loss:
            low, high = high, low
        if abs(high.t - low.t) * reach < _LEAST_MOVE:
            break
        t, stuck = _within(low, high, stuck)
        trial = ray(t)
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

    Twice in a row close to an end, or outside, it is moved a tenth of the bracket inside.
    """
    least, most = sorted((one.t, other.t))
    t = _cubic_minimiser(one, other, least, most)
    margin = 0.1 * (most - least)
    if min(most - t, t - least) >= margin:
        return t, False
    if stuck or not least < t < most:
        return (most - margin if abs(t - most) < abs(t - least) else least + margin), False
    return t, True


def _cubic_minimiser(one: Trial, other: Trial, least: float, most: float) -> float:
    """Minimum of the cubic through both values and slopes, kept in [least, most]."""
    a, b = sorted((one, other), key=lambda trial: trial.t)
    slope = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    discriminant = slope**2 - a.slope * b.slope
    if not discriminant >= 0:  # no minimum, or not a number
        return (least + most) / 2
    root = sqrt(discriminant)
    curvature = b.slope - a.slope + 2 * root
    if curvature == 0:
        return (least + most) / 2
    t = b.t - (b.t - a.t) * ((b.slope + root - slope) / curvature)
    return min(max(t, least), most)


def more_thuente(ray: Ray, t: float) -> Trial | None:
    """A length that satisfies Wolfe's conditions, by the trials of L-BFGS-B; None if 20 do not."""
    start = ray.origin()
    origin = Point(0.0, start.loss, start.slope)
    interval = Interval.at(origin)
    for _ in range(_MOST_THUENTE):
        trial = ray(t)
        here = Point(t, trial.loss, trial.slope)
        if enough(origin, here) or interval.exhausted(here):
            return trial
        interval, t = interval.after(here)
    return None


LINE_SEARCHES: dict[str, Search] = {
    "none": take,
    "armijo": armijo,
    "strong-wolfe": strong_wolfe,
    "more-thuente": more_thuente,
}


def line_search(name: str) -> Search:
    """The line search called `name`; SettingsError lists those there are."""
    if name not in LINE_SEARCHES:
        raise SettingsError(f"line search is {name!r}; expected one of {', '.join(LINE_SEARCHES)}")
    return LINE_SEARCHES[name]

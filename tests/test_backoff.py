"""Back to the last finite iterate, and on with smaller steps."""

import weakref
from itertools import islice

import pytest
import torch

from impasto.optimisers import (
    LBFGS,
    Adam,
    Backoff,
    constant,
    stepped,
)
from support.functions import BUMPY, At, evaluator, of_a_picture, quartic, searched, start


class Failing:
    """The quartic, which is nan or infinite at chosen evaluations; counted from 0."""

    def __init__(self, *failures, value=float("nan"), where="loss"):
        self.failures, self.value, self.where, self.points = set(failures), value, where, []

    def __call__(self, x):
        at, number = evaluator(quartic)(x), len(self.points)
        self.points.append(x.clone())
        if number in self.failures:
            if self.where == "loss":
                return At(torch.full_like(at.loss, self.value), at.gradient)
            at.gradient[3] = self.value
        return at


def backed_off(function, faults=None, factors=None):
    """Adam in a backoff, which notes its lines and the factors that Adam is started with."""

    def begin(function, x, factor):
        if factors is not None:
            factors.append(factor)
        return Adam(function, x, learning_rate=constant(0.1 * factor))

    return Backoff(function, start(), begin, pytest.fail if faults is None else faults.append)


def test_backoff_passes_on_finite_iterates():
    plain = Adam(evaluator(quartic), start(), learning_rate=constant(0.1))
    for expected, found in zip(islice(plain, 9), islice(backed_off(Failing()), 9), strict=True):
        assert torch.equal(found.x, expected.x)
        assert found.iteration == expected.iteration


@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_backoff_continues_with_a_quarter_of_the_step(where, value):
    function, faults, factors = Failing(5, value=value, where=where), [], []
    found = list(islice(backed_off(function, faults, factors), 9))
    assert [i.iteration for i in found] == list(range(9))
    assert all(i.at.loss.isfinite() and i.gradient.isfinite().all() for i in found)
    assert len(function.points) == 10  # each once, and the one that failed
    assert factors == [1.0, 0.25]
    what = f"the loss is {value}" if where == "loss" else "the gradient is not finite"
    remedy = "continuing from the last finite canvas with a quarter of the step"
    assert faults == [f"{what} after 5 iterations; {remedy}"]
    good, bad, mended = found[4].x, function.points[5], found[5].x
    assert (mended - good).abs().max() < 0.3 * (bad - good).abs().max() + 0.1 * 0.25


def test_backoff_gives_up_after_three_restarts():
    faults, factors = [], []
    minimiser = backed_off(Failing(2, 3, 6, 8), faults, factors)
    found = list(islice(minimiser, 6))
    assert [i.iteration for i in found] == [0, 1, 2, 3, 4, 5]
    assert [bool(i.at.loss.isfinite()) for i in found] == [True] * 5 + [False]
    assert factors == [1.0, 1 / 4, 1 / 16, 1 / 64]
    assert [line.split()[-4:-3] for line in faults] == [["quarter"], ["sixteenth"], ["64th"]]


def test_backoff_passes_on_a_start_that_is_not_finite():
    minimiser = backed_off(Failing(0, 1))
    assert next(minimiser).at.loss.isnan()
    assert next(minimiser).at.loss.isnan()  # no finite canvas to go back to


def test_backoff_ignores_sums_that_overflow():
    sizes = iter([1.0, 2e38, 1.0])  # of which four make more than float32 holds

    def evaluate(x):
        return At(torch.tensor(1.0), torch.full((4,), next(sizes)))

    def begin(function, x, factor):
        return Adam(function, x, learning_rate=constant(0.1))

    minimiser = Backoff(evaluate, torch.zeros(4), begin, pytest.fail)
    assert [i.iteration for i in islice(minimiser, 3)] == [0, 1, 2]


def test_backoff_continues_the_schedule_and_restarts_the_bias():
    def begin(function, x, factor):
        return Adam(function, x, learning_rate=stepped(0.1 * factor, 2, 0.5))

    lines = []
    *_, good, mended = islice(Backoff(Failing(3), start(), begin, lines.append), 4)
    assert len(lines) == 1
    step = 0.1 / 4 * 0.5  # the third iteration is after the first decay; Adam's first is the rate
    moved = (mended.x - good.x).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, step), rtol=1e-5, atol=0)


def test_backoff_takes_lbfgs_back_to_its_first_step():
    def begin(function, x, factor):
        return LBFGS(function, x, learning_rate=factor, first_step=0.02)

    lines = []
    *_, good, mended = islice(Backoff(Failing(4), start(), begin, lines.append), 5)
    assert len(lines) == 1
    assert (mended.x - good.x).square().mean().sqrt() == pytest.approx(0.02 / 4)


@pytest.mark.parametrize("made", [of_a_picture, searched])
def test_backoff_drops_a_minimiser_before_it_starts_another(made):
    """There may be no memory for two at once."""
    started, lines = [], []

    def begin(function, x, factor):
        assert not any(reference() for reference in started)
        minimiser = made(NanOnce(function) if factor == 1 else function, x)
        started.append(weakref.ref(minimiser))
        return minimiser

    assert len(list(islice(Backoff(BUMPY, start(20), begin, lines.append), 4))) == 4
    assert len(started) == 2
    assert len(lines) == 1


class NanOnce:
    """A function whose loss falls and whose gradient is nan from the second evaluation on."""

    def __init__(self, function):
        self.function, self.count = function, 0

    def __call__(self, x):
        at = self.function(x)
        self.count += 1
        return at if self.count < 2 else At(at.loss - 1e9, at.gradient * float("nan"))

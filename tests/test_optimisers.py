"""L-BFGS and Adam: step by step against torch.optim and scipy, and down known functions."""

import functools
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import fmin_l_bfgs_b

from impasto.errors import SettingsError
from impasto.optimisers import (
    LBFGS,
    REPRESENTATIONS,
    Adam,
    Box,
    Iterate,
    Minimiser,
    Restarts,
    constant,
    stepped,
    until,
)
from impasto.optimisers.compact import Compact
from impasto.optimisers.history import Recursion
from impasto.optimisers.line_search import NONE, Ray
from impasto.settings.variants import LINE_SEARCHES
from support.functions import (
    At,
    bumpy,
    evaluator,
    quartic,
    rosenbrock,
    start,
)


def torch_lbfgs(function, x, iterations, **options):
    """torch's losses at every evaluation, its points after 1, 2, … iterations."""
    points = []
    for n in range(1, iterations + 1):
        leaf = x.clone().requires_grad_()
        optimiser = torch.optim.LBFGS(
            [leaf], max_iter=n, max_eval=10_000, tolerance_grad=-1, tolerance_change=-1, **options
        )

        def closure(leaf=leaf, optimiser=optimiser):
            optimiser.zero_grad()
            loss = function(leaf)
            loss.backward()
            return loss

        optimiser.step(closure)
        points.append(leaf.detach().clone())
    return points


@pytest.mark.parametrize("history", [1, 3, 100])
@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_lbfgs_takes_torchs_steps(history, rate):
    x = start()
    expected = torch_lbfgs(quartic, x, 12, lr=rate, history_size=history)
    found = LBFGS(evaluator(quartic), x, learning_rate=rate, history=history)
    for point, iterate in zip(expected, islice(found, 1, 13), strict=True):
        torch.testing.assert_close(iterate.x, point, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("function", [rosenbrock, quartic])
def test_strong_wolfe_takes_torchs_steps(function):
    x = start(6)
    expected = torch_lbfgs(function, x, 15, history_size=10, line_search_fn="strong_wolfe")
    found = LBFGS(evaluator(function), x, history=10, line_search="strong-wolfe")
    for point, iterate in zip(expected, islice(found, 1, 16), strict=True):
        torch.testing.assert_close(iterate.x, point, rtol=1e-6, atol=1e-8)


def scipys(function):
    """The function as scipy wants it, of a numpy vector."""

    def evaluated(x):
        at = evaluator(function)(torch.from_numpy(x.copy()))
        return float(at.loss), at.gradient.numpy()

    return evaluated


SCIPYS = {"history": 10, "first_step": "l2", "line_search": "more-thuente"}
FOREVER = {"m": 10, "factr": 0, "pgtol": 0}


@pytest.mark.parametrize("function", [rosenbrock, quartic, bumpy])
@pytest.mark.parametrize("n", [6, 50])
def test_more_thuente_takes_scipys_steps(function, n):
    x, points = 3 * start(n), []
    fmin_l_bfgs_b(
        scipys(function), x.numpy(), **FOREVER, maxiter=20, callback=lambda p: points.append(p)
    )
    found = LBFGS(evaluator(function), x, **SCIPYS)
    assert len(points) > 10
    for point, iterate in zip(points, islice(found, 1, len(points) + 1), strict=True):
        torch.testing.assert_close(iterate.x, torch.from_numpy(point), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("function", [rosenbrock, bumpy])
def test_restarts_are_calls_of_scipy(function):
    x, box = 3 * start(6), Box(torch.tensor([-2.0]).double(), torch.tensor([2.0]).double())
    minimise = functools.partial(LBFGS, **SCIPYS)
    found = Restarts(evaluator(function), x, minimise=minimise, max_evaluations=20, box=box)
    flat = x.numpy()
    iterates = list(islice(found, 1, 4))
    assert len(iterates) == 3
    for iterate in iterates:
        flat, _, _ = fmin_l_bfgs_b(scipys(function), flat, **FOREVER, maxfun=20)
        flat = flat.clip(-2, 2)
        torch.testing.assert_close(iterate.x, torch.from_numpy(flat), rtol=1e-5, atol=1e-7)


def test_restarts_evaluate_no_point_twice_and_end_soon_after_their_number():
    calls = []
    minimise = functools.partial(LBFGS, first_step=1e-3)
    found = Restarts(evaluator(rosenbrock, calls), start(20), minimise=minimise, max_evaluations=7)
    counts = [len(calls) for _ in islice(found, 5)]
    assert counts == [1, 8, 15, 22, 29]  # the start, then seven new points a restart


def test_a_point_requested_twice_in_a_row_is_evaluated_and_counted_once():
    def hesitant(evaluate, x):
        for step in range(9):
            at = evaluate(x + step)
            yield Iterate(step, x + step, evaluate(x + step))
            assert torch.equal(at.loss, evaluate(x + step).loss)

    calls = []
    found = Restarts(evaluator(quartic, calls), start(), minimise=hesitant, max_evaluations=3)
    next(found)
    assert torch.equal(next(found).x, start() + 3)  # the fourth point, the start among them
    assert len(calls) == 4


def test_a_minimisation_that_ends_by_itself_is_an_iterate():
    at_rest = torch.zeros(4, dtype=torch.float64)
    found = Restarts(evaluator(lambda x: x.dot(x)), at_rest, minimise=LBFGS, max_evaluations=5)
    assert [i.iteration for i in islice(found, 3)] == [0, 1, 2]
    assert all(torch.equal(i.x, at_rest) for i in islice(found, 2))


def test_one_evaluation_an_iteration_without_line_search():
    calls = []
    list(islice(LBFGS(evaluator(quartic, calls), start()), 8))
    assert len(calls) == 8  # the start and seven steps


def test_without_line_search_only_the_point_is_evaluated():
    """A value or slope read back would make a device wait."""
    first = next(LBFGS(evaluator(quartic), start()))
    ray = Ray(evaluator(quartic), first, -first.gradient)
    trial = NONE.search(ray, 0.5)
    assert not {"loss", "slope"} & vars(trial).keys()
    assert trial.slope == pytest.approx(float(-trial.at.gradient.dot(first.gradient)))
    torch.testing.assert_close(trial.x, first.x - 0.5 * first.gradient)


def test_first_step_has_the_root_mean_square_of_the_setting():
    x = start()
    first, second = islice(LBFGS(evaluator(quartic), x, first_step=0.02), 2)
    assert (second.x - first.x).square().mean().sqrt() == pytest.approx(0.02)
    for gentle in (1.0, 1e-4):  # 1/|g| is not bounded by 1, as scipy's is not
        plane = evaluator(lambda x, slope=gentle: slope * x.sum())
        first, second = islice(LBFGS(plane, x, first_step="l2"), 2)
        assert (second.x - first.x).norm() == pytest.approx(1)


@pytest.mark.parametrize("search", ["armijo", "strong-wolfe", "more-thuente"])
def test_rosenbrock_in_the_valley(search):
    x = torch.tensor([-1.2, 1.0] * 5, dtype=torch.float64)
    *_, last = islice(LBFGS(evaluator(rosenbrock), x, line_search=search), 300)
    assert last.at.loss < 1e-12
    torch.testing.assert_close(last.x, torch.ones_like(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("search", ["armijo", "strong-wolfe", "more-thuente"])
def test_searches_never_climb(search):
    found = LBFGS(evaluator(rosenbrock), start(8), line_search=search)
    losses = [float(iterate.at.loss) for iterate in islice(found, 40)]
    assert len(losses) == 40
    assert losses == sorted(losses, reverse=True)


def cliff(value, reach=3.0):
    """A quartic whose value is not finite where an entry is beyond `reach`."""

    def evaluate(x):
        at, fallen = evaluator(quartic)(x), x.abs().max() > reach or not x.isfinite().all()
        factor = value if fallen else 1.0
        return At(at.loss * factor, at.gradient * factor)

    return evaluate


@pytest.mark.parametrize("search", ["strong-wolfe", "more-thuente"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), -float("inf")])
@pytest.mark.parametrize("rate", [1.0, 30.0, 1e20])
def test_searches_come_back_from_where_the_function_is_not_finite(search, value, rate):
    options = {"line_search": search, "learning_rate": rate, "first_step": "l2"}
    losses = []
    for iterate in islice(LBFGS(cliff(value), start(8), **options), 30):
        losses.append(float(iterate.at.loss))
        if losses[-1] < 1e-12:
            break
    assert losses == sorted(losses, reverse=True)
    torch.testing.assert_close(iterate.x, torch.ones(8).double(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("search", ["strong-wolfe", "more-thuente"])
def test_where_nothing_else_is_finite_no_step_descends(search):
    x = start(8)

    def evaluate(at):
        factor = 1.0 if torch.equal(at, x) else float("nan")
        return At(factor * at.sum(), factor * torch.ones_like(at))

    found = LBFGS(evaluate, x, line_search=search)
    assert [iterate.iteration for iterate in islice(found, 5)] == [0]


@pytest.mark.parametrize("power", [40, 100, 155])
def test_cubics_of_huge_values_are_searched(power):
    huge = evaluator(lambda x: 10.0**power * quartic(x))
    found = LBFGS(huge, start(8), line_search="strong-wolfe", learning_rate=1e20)
    losses = [float(iterate.at.loss) for iterate in islice(found, 10)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("search", LINE_SEARCHES.names())
def test_quadratic_in_ten_thousand_dimensions(search):
    eigenvalues = torch.logspace(0, 2, 10_000, dtype=torch.float64)

    def bowl(x):
        return (eigenvalues * x * x).sum() / 2

    x = torch.ones(10_000, dtype=torch.float64)
    *_, last = islice(LBFGS(evaluator(bowl), x, history=20, line_search=search), 120)
    assert last.at.loss < 1e-8 * bowl(x)


@settings(max_examples=30)
@given(
    representation=st.sampled_from(sorted(REPRESENTATIONS)),
    pairs=st.integers(1, 9),
    history=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_history_is_the_dense_update(representation, pairs, history, seed):
    generator = torch.Generator().manual_seed(seed)
    n = 12
    matrix = torch.randn(n, n, generator=generator, dtype=torch.float64)
    matrix = matrix @ matrix.T + torch.eye(n, dtype=torch.float64)
    steps = torch.randn(pairs, n, generator=generator, dtype=torch.float64)
    kept = REPRESENTATIONS[representation](history, steps[0])
    for step in steps:
        kept.update(step, matrix @ step)
    gradient = torch.randn(n, generator=generator, dtype=torch.float64)
    dense = dense_inverse_hessian(steps[-history:], steps[-history:] @ matrix)
    torch.testing.assert_close(kept.direction(gradient), -dense @ gradient, rtol=1e-8, atol=1e-10)


def dense_inverse_hessian(steps, changes):
    """The BFGS update (Nocedal & Wright 2006, 6.17) as matrices."""
    identity = torch.eye(steps.shape[1], dtype=steps.dtype)
    inverse = identity * steps[-1].dot(changes[-1]) / changes[-1].dot(changes[-1])
    for s, y in zip(steps, changes, strict=True):
        project = identity - torch.outer(s, y) / s.dot(y)
        inverse = project @ inverse @ project.T + torch.outer(s, s) / s.dot(y)
    return inverse


def test_compact_pairs_in_bfloat16_point_the_same_way():
    """Over several chunks, with a rest, and after the oldest pairs have been overwritten."""
    generator = torch.Generator().manual_seed(5)
    curvature = torch.rand(30_001, generator=generator).pow(4) + 1e-3
    exact, rough = Recursion(5, curvature), Compact(5, curvature)
    for _ in range(8):
        step = torch.randn(curvature.shape, generator=generator)
        exact.update(step, curvature * step)
        rough.update(step, curvature * step)
        gradient = torch.randn(curvature.shape, generator=generator)
        expected = exact.direction(gradient)
        found = rough.direction(gradient)
        assert found.dtype == torch.float32
        assert (found - expected).norm() < 2e-3 * expected.norm()


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_cleared_pairs_leave_steepest_descent(representation):
    kept, step = REPRESENTATIONS[representation](3, start()), start(seed=1)
    kept.update(step, 2 * step)
    kept.clear()
    assert torch.equal(kept.direction(step), -step)
    kept.update(step, 4 * step)
    torch.testing.assert_close(kept.direction(step), -step / 4)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_pairs_of_no_curvature_are_skipped(representation):
    kept = REPRESENTATIONS[representation](4, start())
    step = start(seed=1)
    kept.update(step, -step)
    kept.update(step, step * 1e-12)
    gradient = start(seed=2)
    assert torch.equal(kept.direction(gradient), -gradient)


def test_float32_follows_torch_to_the_last_digits():
    """The order of operations is torch's, so that chaos finds nothing to amplify."""
    x = start(2000).float()
    expected = torch_lbfgs(quartic, x, 30, history_size=100)
    found = islice(LBFGS(evaluator(quartic), x), 1, 31)
    for point, iterate in zip(expected, found, strict=True):
        torch.testing.assert_close(iterate.x, point, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("search", LINE_SEARCHES.names())
def test_ends_at_a_stationary_point(search):
    iterates = list(
        islice(LBFGS(evaluator(quartic), torch.ones(5, dtype=torch.float64), line_search=search), 9)
    )
    assert len(iterates) == 1


@pytest.mark.parametrize(("search", "method"), [("armijo", LBFGS), ("none", LBFGS)])
def test_iterates_stay_in_the_box_and_find_its_corner(search, method):
    target = torch.tensor([2.0, 0.3, -4.0, 0.5], dtype=torch.float64)
    coupling = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)

    def bowl(x):
        return (coupling * (x - target) ** 2).sum() + 0.1 * x.sum() ** 2

    box = Box(torch.tensor([-1.0, -1.0]).double(), torch.tensor([1.0, 0.9]).double())
    points = [
        i.x
        for i in islice(
            method(evaluator(bowl), torch.zeros(4).double(), line_search=search, box=box), 60
        )
    ]
    low, high = torch.tensor([-1, -1, -1, -1.0]), torch.tensor([1, 1, 0.9, 0.9])
    assert all((p >= low).all() and (p <= high).all() for p in points)
    x = points[-1]
    gradient = evaluator(bowl)(x).gradient
    projected = torch.minimum(torch.maximum(x - gradient, low), high) - x
    assert projected.abs().max() < 1e-6  # the first-order condition in a box


def test_adam_takes_torchs_steps():
    x, rate = start(), stepped(0.3, every=4, factor=0.5)
    leaf = x.clone().requires_grad_()
    optimiser = torch.optim.Adam([leaf], lr=0.3, betas=(0.8, 0.99), eps=1e-6)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 4, 0.5)
    found = Adam(evaluator(rosenbrock), x, learning_rate=rate, betas=(0.8, 0.99), epsilon=1e-6)
    next(found)
    for iterate in islice(found, 15):
        optimiser.zero_grad()
        rosenbrock(leaf).backward()
        optimiser.step()
        schedule.step()
        torch.testing.assert_close(iterate.x, leaf.detach(), rtol=1e-10, atol=1e-12)


def test_adam_stays_in_its_box():
    box = Box(torch.tensor([-0.5]).double(), torch.tensor([0.5]).double())
    *_, last = islice(Adam(evaluator(quartic), start(), learning_rate=constant(0.1), box=box), 60)
    torch.testing.assert_close(last.x, torch.full_like(last.x, 0.5))


def test_schedules():
    assert [stepped(1.0, 2, 0.1)(n) for n in (1, 2, 3, 4, 5)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01]
    )
    assert stepped(3.0, 0, 0.1)(10_000) == 3.0


def test_until_counts_iterations():
    assert [i.iteration for i in until(LBFGS(evaluator(quartic), start()), 3)] == [0, 1, 2, 3]
    assert [i.iteration for i in until(LBFGS(evaluator(quartic), start()), 0)] == [0]


class Told(Minimiser):
    """A minimiser whose losses are given, one an iteration."""

    def __init__(self, losses):
        super().__init__(None, start())
        self.losses = losses

    def advance(self, last):
        return self.evaluate(last.iteration + 1, last.x)

    def evaluate(self, iteration, x):
        return Iterate(iteration, x, At(torch.tensor(self.losses[iteration]), x))


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e14])
def test_until_stops_by_relative_change_whatever_the_scale(scale):
    losses = [scale * (1 + 2.0**-n) for n in range(100)]
    assert len(list(until(Told(losses), 99, tolerance=1e-3))) == 11  # 2⁻¹⁰ is the first below 1e-3
    assert len(list(until(Told(losses), 99))) == 100
    resumed = Told(losses)
    resumed.start_at(resumed.evaluate(40, start()))
    assert [i.iteration for i in until(resumed, 99, tolerance=1e-3)] == [41]


def test_until_does_not_judge_the_first_step():
    flat = [1.0] * 5
    assert [i.iteration for i in until(Told(flat), 4, tolerance=0.1)] == [0, 1, 2]


def test_until_counts_on_from_a_loaded_state():
    resumed = Told([1.0] * 9)
    resumed.start_at(resumed.evaluate(3, start()))
    assert [i.iteration for i in until(resumed, 6)] == [4, 5, 6]
    assert list(until(resumed, 6)) == []
    assert resumed.last.iteration == 6


def test_unknown_line_search():
    with pytest.raises(SettingsError, match="none, armijo, strong-wolfe"):
        next(LBFGS(evaluator(quartic), start(), line_search="golden"))

"""L-BFGS and Adam: step by step against torch.optim, and down known functions."""

import functools
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import fmin_l_bfgs_b
from torch.utils._python_dispatch import TorchDispatchMode

from impasto.errors import SettingsError
from impasto.optimisers import (
    LBFGS,
    REPRESENTATIONS,
    Adam,
    Backoff,
    Box,
    Iterate,
    MemoryUse,
    Minimiser,
    Preconditioner,
    Problem,
    Restarts,
    constant,
    stepped,
    until,
    with_prefix,
    without_prefix,
)
from impasto.optimisers.compact import Compact
from impasto.optimisers.history import Recursion
from impasto.optimisers.line_search import NONE, Ray
from impasto.settings import Settings
from impasto.settings.variants import LINE_SEARCHES, OPTIMISERS
from pretend_device import pretended_device


@dataclass
class At:
    loss: torch.Tensor
    gradient: torch.Tensor


def evaluator(function, counter=None):
    def evaluate(x):
        if counter is not None:
            counter.append(x.clone())
        leaf = x.detach().clone().requires_grad_()
        loss = function(leaf)
        (gradient,) = torch.autograd.grad(loss, leaf)
        return At(loss.detach(), gradient)

    return evaluate


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def quartic(x):
    """Smooth, convex, not quadratic; well scaled so that no line search is needed."""
    scale = torch.linspace(1, 3, x.numel(), dtype=x.dtype)
    return (scale * (x - 1) ** 2).sum() / 2 + ((x - 1) ** 4).sum() / 40


def normal(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu")


def start(n=10, seed=0):
    return normal((n,), seed)


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


def bumpy(x):
    """A quartic with ripples, so that line searches meet every case."""
    weights = torch.arange(1, len(x) + 1, dtype=x.dtype)
    return (weights * (x - 1) ** 4).sum() + 0.1 * (x * x).sum() + torch.sin(3 * x).sum()


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


def test_a_point_asked_for_twice_in_a_row_is_evaluated_and_counted_once():
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


def test_without_line_search_nothing_is_asked_but_the_point():
    """A value or slope read back would make a device wait."""
    first = next(LBFGS(evaluator(quartic), start()))
    ray = Ray(evaluator(quartic), first, -first.gradient)
    trial = NONE.search(ray, 0.5)
    assert not {"loss", "slope"} & vars(trial).keys()
    assert trial.slope == pytest.approx(float(-trial.at.gradient.dot(first.gradient)))
    torch.testing.assert_close(trial.x, first.x - 0.5 * first.gradient)


def test_first_step_has_the_root_mean_square_asked_for():
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
def test_box_is_kept_and_its_corner_found(search, method):
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


def test_until_does_not_judge_the_blind_first_step():
    flat = [1.0] * 5
    assert [i.iteration for i in until(Told(flat), 4, tolerance=0.1)] == [0, 1, 2]


def test_until_goes_on_counting_where_the_descent_was_resumed():
    resumed = Told([1.0] * 9)
    resumed.start_at(resumed.evaluate(3, start()))
    assert [i.iteration for i in until(resumed, 6)] == [4, 5, 6]
    assert list(until(resumed, 6)) == []
    assert resumed.last.iteration == 6


def test_unknown_line_search():
    with pytest.raises(SettingsError, match="none, armijo, strong-wolfe"):
        next(LBFGS(evaluator(quartic), start(), line_search="golden"))


class Transfers(TorchDispatchMode):
    """Counts numbers that are read back from a device."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_a_direction_reads_nothing_back_from_the_device(representation):
    """A device would wait at each number."""
    kept = REPRESENTATIONS[representation](9, start())
    for seed in range(5):
        kept.update(start(seed=seed), 2 * start(seed=seed))
    with Transfers() as transfers:
        kept.direction(start(seed=7))
    assert transfers.count == 0
    with Transfers() as transfers:
        kept.update(start(seed=8), start(seed=8))
    assert transfers.count == 1  # the sign of the curvature


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(before)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


AMBIENT = {
    "float64 by default": functools.partial(default_dtype, torch.float64),
    "bfloat16 by default": functools.partial(default_dtype, torch.bfloat16),
    "another device by default": functools.partial(torch.device, "meta"),
    "inference mode": torch.inference_mode,
    "deterministic": deterministic,
}


def tilted(x):
    """A function with its gradient written out, in the precision of x."""
    weights = torch.linspace(1, 3, len(x), dtype=x.dtype, device=x.device)
    return At((weights * x * x).sum() / 2 + x.sin().sum(), weights * x + x.cos())


def problem_of(dtype=torch.bfloat16, device="cpu", **overrides):
    chosen = Settings.of("standard", **{"learning_rate": 0.5, "history": 3, **overrides})
    return Problem(chosen, (5, 4), 9, 2, dtype, torch.device(device))


STARTED = {
    "adam": {"optimiser": "adam", "decay": 0.5, "clip": "gamut"},
    "lbfgs": {"first_step": 0.5, "precondition": 0.7},
    "restarts": {"evaluations": 4, "line_search": "more-thuente", "clip": 2.0},
}


def iterates_of(name, device="cpu", dtype=torch.bfloat16):
    """Points of nine iterations of an optimiser as a run starts it, and its state; on the CPU."""
    problem = problem_of(dtype, device, **STARTED[name])
    x = start(60).float().to(problem.device)
    optimiser = OPTIMISERS.get(problem.settings.optimiser)
    minimiser = optimiser.start(tilted, x, problem)
    found = [i.x.cpu() for i in islice(minimiser, 10)]
    assert len(found) == 10
    return [*found, *(tensor.cpu() for tensor in minimiser.state_dict().values())]


@pytest.mark.parametrize("ambient", AMBIENT)
@pytest.mark.parametrize("name", STARTED)
def test_the_state_of_torch_makes_no_difference(name, ambient):
    expected = iterates_of(name)
    with AMBIENT[ambient]():
        found = iterates_of(name)
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("name", STARTED)
def test_a_device_without_float64_is_enough(name, monkeypatch):
    """With the representation that does without; otherwise the same arithmetic."""
    expected = iterates_of(name, dtype=torch.float32)
    with pretended_device(monkeypatch) as device:
        found = iterates_of(name, device)
    assert all(map(torch.equal, found, expected))


def test_memory_follows_from_what_is_kept():
    vector = 3 * 5 * 4 * 4
    adam = OPTIMISERS.get("adam").memory(problem_of(optimiser="adam"))
    assert adam == MemoryUse(6 * vector, 6 * vector)
    lbfgs = OPTIMISERS.get("lbfgs")
    plain = lbfgs.memory(problem_of(precondition=0, learning_rate=1))
    assert plain == MemoryUse(5 * vector + 3 * vector, 7 * vector + 3 * vector)
    exact = lbfgs.memory(problem_of(torch.float32, precondition=0, learning_rate=1))
    assert exact.between == 7 * vector + 2 * 3 * vector
    few = problem_of(torch.float32, precondition=0, learning_rate=1, history=100, evaluations=20)
    assert lbfgs.memory(few).between == 9 * vector + 2 * 20 * vector  # pairs between two restarts


SHAPES = [(3, 6, 8), (3, 7, 9), (1, 6, 9), (3, 7, 8), (3, 1, 5), (3, 5, 1), (3, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_preconditioner_is_inverted_and_pulls_back_by_the_transposed_map(shape):
    x = normal(shape)
    map_ = Preconditioner(x, 0.7)
    v = map_.variables(x.flatten())
    torch.testing.assert_close(map_.canvas(v), x.flatten())
    assert len(v) == map_.entries
    any_v, cotangent = normal(v.shape, seed=1), normal(shape, seed=2).flatten()
    torch.testing.assert_close(map_.pullback(cotangent) @ any_v, cotangent @ map_.canvas(any_v))


@pytest.mark.parametrize("shape", SHAPES)
def test_preconditioner_of_power_zero_keeps_lengths(shape):
    x = normal(shape)
    torch.testing.assert_close(Preconditioner(x, 0.0).variables(x).norm(), x.norm())


def test_preconditioner_moves_coarse_features_most():
    spectrum = Preconditioner(torch.empty(1, 32, 32, dtype=torch.float64), 1.0)
    wave = torch.arange(32) / 32 * torch.pi
    coarse, fine = (torch.cos(2 * n * wave).expand(1, 32, 32).double() for n in (2, 8))
    reach = [spectrum.canvas(spectrum.pullback(f)).norm() / f.norm() for f in (coarse, fine)]
    torch.testing.assert_close(reach[0] / reach[1], torch.tensor(16.0, dtype=torch.float64))


def test_preconditioned_descent_yields_canvases_and_gets_there_sooner():
    """Matching a picture's edges: curvature rises as f², which the preconditioner evens out."""
    generator = torch.Generator().manual_seed(2)
    target = torch.randn(1, 24, 32, generator=generator, dtype=torch.float64)
    edges = Preconditioner(target, -1.0)

    def evaluate(x):
        return At(*edged(x))

    def edged(x):
        pulled = edges.pullback(x - target.flatten())
        return pulled.square().sum(), 2 * edges.canvas(pulled).view(target.shape)

    start = torch.zeros(target.numel(), dtype=torch.float64)
    plain = list(islice(LBFGS(evaluate, start, first_step=0.1), 12))
    spectrum = Preconditioner(target, 1.0)
    quick = list(islice(LBFGS(evaluate, start, first_step=0.1, preconditioner=spectrum), 12))
    assert all(isinstance(iterate, Iterate) for iterate in quick)
    assert [iterate.iteration for iterate in quick] == list(range(len(quick)))
    last = quick[-1]
    torch.testing.assert_close(last.at.loss, edged(last.x)[0])
    assert last.at.loss < 0.01 * plain[len(quick) - 1].at.loss


def searched(evaluate, x, factor=1.0, **options):
    return LBFGS(evaluate, x, learning_rate=factor, history=3, line_search="armijo", **options)


def of_a_picture(evaluate, x):
    return searched(evaluate, x, preconditioner=Preconditioner(torch.empty(1, 4, 5).double(), 0.5))


MADE = {
    "adam": lambda evaluate, x: Adam(evaluate, x, learning_rate=constant(0.1)),
    "lbfgs": searched,
    "compact": lambda evaluate, x: searched(evaluate, x, representation="compact"),
    "restarts": lambda evaluate, x: Restarts(evaluate, x, minimise=searched, max_evaluations=4),
    "preconditioned": of_a_picture,
    "backoff": lambda evaluate, x: Backoff(evaluate, x, searched, pytest.fail),
}
BUMPY = evaluator(bumpy)


def after(n, made):
    """A descent after n iterations."""
    descent = MADE[made](BUMPY, start(20))
    *_, _ = islice(descent, n + 1)
    return descent


@pytest.mark.parametrize("made", MADE)
def test_state_is_small_and_not_copied(made):
    descent = after(9, made)
    entries = sum(tensor.numel() for tensor in descent.state_dict().values())
    pairs = {"adam": 2, "lbfgs": 6, "restarts": 1, "preconditioned": 7.2, "backoff": 6}
    if made in pairs:
        assert entries <= pairs[made] * 20 + 20  # in vectors, and a few numbers
    again = descent.state_dict()
    for name, tensor in descent.state_dict().items():
        live = tensor.untyped_storage().data_ptr() == again[name].untyped_storage().data_ptr()
        assert live or tensor.dtype == torch.int64


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_only_pairs_in_use_are_in_the_state(representation):
    descent = LBFGS(BUMPY, start(20), representation=representation, first_step=1e-3)
    next(descent)
    assert sum(tensor.numel() for tensor in descent.state_dict().values()) <= 4
    next(descent), next(descent)
    assert descent.state_dict()["order"].tolist() == [0, 1]
    rows = {"recursion": (2, 20), "compact": (1, 4, 12288)}  # of the pairs, or of whole chunks
    name = {"recursion": "steps", "compact": "block.0"}[representation]
    assert tuple(descent.state_dict()[name].shape) == rows[representation]


@pytest.mark.parametrize("made", MADE)
def test_states_of_others_are_refused(made):
    kept, state = after(5, made), after(5, made).state_dict()
    for name, tensor in state.items():
        rest = {other: tensor for other, tensor in state.items() if other != name}
        wrong = [rest, rest | {name: tensor.to(torch.int16)}]
        wrong.append(rest | {name: torch.stack([tensor, tensor])})
        if tensor.dtype == torch.int64:
            wrong += [rest | {name: tensor + 99}, rest | {name: tensor - 99}]
        for spoilt in wrong:
            if tensor.numel() or spoilt is rest:
                with pytest.raises(ValueError, match="state"):
                    MADE[made](BUMPY, start(20)).load_state_dict(kept.last, spoilt)


def test_an_order_is_one():
    kept = after(5, "lbfgs")
    with pytest.raises(ValueError, match="repeats"):
        searched(BUMPY, start(20)).load_state_dict(
            kept.last, kept.state_dict() | {"order": torch.tensor([0, 1, 1])}
        )


@pytest.mark.parametrize("made", MADE)
def test_iterates_of_others_are_refused(made):
    kept, x = after(3, made), start(20)
    other = Iterate(3, x.float(), BUMPY(x))
    with pytest.raises(ValueError, match=r"the iterate is \(20,\) of torch.float32; expected"):
        MADE[made](BUMPY, x).load_state_dict(other, kept.state_dict())
    short = Iterate(3, x, At(torch.tensor(0.0), x[1:]))
    with pytest.raises(ValueError, match=r"the gradient is \(19,\)"):
        MADE[made](BUMPY, x).start_at(short)
    with pytest.raises(ValueError, match="expected 0 or more"):
        MADE[made](BUMPY, x).start_at(Iterate(-1, x, BUMPY(x)))
    with pytest.raises(ValueError, match="make another"):
        kept.load_state_dict(kept.last, kept.state_dict())
    with pytest.raises(ValueError, match="before its start"):
        MADE[made](BUMPY, x).state_dict()


@pytest.mark.parametrize("made", MADE)
def test_an_interrupted_step_has_no_state(made):
    """Its state may be newer than the last iterate: neither saved nor continued from."""
    calls = []

    def interrupted(x):
        calls.append(x)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return BUMPY(x)

    minimiser = MADE[made](interrupted, start(20))
    with pytest.raises(KeyboardInterrupt):
        list(islice(minimiser, 20))
    with pytest.raises(ValueError, match="a step was interrupted"):
        minimiser.state_dict()
    with pytest.raises(ValueError, match="a step was interrupted"):
        next(minimiser)


@pytest.mark.parametrize("made", MADE)
def test_a_start_that_is_known_is_not_evaluated(made):
    x, calls = start(20), []
    begun = MADE[made](evaluator(bumpy, calls), x)
    begun.start_at(Iterate(7, x, BUMPY(x)))
    assert not calls
    assert begun.last.iteration == 7
    fresh = MADE[made](BUMPY, x)
    next(fresh)
    for expected, found in zip(islice(fresh, 5), islice(begun, 5), strict=True):
        assert found.iteration == expected.iteration + 7
        assert torch.equal(found.x, expected.x)


def test_a_descent_that_has_ended_has_ended():
    calls = []
    descent = LBFGS(evaluator(quartic, calls), torch.ones(5).double(), line_search="armijo")
    assert len(list(descent)) == 1
    made = len(calls)
    assert list(descent) == []
    assert len(calls) == made
    again = LBFGS(evaluator(quartic, calls), torch.ones(5).double(), line_search="armijo")
    again.load_state_dict(descent.last, descent.state_dict())
    assert list(again) == []
    assert len(calls) == made


def in_variables(evaluate, x, map_):
    """L-BFGS on the function of v itself, and the canvases that its iterates stand for."""

    def function(v):
        at = evaluate(map_.canvas(v))
        return At(at.loss, map_.pullback(at.gradient.flatten()))

    for iterate in searched(function, map_.variables(x)):
        yield map_.canvas(iterate.x), iterate.at.loss


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_a_preconditioner_is_a_change_of_variables(representation):
    x, map_ = start(20), Preconditioner(torch.empty(1, 4, 5).double(), 0.5)
    found = searched(BUMPY, x, representation=representation, preconditioner=map_)
    expected = islice(in_variables(BUMPY, x, map_), 12)
    for iterate, (canvas, loss) in zip(islice(found, 12), expected, strict=True):
        torch.testing.assert_close(iterate.x, canvas)
        torch.testing.assert_close(iterate.at.loss, loss)


def test_prefixes_are_put_on_and_taken_off():
    state = {"a": start(), "b.c": start(3)}
    others = {"inner": start(), "innermost.a": start(), "other.a": start()}
    assert without_prefix("inner", with_prefix("inner", state) | others) == state


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
    descent = backed_off(Failing(2, 3, 6, 8), faults, factors)
    found = list(islice(descent, 6))
    assert [i.iteration for i in found] == [0, 1, 2, 3, 4, 5]
    assert [bool(i.at.loss.isfinite()) for i in found] == [True] * 5 + [False]
    assert factors == [1.0, 1 / 4, 1 / 16, 1 / 64]
    assert [line.split()[-4:-3] for line in faults] == [["quarter"], ["sixteenth"], ["64th"]]


def test_backoff_passes_on_a_start_that_is_not_finite():
    descent = backed_off(Failing(0, 1))
    assert next(descent).at.loss.isnan()
    assert next(descent).at.loss.isnan()  # no finite canvas to go back to


def test_backoff_ignores_sums_that_overflow():
    sizes = iter([1.0, 2e38, 1.0])  # of which four make more than float32 holds

    def evaluate(x):
        return At(torch.tensor(1.0), torch.full((4,), next(sizes)))

    def begin(function, x, factor):
        return Adam(function, x, learning_rate=constant(0.1))

    descent = Backoff(evaluate, torch.zeros(4), begin, pytest.fail)
    assert [i.iteration for i in islice(descent, 3)] == [0, 1, 2]


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

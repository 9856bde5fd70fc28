"""Optimisers whatever torch's state and device: the same bits, no waiting, memory as stated."""

import functools
from contextlib import contextmanager
from itertools import islice

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from impasto.optimisers import (
    REPRESENTATIONS,
    MemoryUse,
    Problem,
)
from impasto.settings import Settings
from impasto.settings.variants import OPTIMISERS
from support.devices import pretended_device
from support.functions import (
    At,
    start,
)


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
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
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


def test_memory_is_counted_in_vectors_and_pairs():
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

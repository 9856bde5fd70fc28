"""The preconditioner is a change of variables, and its minimiser gets there sooner."""

from itertools import islice

import pytest
import torch

from impasto.optimisers import (
    LBFGS,
    REPRESENTATIONS,
    Iterate,
    Preconditioner,
)
from support.functions import BUMPY, At, normal, searched, start

SHAPES = [(3, 6, 8), (3, 7, 9), (1, 6, 9), (3, 7, 8), (3, 1, 5), (3, 5, 1), (3, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_preconditioner_is_inverted_and_pulls_back_by_the_transposed_map(shape):
    x = normal(shape)
    preconditioner = Preconditioner(x, 0.7)
    v = preconditioner.variables(x.flatten())
    torch.testing.assert_close(preconditioner.canvas(v), x.flatten())
    assert len(v) == preconditioner.entries
    any_v, cotangent = normal(v.shape, seed=1), normal(shape, seed=2).flatten()
    torch.testing.assert_close(
        preconditioner.pullback(cotangent) @ any_v, cotangent @ preconditioner.canvas(any_v)
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_preconditioner_of_power_zero_keeps_lengths(shape):
    x = normal(shape)
    torch.testing.assert_close(Preconditioner(x, 0.0).variables(x).norm(), x.norm())


def test_preconditioner_moves_coarse_features_most():
    preconditioner = Preconditioner(torch.empty(1, 32, 32, dtype=torch.float64), 1.0)
    wave = torch.arange(32) / 32 * torch.pi
    coarse, fine = (torch.cos(2 * n * wave).expand(1, 32, 32).double() for n in (2, 8))
    reach = [
        preconditioner.canvas(preconditioner.pullback(f)).norm() / f.norm() for f in (coarse, fine)
    ]
    torch.testing.assert_close(reach[0] / reach[1], torch.tensor(16.0, dtype=torch.float64))


def test_preconditioned_minimiser_yields_canvases_and_gets_there_sooner():
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
    preconditioner = Preconditioner(target, 1.0)
    quick = list(islice(LBFGS(evaluate, start, first_step=0.1, preconditioner=preconditioner), 12))
    assert all(isinstance(iterate, Iterate) for iterate in quick)
    assert [iterate.iteration for iterate in quick] == list(range(len(quick)))
    last = quick[-1]
    torch.testing.assert_close(last.at.loss, edged(last.x)[0])
    assert last.at.loss < 0.01 * plain[len(quick) - 1].at.loss


def in_variables(evaluate, x, preconditioner):
    """L-BFGS on the function of v itself, and the canvases that its iterates stand for."""

    def function(v):
        at = evaluate(preconditioner.canvas(v))
        return At(at.loss, preconditioner.pullback(at.gradient.flatten()))

    for iterate in searched(function, preconditioner.variables(x)):
        yield preconditioner.canvas(iterate.x), iterate.at.loss


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_a_preconditioner_is_a_change_of_variables(representation):
    x, preconditioner = start(20), Preconditioner(torch.empty(1, 4, 5).double(), 0.5)
    found = searched(BUMPY, x, representation=representation, preconditioner=preconditioner)
    expected = islice(in_variables(BUMPY, x, preconditioner), 12)
    for iterate, (canvas, loss) in zip(islice(found, 12), expected, strict=True):
        torch.testing.assert_close(iterate.x, canvas)
        torch.testing.assert_close(iterate.at.loss, loss)

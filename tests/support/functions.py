"""Functions with their gradients, for tests of optimisers."""

from dataclasses import dataclass

import torch

from impasto.optimisers import (
    LBFGS,
    Preconditioner,
)


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


def bumpy(x):
    """A quartic with ripples, so that line searches meet every case."""
    weights = torch.arange(1, len(x) + 1, dtype=x.dtype)
    return (weights * (x - 1) ** 4).sum() + 0.1 * (x * x).sum() + torch.sin(3 * x).sum()


BUMPY = evaluator(bumpy)


def searched(evaluate, x, factor=1.0, **options):
    return LBFGS(evaluate, x, learning_rate=factor, history=3, line_search="armijo", **options)


def of_a_picture(evaluate, x):
    return searched(evaluate, x, preconditioner=Preconditioner(torch.empty(1, 4, 5).double(), 0.5))

"""Minimisers of a function with a gradient, as iterators of iterates that can be resumed.

    function, x, problem ── Optimiser.start ──> Minimiser ──> Iterate, Iterate, …

An optimiser is an entry of `impasto.settings.variants.OPTIMISERS`. It knows the function only as
"value and gradient at x".
"""

from impasto.optimisers.adam import Adam, constant, stepped
from impasto.optimisers.backoff import Backoff
from impasto.optimisers.base import Iterate, Minimiser, ValueAndGrad, Valued, until
from impasto.optimisers.box import Box
from impasto.optimisers.lbfgs import LBFGS, REPRESENTATIONS
from impasto.optimisers.line_search import LineSearch
from impasto.optimisers.preconditioner import Preconditioner
from impasto.optimisers.problem import MemoryUse, Optimiser, Problem
from impasto.optimisers.restarts import Restarts
from impasto.optimisers.state import State, with_prefix, without_prefix

__all__ = [
    "LBFGS",
    "REPRESENTATIONS",
    "Adam",
    "Backoff",
    "Box",
    "Iterate",
    "LineSearch",
    "MemoryUse",
    "Minimiser",
    "Optimiser",
    "Preconditioner",
    "Problem",
    "Restarts",
    "State",
    "ValueAndGrad",
    "Valued",
    "constant",
    "stepped",
    "until",
    "with_prefix",
    "without_prefix",
]

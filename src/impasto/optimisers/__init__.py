"""Minimisers of a function of a flat vector, as iterators of iterates that can be resumed."""

from impasto.optimisers.adam import adam, constant, stepped
from impasto.optimisers.backoff import recovering
from impasto.optimisers.base import Box, Iterate, Minimiser, ValueAndGrad, Valued, until
from impasto.optimisers.history import HISTORIES
from impasto.optimisers.lbfgs import lbfgs
from impasto.optimisers.line_search import LINE_SEARCHES
from impasto.optimisers.preconditioner import Spectrum
from impasto.optimisers.restarts import rounds
from impasto.optimisers.state import Memory, beneath, within

__all__ = [
    "HISTORIES",
    "LINE_SEARCHES",
    "Box",
    "Iterate",
    "Memory",
    "Minimiser",
    "Spectrum",
    "ValueAndGrad",
    "Valued",
    "adam",
    "beneath",
    "constant",
    "lbfgs",
    "recovering",
    "rounds",
    "stepped",
    "until",
    "within",
]

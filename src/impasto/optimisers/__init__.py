"""Minimisers of a function of a flat vector, as generators of iterates."""

from impasto.optimisers.adam import adam, constant, stepped
from impasto.optimisers.history import HISTORIES
from impasto.optimisers.iterates import Box, Evaluate, Iterate, Valued, until
from impasto.optimisers.lbfgs import lbfgs
from impasto.optimisers.line_search import LINE_SEARCHES
from impasto.optimisers.rounds import rounds
from impasto.optimisers.spectral import Spectrum, preconditioned

__all__ = [
    "HISTORIES",
    "LINE_SEARCHES",
    "Box",
    "Evaluate",
    "Iterate",
    "Spectrum",
    "Valued",
    "adam",
    "constant",
    "lbfgs",
    "preconditioned",
    "rounds",
    "stepped",
    "until",
]

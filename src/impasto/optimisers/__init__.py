"""Minimisers of a function of a flat vector, as iterators of iterates that can be resumed."""

from impasto.optimisers.adam import adam, constant, stepped
from impasto.optimisers.history import HISTORIES
from impasto.optimisers.iterates import Box, Descent, Evaluate, Iterate, Valued, until
from impasto.optimisers.lbfgs import lbfgs
from impasto.optimisers.line_search import LINE_SEARCHES
from impasto.optimisers.memories import Memory, beneath, within
from impasto.optimisers.recovering import recovering
from impasto.optimisers.rounds import rounds
from impasto.optimisers.spectral import Spectrum

__all__ = [
    "HISTORIES",
    "LINE_SEARCHES",
    "Box",
    "Descent",
    "Evaluate",
    "Iterate",
    "Memory",
    "Spectrum",
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

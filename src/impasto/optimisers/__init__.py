"""Minimisers of a function of a flat vector, as generators of iterates."""

from impasto.optimisers.adam import adam, constant, stepped
from impasto.optimisers.iterates import Box, Evaluate, Iterate, Valued, until
from impasto.optimisers.lbfgs import lbfgs
from impasto.optimisers.line_search import LINE_SEARCHES
from impasto.optimisers.rounds import rounds

__all__ = [
    "LINE_SEARCHES",
    "Box",
    "Evaluate",
    "Iterate",
    "Valued",
    "adam",
    "constant",
    "lbfgs",
    "rounds",
    "stepped",
    "until",
]

"""The objective's terms: content, style, total variation."""

from impasto.objective.terms.base import ContentTerm, StyleTarget, StyleTerm, Term
from impasto.objective.terms.content import CONTENT_SCALES
from impasto.objective.terms.variation import VARIATIONS, Variation

__all__ = [
    "CONTENT_SCALES",
    "VARIATIONS",
    "ContentTerm",
    "StyleTarget",
    "StyleTerm",
    "Term",
    "Variation",
]

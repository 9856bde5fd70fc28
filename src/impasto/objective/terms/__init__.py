"""The terms of an objective, one file a term, and the protocols of new ones."""

from impasto.objective.terms.base import (
    AnyTerm,
    FeatureTerm,
    LocalTerm,
    PixelTerm,
    TermContext,
    TermFactory,
    WindowedTerm,
)
from impasto.objective.terms.content import CONTENT_SCALES, ContentTerm
from impasto.objective.terms.legibility import LegibilityTerm
from impasto.objective.terms.reference import ReferenceTerm, reference
from impasto.objective.terms.style import StyleTarget, StyleTerm
from impasto.objective.terms.variation import VARIATIONS, Variation, VariationTerm

__all__ = [
    "CONTENT_SCALES",
    "VARIATIONS",
    "AnyTerm",
    "ContentTerm",
    "FeatureTerm",
    "LegibilityTerm",
    "LocalTerm",
    "PixelTerm",
    "ReferenceTerm",
    "StyleTarget",
    "StyleTerm",
    "TermContext",
    "TermFactory",
    "Variation",
    "VariationTerm",
    "WindowedTerm",
    "reference",
]

"""Match the style's colours to the content picture's before the style is measured."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from impasto.images.colour_transfer import histogram_matched, recoloured
from impasto.run.colour_modes.base import ColourMode
from impasto.settings import Settings

__all__ = ["MATCH"]


class Match(ColourMode):
    """`linear` matches mean and covariance of the colours, `histogram` their distribution."""

    methods = ("linear", "histogram")
    needs_both = True
    pointwise = True

    def compare(
        self, content: Tensor, styles: Sequence[Tensor], settings: Settings
    ) -> tuple[Tensor, list[Tensor]]:
        """See ColourMode."""
        match = histogram_matched if settings.colour_method == "histogram" else recoloured
        matched = [(style, match(style, content).clamp(0, 1)) for style in styles]
        strength = settings.colour_strength
        return content, [style.lerp(other, strength) for style, other in matched]


MATCH = Match()

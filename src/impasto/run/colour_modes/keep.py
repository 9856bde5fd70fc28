"""Keep the content picture's colours: repaint them afterwards, or paint luminance alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from impasto.images.colour_transfer import luminance, matched_lightness, with_colours_of
from impasto.images.spaces import ColourSpace
from impasto.objective import CanvasFunction
from impasto.objective.constraints import luminance_only
from impasto.run.colour_modes.base import ColourMode
from impasto.settings import Settings

__all__ = ["KEEP"]


class Keep(ColourMode):
    """`afterwards` gives the finished picture the content's colours; `luminance` paints no others.

    With `luminance` the comparison is between grey pictures whose lightness has the content's
    distribution (Gatys et al. 2016, "Preserving color in neural artistic style transfer").
    """

    methods = ("afterwards", "luminance")
    needs_both = True
    needs_content = True
    pointwise = True

    def compares(self, settings: Settings) -> bool:
        """See ColourMode."""
        return settings.colour_method == "luminance"

    def compare(
        self, content: Tensor, styles: Sequence[Tensor], settings: Settings
    ) -> tuple[Tensor, list[Tensor]]:
        """See ColourMode."""
        if settings.colour_method != "luminance":
            return content, [*styles]
        return luminance(content), [matched_lightness(style, content) for style in styles]

    def constrain(
        self, function: CanvasFunction, space: ColourSpace, settings: Settings
    ) -> CanvasFunction:
        """See ColourMode."""
        return (
            luminance_only(function, space) if settings.colour_method == "luminance" else function
        )

    def show(self, rgb: Tensor, settings: Settings) -> Tensor:
        """See ColourMode; only luminance was optimised, so chroma is dropped."""
        if settings.colour_method != "luminance":
            return rgb
        return rgb.mean(0, keepdim=True).expand_as(rgb)

    def finish(self, picture: Tensor, content: Tensor | None, settings: Settings) -> Tensor:
        """See ColourMode."""
        if content is None:
            return picture
        return with_colours_of(picture, content, settings.colour_strength)


KEEP = Keep()

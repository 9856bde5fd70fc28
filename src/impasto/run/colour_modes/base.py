"""A colour mode acts before, while and after a picture is painted."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from impasto.images.spaces import ColourSpace
from impasto.objective import CanvasFunction
from impasto.settings import Settings
from impasto.settings.variants import COLOUR_MODES

__all__ = ["ColourMode", "colour_mode"]


class ColourMode:
    """Paint in the style's colours; other modes override what they change.

    `methods` are the values of `colour_method` that the mode knows, the default first; none if it
    has no choice.
    """

    methods: tuple[str, ...] = ()
    needs_both = False
    """Whether the mode takes a content and a style picture."""
    needs_content = False
    """Whether `finish` takes the content picture, which is then kept in memory."""
    pointwise = False
    """Whether `show` and `finish` change each pixel by itself, so that rows may be shown alone."""

    def compares(self, settings: Settings) -> bool:
        """Whether `compare` changes pictures, for which it may look at all of them."""
        return type(self).compare is not ColourMode.compare

    def compare(
        self, content: Tensor, styles: Sequence[Tensor], settings: Settings
    ) -> tuple[Tensor, list[Tensor]]:
        """Content (3, h, w) and styles (3, h', w'), sRGB in [0, 1], in the colours compared."""
        return content, [*styles]

    def constrain(
        self, function: CanvasFunction, space: ColourSpace, settings: Settings
    ) -> CanvasFunction:
        """The objective of canvases (3, h, w) in `space`, where it depends on part of a canvas."""
        return function

    def show(self, rgb: Tensor, settings: Settings) -> Tensor:
        """What is visible of a canvas: sRGB (3, h, w), unbounded."""
        return rgb

    def finish(self, picture: Tensor, content: Tensor | None, settings: Settings) -> Tensor:
        """The picture (3, h, w) in [0, 1] in its final colours; `content` is of its size."""
        return picture


class _Style(ColourMode):
    """The mode that changes nothing."""

    pointwise = True


STYLE = _Style()


def colour_mode(settings: Settings) -> ColourMode:
    """The mode that the settings choose; SettingsError if there is none of that name."""
    mode: ColourMode = COLOUR_MODES.get(settings.colour)
    return mode

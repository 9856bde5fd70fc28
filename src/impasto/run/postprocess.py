"""From pictures to the colours they are compared in, from a canvas to the picture shown of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from impasto.images.colour_transfer import (
    histogram_matched,
    luminance,
    matched_lightness,
    recoloured,
    with_colours_of,
)
from impasto.images.effects import FINISHES
from impasto.run.canvas import TONES, Pair
from impasto.settings import Settings

__all__ = ["Develop", "development", "in_colours"]

Develop = Callable[[Tensor], Tensor]
"""sRGB of a canvas (3, h, w), unbounded -> what is shown of it, in [0, 1]."""


def development(settings: Settings, pair: Pair) -> Develop:
    """What becomes of a canvas that was painted from a pair."""
    s, photograph, keep = settings, pair.photograph, pair.keep

    def develop(canvas: Tensor) -> Tensor:
        if s.colour_method == "luminance":  # a canvas may have colours, but nobody looks at them
            canvas = canvas.mean(0, keepdim=True).expand_as(canvas)
        picture = TONES[s.tones](canvas)
        if s.colour == "keep" and photograph is not None:
            picture = with_colours_of(picture, photograph, s.colour_strength)
        picture = FINISHES[s.finish](picture, s.finish_strength)
        if keep is not None and photograph is not None:
            picture = picture.lerp(photograph, keep)
        return picture

    return develop


def in_colours(
    content: Tensor, styles: Sequence[Tensor], settings: Settings
) -> tuple[Tensor, list[Tensor]]:
    """The pictures in the colours in which they are compared; see `Settings.colour`."""
    s = settings
    if s.colour == "keep" and s.colour_method == "luminance":
        return luminance(content), [matched_lightness(style, content) for style in styles]
    if s.colour != "match":
        return content, [*styles]
    match = histogram_matched if s.colour_method == "histogram" else recoloured
    matched = [(style, match(style, content).clamp(0, 1)) for style in styles]
    return content, [style.lerp(other, s.colour_strength) for style, other in matched]

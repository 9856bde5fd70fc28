"""The canvas that is optimised: where it starts, and how it is enlarged.

A canvas is (3, h, w) in a colour space; it enters the optimisers as a flat vector.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.images.circles import OPEN, Wraps, interpolated
from impasto.images.colour_transfer import Palette, recoloured
from impasto.images.spaces import ColourSpace
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings
from impasto.settings.variants import INITS

__all__ = ["enlarged", "in_style_colours", "initial_canvas", "resized"]


def initial_canvas(
    inputs: StageInputs, settings: Settings, space: ColourSpace, given: Tensor | None = None
) -> Tensor:
    """The first canvas, (3, h, w) in `space`.

    It is the one `given` in sRGB, (3, h', w') of any range; otherwise the setting `init` makes it.
    """
    if given is None:
        canvas: Tensor = INITS.get(settings.init)(inputs, settings, space)
        return canvas
    wraps = settings.wraps
    there = given if given.shape[:0:-1] == inputs.size else resized(given, inputs.size, wraps)
    return space.from_srgb(there.to(inputs.like))


def enlarged(canvas: Tensor, inputs: StageInputs, settings: Settings, space: ColourSpace) -> Tensor:
    """A finished canvas (3, h', w') as the first of the next scale: clipped, (3, h, w) in `space`.

    `detail` is the share of the content's fine detail that is added: what the content has at this
    size and loses at the last scale's. After init recoloured, its colours are the style's.
    """
    painted, wraps = space.to_srgb(canvas).clamp(0, 1), settings.wraps
    larger = resized(painted, inputs.size, wraps).clamp(0, 1)
    if settings.detail and inputs.content is not None:
        content = inputs.content
        if settings.init == "recoloured" and inputs.styles:
            content = in_style_colours(content, inputs, settings.strength)
        before = (painted.shape[-1], painted.shape[-2])
        coarse = resized(content, before, wraps).clamp(0, 1)
        coarse = resized(coarse, inputs.size, wraps).clamp(0, 1)
        fine = content - coarse
        larger = (larger + settings.detail * fine).clamp(0, 1)
    return space.from_srgb(larger)


def in_style_colours(content: Tensor, inputs: StageInputs, strength: float) -> Tensor:
    """Content (3, h, w) in [0, 1], each region recoloured towards its styles by `strength`, 0 to 1.

    Pixels in no region keep their colours.
    """
    moved, covered = torch.zeros_like(content), content.new_zeros(())
    for region in inputs.regions:
        palettes = [Palette.of(inputs.styles[p.index], p.where) for p in region.parts]
        palette = Palette.blend(palettes, [part.share for part in region.parts])
        there = recoloured(content, palette, region.where).clamp_(0, 1)
        where = content.new_ones(()) if region.where is None else region.where
        moved, covered = moved.addcmul_(there, where.expand_as(there[0])), covered + where
    total = covered.clamp_min(1)
    moved = moved / total + content * (1 - covered / total)
    return content.lerp(moved, strength)


def resized(picture: Tensor, size: tuple[int, int], wraps: Wraps = OPEN) -> Tensor:
    """A picture (3, h', w') at the size (w, h), bicubic with antialiasing, which may overshoot.

    `wraps` tells whether its rows and columns are circles.
    """
    return interpolated(picture, (size[1], size[0]), wraps, mode="bicubic", antialias=True)

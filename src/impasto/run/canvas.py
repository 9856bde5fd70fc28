"""The canvas that is optimised: where it starts, and how it is enlarged.

A canvas is (3, h, w) in a colour space; it enters the optimisers as a flat vector.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from impasto.images import resize
from impasto.images.circles import OPEN, Wraps, interpolated
from impasto.images.colour_transfer import Palette, recoloured
from impasto.images.spaces import ColourSpace
from impasto.images.stored import AnyPicture
from impasto.run.regions import StylePart
from impasto.run.share import Share, resized_rows
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings
from impasto.settings.variants import INITS

__all__ = ["enlarged", "in_style_colours", "initial_canvas", "resized"]


def initial_canvas(
    inputs: StageInputs,
    settings: Settings,
    space: ColourSpace,
    given: AnyPicture | Tensor | None = None,
) -> Tensor:
    """The first canvas, (3, h, w) in `space`.

    It is the one `given`, a picture or sRGB (3, h', w') of any range; otherwise the setting `init`
    makes it.
    """
    if given is None:
        canvas: Tensor = INITS.get(settings.init)(inputs, settings, space)
        return canvas
    size, wraps = inputs.size, settings.wraps
    if not isinstance(given, Tensor):
        there = resize(given, size, wraps).pixels
    else:
        there = given if given.shape[:0:-1] == size else resized(given, size, wraps)
    return space.from_srgb(there.to(inputs.like))


def enlarged(
    canvas: Tensor,
    inputs: StageInputs,
    settings: Settings,
    space: ColourSpace,
    shares: tuple[Share, Share] | None = None,
) -> Tensor:
    """A finished canvas (3, h', w') as the first of the next scale: clipped, (3, h, w) in `space`.

    `detail` is the share of the content's fine detail that is added: what the content has at this
    size and loses at the last scale's. After init recoloured, its colours are the style's. `shares`
    are this process's of the last scale and of this one: then canvases are of its own rows.
    """
    painted = space.to_srgb(canvas).clamp(0, 1)
    before, back = (painted.shape[-1], painted.shape[-2]), shares and shares[::-1]

    def at(picture: Tensor, size: tuple[int, int], among: tuple[Share, Share] | None) -> Tensor:
        if among is None:
            return resized(picture, size, settings.wraps).clamp(0, 1)
        return resized_rows(picture, *among, size[0], settings.wraps).clamp(0, 1)

    larger = at(painted, inputs.size, shares)
    if settings.detail and inputs.content is not None:
        content = inputs.own(inputs.content)
        if settings.init == "recoloured" and inputs.styles:
            total = shares[1].ranks.total if shares else torch.as_tensor
            content = in_style_colours(content, inputs, settings.strength, total)
        fine = content - at(at(content, before, back), inputs.size, shares)
        larger = (larger + settings.detail * fine).clamp(0, 1)
    return space.from_srgb(larger)


def in_style_colours(
    content: Tensor,
    inputs: StageInputs,
    strength: float,
    total: Callable[[Tensor], Tensor] = torch.as_tensor,
) -> Tensor:
    """Content (3, h, w) in [0, 1], each region recoloured towards its styles by `strength`, 0 to 1.

    Pixels in no region keep their colours. `total` adds up over processes that share the canvas, of
    which each gives its own rows.
    """
    moved, covered = torch.zeros_like(content), content.new_zeros(())
    for region in inputs.regions:
        palettes = [_palette(inputs, part, total) for part in region.parts]
        palette = Palette.blend(palettes, [part.share for part in region.parts])
        own = None if region.where is None else inputs.own(region.where)
        there = recoloured(content, palette, own=Palette.of(content, own, total)).clamp_(0, 1)
        where = content.new_ones(()) if own is None else own
        moved, covered = moved.addcmul_(there, where.expand_as(there[0])), covered + where
    most = covered.clamp_min(1)
    moved = moved / most + content * (1 - covered / most)
    return content.lerp(moved, strength)


def _palette(
    inputs: StageInputs, part: StylePart[Tensor], total: Callable[[Tensor], Tensor]
) -> Palette:
    """The palette of a part of a style picture, of which processes may have rows."""
    index, picture = part.index, inputs.styles[part.index]
    if not inputs.style_strips or inputs.style_strips[index] is None:
        return Palette.of(picture, part.where)
    where = None if part.where is None else inputs.own_of_style(index, part.where)
    return Palette.of(inputs.own_of_style(index, picture), where, total)


def resized(picture: Tensor, size: tuple[int, int], wraps: Wraps = OPEN) -> Tensor:
    """A picture (3, h', w') at the size (w, h), bicubic with antialiasing, which may overshoot.

    `wraps` tells whether its rows and columns are circles.
    """
    return interpolated(picture, (size[1], size[0]), wraps, mode="bicubic", antialias=True)

"""The canvas: what is optimised, where it starts, and the picture it becomes.

A canvas is (3, h, w) in a colour space; it enters the optimisers as a flat vector.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.images.colour_transfer import Palette, recoloured
from impasto.images.spaces import ColourSpace
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings
from impasto.settings.variants import INITS

__all__ = ["enlarged", "initial_canvas"]

_GREY = {"srgb": 0.5}  # the other spaces have their mean colour at 0


def from_content(inputs: StageInputs, settings: Settings, space: ColourSpace) -> Tensor:
    """The photograph itself."""
    return space.from_srgb(inputs.given("content", "content"))


def from_style(inputs: StageInputs, settings: Settings, space: ColourSpace) -> Tensor:
    """The style image, stretched to the canvas's size."""
    return space.from_srgb(_resized(inputs.given("style", "style"), inputs.size))


def from_noise(inputs: StageInputs, settings: Settings, space: ColourSpace) -> Tensor:
    """Mean grey plus noise_scale · N(0, 1), or uniform in ± noise_scale, from the seed.

    Drawn on the CPU in float32, so that a seed means the same everywhere.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    width, height = inputs.size
    if settings.noise == "normal":
        noise = torch.randn(3, height, width, generator=generator, dtype=torch.float32)
    else:
        noise = torch.rand(3, height, width, generator=generator, dtype=torch.float32) * 2 - 1
    return noise * settings.noise_scale + _GREY.get(space.name, 0.0)


def from_recoloured(inputs: StageInputs, settings: Settings, space: ColourSpace) -> Tensor:
    """The photograph in the style's colours: an optimiser need not carry them there."""
    content, _ = (inputs.given(role, "recoloured") for role in ("content", "style"))
    return space.from_srgb(in_style_colours(content, inputs, settings.strength))


def initial_canvas(
    inputs: StageInputs, settings: Settings, space: ColourSpace, given: Tensor | None = None
) -> Tensor:
    """The first canvas, (3, h, w) in `space`: the one given as sRGB (3, h', w'), else by `init`."""
    if given is None:
        canvas: Tensor = INITS.get(settings.init)(inputs, settings, space)
        return canvas
    there = given if given.shape[:0:-1] == inputs.size else _resized(given, inputs.size)
    return space.from_srgb(there.to(inputs.like))


def enlarged(canvas: Tensor, inputs: StageInputs, settings: Settings, space: ColourSpace) -> Tensor:
    """A finished canvas as the first of the next scale: what is visible of it, (3, h, w).

    With `detail` it takes up as much of what the photograph, in the style's colours where the run
    began so, has at this size and had not at the last.
    """
    painted = space.to_srgb(canvas).clamp(0, 1)
    larger = _resized(painted, inputs.size)
    if settings.detail and inputs.content is not None:
        photograph = inputs.content
        if settings.init == "recoloured" and inputs.styles:
            photograph = in_style_colours(photograph, inputs, settings.strength)
        before = (painted.shape[-1], painted.shape[-2])
        fine = photograph - _resized(_resized(photograph, before), inputs.size)
        larger = (larger + settings.detail * fine).clamp(0, 1)
    return space.from_srgb(larger)


def in_style_colours(content: Tensor, inputs: StageInputs, strength: float) -> Tensor:
    """Content (3, h, w) in [0, 1] with each region recoloured as its style is, as far as strength.

    What no region covers stays as it is.
    """
    moved, covered = torch.zeros_like(content), content.new_zeros(())
    for region in inputs.regions:
        models = region.parts
        palettes = [Palette.of(inputs.styles[m.index], m.where) for m in models]
        palette = Palette.blend_statistics(palettes, [m.share for m in models])
        part = recoloured(content, palette, region.where).clamp_(0, 1)
        where = content.new_ones(()) if region.where is None else region.where
        moved, covered = moved.addcmul_(part, where.expand_as(part[0])), covered + where
    most = covered.clamp_min(1)
    moved = moved / most + content * (1 - covered / most)
    return content.lerp(moved, strength)


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, h, w) in [0, 1] to size (w, h)."""
    resized = torch.nn.functional.interpolate(
        picture.unsqueeze(0), size=size[::-1], mode="bicubic", antialias=True
    )
    return resized.squeeze(0).clamp(0, 1)

"""The canvas: what is optimised, where it starts, its bounds, and the picture it becomes.

A canvas is (3, h, w) in a colour space; it enters the optimisers as a flat vector.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.errors import SettingsError
from impasto.images import read, resize, samples
from impasto.images.colour_transfer import Palette, recoloured
from impasto.images.spaces import ColourSpace
from impasto.run.regions import Region
from impasto.settings import Settings

__all__ = ["INITS", "TONES", "Pair", "bounds", "clipped", "enlarged", "initial_canvas"]

_GREY = {"srgb": 0.5}  # the other spaces have their mean colour at 0


@dataclass(frozen=True, eq=False)
class Pair:
    """A canvas's size (w, h) and the sRGB pictures it is held against; either kind may be absent.

    content is (3, h, w), styles (3, h', w') each, all in [0, 1]. `regions` say which of them go
    where, their masks of these sizes. `photograph` is content in its own colours, where they are
    to be kept, and `keep` (h, w) where it is to stay altogether.
    """

    size: tuple[int, int]
    content: Tensor | None
    styles: tuple[Tensor, ...] = ()
    regions: tuple[Region, ...] = ()
    photograph: Tensor | None = None
    keep: Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> Pair:
        """The same pictures elsewhere."""

        def moved(picture: Tensor | None) -> Tensor | None:
            return picture if picture is None else picture.to(device, dtype)

        return Pair(
            self.size,
            moved(self.content),
            tuple(style.to(device, dtype) for style in self.styles),
            tuple(region.mapped(moved) for region in self.regions),
            moved(self.photograph),
            moved(self.keep),
        )

    @property
    def like(self) -> Tensor:
        """One of the pictures, of whose type and device the canvas is."""
        return self.styles[0] if self.content is None else self.content

    def given(self, role: str, init: str) -> Tensor:
        """The picture of that role; SettingsError if it is absent and so not for `init`."""
        pictures = (self.content,) if role == "content" else self.styles[:1]
        if not pictures or pictures[0] is None:
            raise SettingsError(f"init is {init!r}, but there is no {role} picture; use noise")
        return pictures[0]


def from_content(pair: Pair, settings: Settings, space: ColourSpace) -> Tensor:
    """The photograph itself."""
    return space.from_srgb(pair.given("content", "content"))


def from_style(pair: Pair, settings: Settings, space: ColourSpace) -> Tensor:
    """The style image, stretched to the canvas's size."""
    return space.from_srgb(_resized(pair.given("style", "style"), pair.size))


def from_noise(pair: Pair, settings: Settings, space: ColourSpace) -> Tensor:
    """Mean grey plus noise_scale · N(0, 1), or uniform in ± noise_scale, from the seed.

    Drawn on the CPU in float32, so that a seed means the same everywhere.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    width, height = pair.size
    if settings.noise == "normal":
        noise = torch.randn(3, height, width, generator=generator)
    else:
        noise = torch.rand(3, height, width, generator=generator) * 2 - 1
    return noise * settings.noise_scale + _GREY.get(space.name, 0.0)


def from_recoloured(pair: Pair, settings: Settings, space: ColourSpace) -> Tensor:
    """The photograph in the style's colours: an optimiser need not carry them there."""
    content, _ = (pair.given(role, "recoloured") for role in ("content", "style"))
    return space.from_srgb(in_style_colours(content, pair, settings.strength))


INITS = {
    "content": from_content,
    "recoloured": from_recoloured,
    "noise": from_noise,
    "style": from_style,
}


def initial_canvas(pair: Pair, settings: Settings, space: ColourSpace, max_pixels: int) -> Tensor:
    """The first canvas, (3, h, w) in `space`; `init` may also name a file."""
    if settings.init in INITS:
        return INITS[settings.init](pair, settings, space)
    source = samples.found(settings.init)
    if source == settings.init and not {".", "/"} & set(source) and not os.path.exists(source):  # noqa: PTH110
        names = ", ".join(INITS)
        raise SettingsError(f"init is {settings.init!r}; expected {names} or a picture file")
    return space.from_srgb(resize(read(source, max_pixels=max_pixels), pair.size).pixels)


def enlarged(canvas: Tensor, pair: Pair, settings: Settings, space: ColourSpace) -> Tensor:
    """A finished canvas as the first of the next scale: what is visible of it, (3, h, w).

    With `detail` it takes up as much of what the photograph, in the style's colours where the run
    began so, has at this size and had not at the last.
    """
    painted = space.to_srgb(canvas).clamp(0, 1)
    larger = _resized(painted, pair.size)
    if settings.detail and pair.content is not None:
        photograph = pair.content
        if settings.init == "recoloured" and pair.styles:
            photograph = in_style_colours(photograph, pair, settings.strength)
        before = (painted.shape[-1], painted.shape[-2])
        fine = photograph - _resized(_resized(photograph, before), pair.size)
        larger = (larger + settings.detail * fine).clamp(0, 1)
    return space.from_srgb(larger)


def in_style_colours(content: Tensor, pair: Pair, strength: float) -> Tensor:
    """Content (3, h, w) in [0, 1] with each region recoloured as its style is, as far as strength.

    What no region covers stays as it is.
    """
    moved, covered = torch.zeros_like(content), content.new_zeros(())
    for region in pair.regions:
        models = region.models
        palettes = [Palette.of(pair.styles[m.number], m.where) for m in models]
        palette = Palette.blend_statistics(palettes, [m.share for m in models])
        part = recoloured(content, palette, region.where).clamp_(0, 1)
        where = content.new_ones(()) if region.where is None else region.where
        moved, covered = moved.addcmul_(part, where.expand_as(part[0])), covered + where
    most = covered.clamp_min(1)
    moved = moved / most + content * (1 - covered / most)
    return content.lerp(moved, strength)


def bounds(settings: Settings, space: ColourSpace, like: Tensor) -> tuple[Tensor, Tensor] | None:
    """The least and greatest value of each channel that `clip` allows; None for a free canvas."""
    if settings.clip == "none":
        return None
    if settings.clip == "gamut":
        return like.new_tensor(space.low), like.new_tensor(space.high)
    limit = like.new_full((3,), settings.clip)
    return -limit, limit


def clipped(rgb: Tensor) -> Tensor:
    """Values below 0 and above 1 become these."""
    return rgb.clamp(0, 1)


def stretched(rgb: Tensor) -> Tensor:
    """Least value to 0 and greatest to 1, over all channels together; mid-grey if all are equal."""
    least, most = rgb.aminmax()
    return (rgb - least) / (most - least) if most > least else torch.full_like(rgb, 0.5)


TONES = {"clip": clipped, "stretch": stretched}
"""sRGB of a canvas, unbounded -> what its picture shows, in [0, 1]."""


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, h, w) in [0, 1] to size (w, h)."""
    resized = torch.nn.functional.interpolate(
        picture.unsqueeze(0), size=size[::-1], mode="bicubic", antialias=True
    )
    return resized.squeeze(0).clamp(0, 1)

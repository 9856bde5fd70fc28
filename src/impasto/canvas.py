"""The canvas: what is optimised, where it starts, its bounds, and the picture it becomes.

A canvas is (3, h, w) in a colour space; it enters the optimisers as a flat vector.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto import samples
from impasto.colour import ColourSpace
from impasto.colouring import recoloured
from impasto.errors import SettingsError
from impasto.images import read, resize
from impasto.settings import Settings

__all__ = ["INITS", "TONES", "Pair", "bounds", "enlarged", "initial_canvas"]

_GREY = {"srgb": 0.5}  # the other spaces have their mean colour at 0


@dataclass(frozen=True, eq=False)
class Pair:
    """A canvas's size (w, h) and the sRGB pictures it is held against; either may be absent.

    content is (3, h, w), style (3, h', w'), both in [0, 1].
    """

    size: tuple[int, int]
    content: Tensor | None
    style: Tensor | None

    def to(self, device: torch.device, dtype: torch.dtype) -> Pair:
        """The same pictures elsewhere."""
        moved = (p if p is None else p.to(device, dtype) for p in (self.content, self.style))
        return Pair(self.size, *moved)

    @property
    def like(self) -> Tensor:
        """One of the pictures, of whose type and device the canvas is."""
        picture = self.content if self.content is not None else self.style
        assert picture is not None
        return picture

    def given(self, role: str, init: str) -> Tensor:
        """The picture of that role; SettingsError if it is absent and so not for `init`."""
        picture: Tensor | None = getattr(self, role)
        if picture is None:
            raise SettingsError(f"init is {init!r}, but there is no {role} picture; use noise")
        return picture


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
    content, style = (pair.given(role, "recoloured") for role in ("content", "style"))
    return space.from_srgb(recoloured(content, style).clamp(0, 1))


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
        if settings.init == "recoloured" and pair.style is not None:
            photograph = recoloured(photograph, pair.style)
        before = (painted.shape[-1], painted.shape[-2])
        fine = photograph - _resized(_resized(photograph, before), pair.size)
        larger = (larger + settings.detail * fine).clamp(0, 1)
    return space.from_srgb(larger)


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

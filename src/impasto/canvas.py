"""The canvas: what is optimised, where it starts, and its bounds.

A canvas is (3, h, w) in a colour space; it enters the optimisers as a flat vector.
"""

from pathlib import Path

import torch
from torch import Tensor

from impasto import samples
from impasto.colour import ColourSpace
from impasto.errors import SettingsError
from impasto.images import read, resize
from impasto.settings import Settings

__all__ = ["INITS", "bounds", "initial_canvas"]

_GREY = {"srgb": 0.5}  # the other spaces have their mean colour at 0


def from_content(content: Tensor, style: Tensor, settings: Settings, space: ColourSpace) -> Tensor:
    """The photograph itself."""
    return space.from_srgb(content)


def from_style(content: Tensor, style: Tensor, settings: Settings, space: ColourSpace) -> Tensor:
    """The style image, stretched to the photograph's size."""
    return space.from_srgb(_stretched(style, content))


def from_noise(content: Tensor, style: Tensor, settings: Settings, space: ColourSpace) -> Tensor:
    """Mean grey plus noise_scale · N(0, 1), or uniform in ± noise_scale, from the seed.

    Drawn on the CPU in float32, so that a seed means the same everywhere.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    if settings.noise == "normal":
        noise = torch.randn(content.shape, generator=generator)
    else:
        noise = torch.rand(content.shape, generator=generator) * 2 - 1
    return (noise * settings.noise_scale + _GREY.get(space.name, 0.0)).to(content)


def from_recoloured(
    content: Tensor, style: Tensor, settings: Settings, space: ColourSpace
) -> Tensor:
    """The photograph in the style's colours: an optimiser need not carry them there."""
    return space.from_srgb(recoloured(content, style).clamp(0, 1))


INITS = {
    "content": from_content,
    "recoloured": from_recoloured,
    "noise": from_noise,
    "style": from_style,
}


def initial_canvas(
    content: Tensor, style: Tensor, settings: Settings, space: ColourSpace, max_pixels: int
) -> Tensor:
    """The first canvas, (3, h, w) in `space`, from sRGB pictures; `init` may also name a file."""
    if settings.init in INITS:
        return INITS[settings.init](content, style, settings, space)
    source = samples.found(settings.init)
    if source == settings.init and not {".", "/"} & set(source) and not Path(source).exists():
        names = ", ".join(INITS)
        raise SettingsError(f"init is {settings.init!r}; expected {names} or a picture file")
    picture = read(source, max_pixels=max_pixels)
    height, width = content.shape[-2:]
    return space.from_srgb(resize(picture, (width, height)).pixels.to(content))


def recoloured(content: Tensor, style: Tensor) -> Tensor:
    """Content (3, h, w) mapped linearly to the style's mean colour and covariance.

    Of all maps that do, the one that moves colours least (optimal transport between Gaussians;
    Pitié & Kokaram 2007): x ↦ μₛ + A⁻½ (A½ B A½)½ A⁻½ (x - μ) with A the content's covariance and
    B the style's. Not clipped.
    """
    (mean, a), (goal, b) = _colour_moments(content), _colour_moments(style)
    root, unroot = _power(a, 0.5), _power(a, -0.5)
    transport = unroot @ _power(root @ b @ root, 0.5) @ unroot
    moved: Tensor = transport @ (content.flatten(1).double() - mean) + goal
    return moved.view_as(content).to(content)


def _colour_moments(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (3, 1) and covariance (3, 3) of a picture's colours; the latter never singular."""
    pixels = picture.flatten(1).double()
    return pixels.mean(1, keepdim=True), pixels.cov(correction=0) + 1e-5 * torch.eye(3).to(pixels)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """A power of a symmetric positive definite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = vectors @ torch.diag(values.clamp_min(0) ** exponent) @ vectors.T
    return power


def bounds(settings: Settings, space: ColourSpace, like: Tensor) -> tuple[Tensor, Tensor] | None:
    """The least and greatest value of each channel that `clip` allows; None for a free canvas."""
    if settings.clip == "none":
        return None
    if settings.clip == "gamut":
        return like.new_tensor(space.low), like.new_tensor(space.high)
    limit = like.new_full((3,), settings.clip)
    return -limit, limit


def _stretched(picture: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    stretched = torch.nn.functional.interpolate(
        picture.unsqueeze(0), size=size, mode="bicubic", antialias=True
    )
    return stretched.squeeze(0).clamp(0, 1)

"""First canvases: functions of a stage's inputs, the settings and the canvas's colour space.

Each returns a canvas (3, h, w) in that space. The registry is `impasto.settings.variants.INITS`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, max_pool2d

from impasto.images.spaces import ColourSpace
from impasto.run.canvas import in_style_colours, resized
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings

__all__ = ["from_content", "from_noise", "from_recoloured", "from_style"]

_CLOUDS = 15 / 255  # deviation of the noise in flat parts
_COARSEST = 4.0  # its lowest frequency, cycles along the longer side
_FLAT = 1.0  # level of 255: a larger deviation is a form
_CELLS = 32  # along the longer side, in which a part is flat or not

_GREY = {"srgb": 0.5}  # the other spaces have their mean colour at 0


def from_content(inputs: StageInputs, settings: Settings, space: ColourSpace) -> Tensor:
    """The content picture, (3, h, w) in `space`; SettingsError without one."""
    return space.from_srgb(inputs.given("content", "content"))


def from_style(inputs: StageInputs, settings: Settings, space: ColourSpace) -> Tensor:
    """The first style picture, stretched to (3, h, w) in `space`; SettingsError without one."""
    return space.from_srgb(resized(inputs.given("style", "style"), inputs.size).clamp(0, 1))


def from_noise(inputs: StageInputs, settings: Settings, space: ColourSpace) -> Tensor:
    """Mean grey plus noise_scale · N(0, 1), or uniform in ± noise_scale: (3, h, w) in `space`.

    Drawn on the CPU in float32, so that a seed gives the same noise on every device.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    width, height = inputs.size
    if settings.noise == "normal":
        noise = torch.randn(3, height, width, generator=generator, dtype=torch.float32)
    else:
        noise = torch.rand(3, height, width, generator=generator, dtype=torch.float32) * 2 - 1
    return noise * settings.noise_scale + _GREY.get(space.name, 0.0)


def from_recoloured(inputs: StageInputs, settings: Settings, space: ColourSpace) -> Tensor:
    """The content in the style's colours, (3, h, w) in `space`; SettingsError without one of them.

    The optimiser then spends no iterations on moving the colours. Flat parts get faint clouds:
    where all positions are alike, so are their gradients, and only the picture's border could begin
    to differ, which would become a frame.
    """
    content, _ = (inputs.given(role, "recoloured") for role in ("content", "style"))
    canvas = in_style_colours(content, inputs, settings.strength)
    clouds = _clouds(inputs.size, settings.seed).to(canvas)
    return space.from_srgb(canvas + settings.strength * _flatness(content) * clouds)


def _flatness(picture: Tensor) -> Tensor:
    """exp(-σ²) of a picture (3, h, w), (h, w): σ is the local deviation in levels of 255.

    It is that of cells, 32 along the longer side, or of a neighbour where that deviates more.
    """
    height, width = picture.shape[1:]
    cell = max(1.0, max(height, width) / _CELLS)
    grid = max(1, round(height / cell)), max(1, round(width / cell))
    mean, square = (adaptive_avg_pool2d(x, grid) for x in (picture, picture.square()))
    variance = (square - mean.square()).clamp_min(0).mean(0)[None, None]
    flat = max_pool2d(variance, 3, 1, 1).mul(-((255 / _FLAT) ** 2)).exp()
    return interpolate(flat, size=(height, width), mode="bilinear")[0, 0]


def _clouds(size: tuple[int, int], seed: int) -> Tensor:
    """Noise of mean 0 whose amplitude falls with frequency f as 1/f, (3, h, w) float32.

    Below 4 cycles along the longer side it is even. Drawn on the CPU, as `from_noise` is.
    """
    generator, (width, height) = torch.Generator().manual_seed(seed), size
    noise = torch.randn(3, height, width, generator=generator, dtype=torch.float32)
    down = torch.fft.fftfreq(height, dtype=torch.float32)[:, None]
    across = torch.fft.rfftfreq(width, dtype=torch.float32)
    frequency = torch.hypot(down, across).mul_(max(size)).clamp_min_(_COARSEST)
    clouds = torch.fft.irfft2(torch.fft.rfft2(noise) / frequency, s=(height, width))
    clouds = clouds - clouds.mean((1, 2), keepdim=True)
    even: Tensor = clouds * (_CLOUDS / clouds.square().mean().sqrt().clamp_min(1e-12))
    return even

"""First canvases: functions of a stage's inputs, the settings and the canvas's colour space.

Each returns a canvas (3, h, w) in that space. The registry is `impasto.settings.variants.INITS`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.images.spaces import ColourSpace
from impasto.run.canvas import in_style_colours, resized
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings

__all__ = ["from_content", "from_noise", "from_recoloured", "from_style"]

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

    The optimiser then spends no iterations on moving the colours.
    """
    content, _ = (inputs.given(role, "recoloured") for role in ("content", "style"))
    return space.from_srgb(in_style_colours(content, inputs, settings.strength))

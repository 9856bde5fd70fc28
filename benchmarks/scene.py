"""What the benchmarks paint: a pair of pictures, and the objective of settings on it."""

import argparse
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto import Objective, Picture, Settings
from impasto.encoder import Encoder, weights_of
from impasto.images import cropped, fit, read, resize
from impasto.images.names import located
from impasto.images.spaces import colour_space
from impasto.run.objective import objective_for
from impasto.run.regions import Region, StylePart
from impasto.run.stage_inputs import StageInputs

__all__ = ["PAIRS", "Scene", "add_pictures", "area", "objective"]

PAIRS = [
    ("astronaut", "swirl"),
    ("chelsea", "waves"),
    ("coffee", "glass"),
    ("rocket", "ember"),
    ("astronaut", "ink"),
]
"""Bundled photographs and styles."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A photograph cut to the canvas's size, and a style whose longest side is the canvas's."""

    content: Picture
    style: Picture

    @classmethod
    def of(cls, content: str, style: str, size: tuple[int, int]) -> "Scene":
        """Two pictures, by path or `sample:NAME`, for a canvas of (width, height)."""
        photograph, painting = (read(located(name)) for name in (content, style))
        return cls(resize(cropped(photograph, size), size), fit(painting, max(size)))

    @classmethod
    def within(cls, content: str, style: str, longest: int) -> "Scene":
        """The same, for a canvas in the photograph's own shape."""
        photograph = fit(read(located(content)), longest)
        return cls(photograph, fit(read(located(style)), longest))

    @property
    def size(self) -> tuple[int, int]:
        """The canvas's (width, height)."""
        return self.content.size

    def canvas(self, settings: Settings) -> Tensor:
        """The photograph in the canvas's colour space, (3, h, w)."""
        return colour_space(settings.space).from_srgb(self.content.pixels)


def objective(
    scene: Scene,
    settings: Settings,
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
) -> Objective:
    """The objective that settings describe, at the scene's full size, in an arithmetic."""
    s = settings
    encoder = Encoder(
        weights_of(s.encoder),
        pooling=s.pooling,
        padding=s.padding,
        dtype=dtype,
        device=device,
        exact=s.precision == "fp32",
    )
    content, style = (picture.pixels.to(device) for picture in (scene.content, scene.style))
    pair = StageInputs(scene.content.size, content, (style,), (Region((StylePart(0, 1.0),)),))
    return objective_for(encoder, pair, settings, colour_space(settings.space))


def area(text: str) -> tuple[int, int]:
    """`512x384` as (512, 384), for argparse."""
    width, _, height = text.partition("x")
    return int(width), int(height)


def add_pictures(parser: argparse.ArgumentParser) -> None:
    """The arguments CONTENT and STYLE, bundled pictures unless given."""
    content, style = PAIRS[0]
    parser.add_argument("content", nargs="?", default=f"sample:{content}")
    parser.add_argument("style", nargs="?", default=f"sample:{style}")

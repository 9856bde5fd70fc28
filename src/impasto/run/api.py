"""A whole run in one call: a picture painted, reconstructed, or made up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from impasto.images import MAX_PIXELS, Source
from impasto.run.events import Step
from impasto.run.loop import Result, Run
from impasto.settings import DEFAULT_RECIPE, Settings

__all__ = ["iterate", "reconstruct", "stylize", "texture"]


def iterate(
    content: Source | None,
    style: Source | Sequence[Source] | None,
    settings: Settings | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Step]:
    """Paint `content` in the style of `style`, Step by Step; see `Run`."""
    return iter(Run(content, style, settings, max_pixels=max_pixels))


def stylize(
    content: Source,
    style: Source | Sequence[Source],
    recipe: str = DEFAULT_RECIPE,
    *,
    on_step: Callable[[Step], object] | None = None,
    max_pixels: int = MAX_PIXELS,
    **overrides: Any,  # noqa: ANN401 (fields of Settings, checked there)
) -> Result:
    """Paint `content` in the style of `style` and return the finished Result.

    Pictures are paths, PIL images, numpy arrays, tensors or Pictures; several styles are a list, a
    folder is one style of all pictures in it. `overrides` are fields of Settings, such as
    `size=512`; `on_step` sees every Step while it has its canvas. Raises subclasses of ImpastoError
    for whatever the caller can mend.
    """
    settings = Settings.of(recipe, **overrides)
    return _finished(Run(content, style, settings, max_pixels=max_pixels), on_step)


def reconstruct(
    content: Source,
    layer: str | None = None,
    recipe: str = "reconstruction",
    *,
    on_step: Callable[[Step], object] | None = None,
    max_pixels: int = MAX_PIXELS,
    **overrides: Any,  # noqa: ANN401 (fields of Settings, checked there)
) -> Result:
    """From noise, a picture with the features of `content` at `layer`; see `stylize`.

    Several layers, with weights, are a field of Settings: `content_layers`.
    """
    if layer:
        overrides["content_layers"] = layer
    settings = Settings.of(recipe, **overrides)
    return _finished(Run(content, None, settings, max_pixels=max_pixels), on_step)


def texture(
    style: Source,
    recipe: str = "texture",
    *,
    on_step: Callable[[Step], object] | None = None,
    max_pixels: int = MAX_PIXELS,
    **overrides: Any,  # noqa: ANN401 (fields of Settings, checked there)
) -> Result:
    """From noise, a texture with the statistics of `style`; see `stylize`.

    `size` is (width, height) or "WxH", or the longest side of a texture in the style's shape.
    """
    settings = Settings.of(recipe, **overrides)
    return _finished(Run(None, style, settings, max_pixels=max_pixels), on_step)


def _finished(run: Run, on_step: Callable[[Step], object] | None) -> Result:
    for step in run:
        if on_step:
            on_step(step)
    return run.result()

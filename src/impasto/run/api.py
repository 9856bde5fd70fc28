"""A whole run in one call: a picture painted, reconstructed, or a texture."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

from impasto.encoder import ENCODERS
from impasto.errors import SettingsError
from impasto.images import MAX_PIXELS, Source
from impasto.run.events import Result, Step
from impasto.run.run import Run
from impasto.settings import DEFAULT_RECIPE, Settings
from impasto.settings.variants import INITS

__all__ = ["iterate", "reconstruct", "run_arguments", "stylize", "texture"]

_ARGUMENTS = ("init", "protect", "content_masks", "style_masks", "encoder", "terms", "cache")
_FORMER = {"keep": "protect", "content_mask": "content_masks", "style_mask": "style_masks"}

OnStep = Callable[[Step], object]


def iterate(
    content: Source | None,
    style: Source | Sequence[Source] | None,
    settings: Settings | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    **arguments: Any,  # noqa: ANN401 (arguments of Run)
) -> Iterator[Step]:
    """Paint `content` in the style of `style`, Step by Step; see `Run`, also for `arguments`."""
    return iter(Run(content, style, settings, max_pixels=max_pixels, **arguments))


def stylize(
    content: Source,
    style: Source | Sequence[Source],
    recipe: str = DEFAULT_RECIPE,
    *,
    on_step: OnStep | None = None,
    max_pixels: int = MAX_PIXELS,
    **overrides: Any,  # noqa: ANN401 (fields of Settings and arguments of Run, checked there)
) -> Result:
    """Paint `content` in the style of `style` and return the finished Result.

    Pictures are paths, PIL images, numpy arrays, tensors or Pictures; several styles are a list, a
    folder is one style of all pictures in it. `overrides` are fields of Settings, such as
    `size=512`, and arguments of Run: `init`, `protect`, `content_masks`, `style_masks`, `encoder`.
    `init` and `encoder` are names if there are such names, otherwise a picture and a weight file.
    `on_step` gets every Step while it has its canvas. Raises subclasses of ImpastoError for
    whatever the caller can mend.
    """
    return _painted(content, style, recipe, overrides, on_step, max_pixels)


def reconstruct(
    content: Source,
    layer: str | None = None,
    recipe: str = "reconstruction",
    *,
    on_step: OnStep | None = None,
    max_pixels: int = MAX_PIXELS,
    **overrides: Any,  # noqa: ANN401 (see `stylize`)
) -> Result:
    """From noise, a picture with the features of `content` at `layer`; see `stylize`.

    Several layers, with weights, are a field of Settings: `content_layers`.
    """
    if layer:
        overrides["content_layers"] = layer
    return _painted(content, None, recipe, overrides, on_step, max_pixels)


def texture(
    style: Source,
    recipe: str = "texture",
    *,
    on_step: OnStep | None = None,
    max_pixels: int = MAX_PIXELS,
    **overrides: Any,  # noqa: ANN401 (see `stylize`)
) -> Result:
    """From noise, a texture with the statistics of `style`; see `stylize`.

    `size` is (width, height) or "WxH", or the longest side of a texture in the style's shape.
    """
    return _painted(None, style, recipe, overrides, on_step, max_pixels)


def _painted(
    content: Source | None,
    style: Source | Sequence[Source] | None,
    recipe: str,
    overrides: dict[str, Any],
    on_step: OnStep | None,
    max_pixels: int,
) -> Result:
    if on_step is not None and not callable(on_step):
        raise SettingsError(f"on_step is {type(on_step).__name__}; expected a function of a Step")
    arguments = run_arguments(overrides)
    settings = Settings.of(recipe, **overrides)
    run = Run(content, style, settings, max_pixels=max_pixels, **arguments)
    for step in run:
        if on_step:
            on_step(step)
    return run.result()


def run_arguments(overrides: dict[str, Any], depth: int = 4) -> dict[str, Any]:
    """The overrides that are arguments of Run, taken out of the mapping.

    Former names are understood, with a DeprecationWarning at the caller `depth` calls up.
    """
    for former, name in _FORMER.items():
        if former in overrides and name in overrides:
            raise SettingsError(f"{name} is given twice, also as {former}; leave {former} out")
        if former in overrides:
            text = f"{former} is now called {name}; the old name goes with the next version"
            warnings.warn(text, DeprecationWarning, stacklevel=depth)
            overrides[name] = overrides.pop(former)
    names: dict[str, Container[object]] = {"init": INITS, "encoder": ENCODERS}
    named = [n for n, known in names.items() if _is_named(overrides.get(n), known)]
    taken = [n for n in _ARGUMENTS if n in overrides and n not in named]
    return {name: overrides.pop(name) for name in taken}


def _is_named(value: object, known: Container[object]) -> bool:
    return isinstance(value, str) and value in known

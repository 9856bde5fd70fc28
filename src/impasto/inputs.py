"""The pictures a run starts from: read, brought to size, checked, and remembered by checksum."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from impasto import samples
from impasto.canvas import INITS, Pair
from impasto.encoder import weights_of
from impasto.errors import ImageError, ImageTooLarge, ImageTooSmall, SettingsError
from impasto.images import Picture, Source, cover, read, resize
from impasto.memory import memory_guard
from impasto.settings import Settings

__all__ = ["Inputs", "check_layers"]

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Photograph and painting at the sizes that the settings ask for, and where they came from.

    `pairs` has one for each scale, smallest first; `alpha` (h, w) is the photograph's at the last.
    `origins` has name, SHA-256 and size in use of each file, for the record.
    """

    pairs: tuple[Pair, ...]
    alpha: Tensor | None
    origins: dict[str, dict[str, Any]]

    @classmethod
    def of(
        cls, content: Source | None, style: Source | None, settings: Settings, max_pixels: int
    ) -> Inputs:
        """Read both; ImageError, ImageTooLarge or ImageTooSmall if one does not do.

        Without a photograph the canvas has the painting's shape where `size` is one number.
        """
        _check_terms(settings)
        if content is None and style is None:
            raise SettingsError("there is neither a content nor a style picture; give one")
        content, style = samples.found(content), samples.found(style)
        with memory_guard("these pictures at this size"):
            photograph = None if content is None else read(content, max_pixels)
            painting = None if style is None else read(style, max_pixels)
            size = _canvas_size(settings, (photograph or painting).size)  # type: ignore[union-attr]
            sizes = [_times(size, stage.scale) for stage in settings.stages]
            contents = [_content(photograph, s, settings, max_pixels) for s in sizes]
            styles = [_style(painting, s, settings, max_pixels) for s in sizes]
        _check_size("content", contents[0], settings)
        _check_size("style", styles[0], settings)
        last = {"content": contents[-1], "style": styles[-1]}
        origins = {
            role: {**_identity(source), "size": picture.size}
            for (role, picture), source in zip(last.items(), (content, style), strict=True)
            if picture is not None
        }
        init = samples.found(settings.init)
        # Path.is_file raises for a name that is too long
        if settings.init not in INITS and os.path.isfile(init):  # noqa: PTH113
            origins["init"] = _identity(init)
        pairs = map(Pair, sizes, map(_pixels, contents), map(_pixels, styles))
        return cls(tuple(pairs), contents[-1].alpha if contents[-1] else None, origins)

    @property
    def size(self) -> Size:
        """(width, height) of the result."""
        return self.pairs[-1].size

    @property
    def content(self) -> Picture | None:
        """The photograph at the result's size."""
        pixels = self.pairs[-1].content
        return None if pixels is None else Picture(pixels, self.alpha)

    @property
    def style(self) -> Picture | None:
        """The painting at the size it is measured at last."""
        pixels = self.pairs[-1].style
        return None if pixels is None else Picture(pixels)


def check_layers(settings: Settings) -> None:
    """SettingsError or WeightsError unless the network and all its layers asked for exist."""
    net = weights_of(settings.encoder).architecture
    for tap in (*settings.content_layers, *settings.style_layers):
        net.tap(tap)


def _check_terms(settings: Settings) -> None:
    """SettingsError where there is nothing to minimise."""
    content = settings.content_weight and any(settings.content_layers.values())
    style = settings.style_weight and any(settings.style_layers.values())
    if not (content or style or settings.tv_weight):
        raise SettingsError("every term has weight 0; give one of them a weight and layers")


def _pixels(picture: Picture | None) -> Tensor | None:
    return picture.pixels if picture else None


def _canvas_size(settings: Settings, shape: Size) -> Size:
    """(w, h) of the result, for a picture of the size `shape`."""
    if isinstance(settings.size, tuple):
        return settings.size
    return _with_longest(shape, settings.size or max(shape))


def _with_longest(shape: Size, longest: int) -> Size:
    return _times(shape, longest / max(shape))


def _times(size: Size, factor: float) -> Size:
    width, height = (max(1, round(side * factor)) for side in size)
    return width, height


def _content(
    picture: Picture | None, size: Size, settings: Settings, max_pixels: int
) -> Picture | None:
    """The photograph at the canvas's size."""
    _check_pixels(size, max_pixels)
    return None if picture is None else _brought(picture, size, settings.fit)


def _style(
    picture: Picture | None, canvas: Size, settings: Settings, max_pixels: int
) -> Picture | None:
    """The painting at the size that goes with a canvas."""
    if picture is None:
        return None
    if settings.style_fit == "same":
        size = _times(canvas, settings.style_scale)
    elif settings.style_fit == "width":
        size = _times(picture.size, canvas[0] * settings.style_scale / picture.width)
    else:
        size = _with_longest(picture.size, max(1, round(max(canvas) * settings.style_scale)))
    _check_pixels(size, max_pixels)
    return _brought(picture, size, settings.fit)


def _brought(picture: Picture, size: Size, fit: str) -> Picture:
    """The picture at `size`; where its shape differs by more than rounding, as `fit` says."""
    across, down = size[0] / picture.width, size[1] / picture.height
    close = abs(across - down) * min(picture.size) <= 1
    return resize(picture, size) if close or fit == "stretch" else cover(picture, size)


def _check_size(role: str, picture: Picture | None, settings: Settings) -> None:
    """A picture leaves a position at every tap it is measured at; ImageTooSmall if not."""
    taps = list(settings.style_layers) if settings.style_weight else []
    if role == "content" and settings.content_weight:
        taps += settings.content_layers
    if not taps or picture is None:
        return
    net = weights_of(settings.encoder).architecture
    least = net.least_side(taps)
    if min(picture.size) < least:
        where = "the smallest scale" if len(settings.scales) > 1 else "this size"
        raise ImageTooSmall(
            f"the {role} image is {picture.width}x{picture.height} px at {where}, but "
            f"{net.deepest(taps)} needs at least {least} px a side; raise --size"
            f"{' or --style-scale' if role == 'style' else ''}, or use shallower layers"
        )


def _check_pixels(size: Size, max_pixels: int) -> None:
    """ImageTooLarge rather than a vain attempt."""
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"{width}x{height} px are {width * height} pixels, and the limit is {max_pixels}; "
            f"lower --size or --style-scale, or raise --max-pixels"
        )


def _identity(source: Source) -> dict[str, Any]:
    """Name and SHA-256 of a file; the type of anything else."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}; it was there a moment ago") from error
    return {"name": type(source).__name__}

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
from impasto.losses import find_style_loss
from impasto.memory import memory_guard
from impasto.scales import Stage, schedule
from impasto.settings import Settings

__all__ = ["Inputs", "check_layers"]

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Photograph and painting as they were read, and what a run makes of them at each stage.

    Pictures of a stage's size are made when they are asked for: of a print, each takes a gigabyte.
    `origins` has name, SHA-256 and size in use of each file, for the record.
    """

    photograph: Picture | None
    painting: Picture | None
    settings: Settings
    stages: tuple[Stage, ...]
    origins: dict[str, dict[str, Any]]

    @classmethod
    def of(
        cls, content: Source | None, style: Source | None, settings: Settings, max_pixels: int
    ) -> Inputs:
        """Read both; ImageError, ImageTooLarge or ImageTooSmall if one does not do.

        Without a photograph the canvas has the painting's shape where `size` is one number.
        """
        _check_terms(settings)
        find_style_loss(settings.style_loss)
        if content is None and style is None:
            raise SettingsError("there is neither a content nor a style picture; give one")
        content, style = samples.found(content), samples.found(style)
        with memory_guard("these pictures"):
            photograph = None if content is None else read(content, max_pixels)
            painting = None if style is None else read(style, max_pixels)
        shape = (photograph or painting).size  # type: ignore[union-attr]
        stages = schedule(settings, _canvas_size(settings, shape))
        inputs = cls(photograph, painting, settings, stages, {})
        inputs._check(max_pixels)
        inputs._remember(content, style)
        return inputs

    @property
    def size(self) -> Size:
        """(width, height) of the result."""
        return self.stages[-1].size

    @property
    def total(self) -> int:
        """Iterations planned, over all stages."""
        return sum(stage.iterations for stage in self.stages)

    def pair(self, stage: Stage) -> Pair:
        """The pictures at a stage's size."""
        content, style = self._content(stage.size), self._style(stage.size)
        return Pair(stage.size, _pixels(content), _pixels(style))

    def style_size(self, canvas: Size) -> Size | None:
        """(width, height) of the painting that goes with a canvas."""
        painting, s = self.painting, self.settings
        if painting is None:
            return None
        if s.style_fit == "same":
            return _times(canvas, s.style_scale)
        if s.style_fit == "width":
            return _times(painting.size, canvas[0] * s.style_scale / painting.width)
        return _with_longest(painting.size, max(1, round(max(canvas) * s.style_scale)))

    @property
    def content(self) -> Picture | None:
        """The photograph at the result's size."""
        return self._content(self.size)

    @property
    def style(self) -> Picture | None:
        """The painting at the size it is measured at last."""
        return self._style(self.size)

    def beside(self, canvas: Size) -> int:
        """What the pictures as they were read take in memory, beside the canvas's pair, bytes.

        One that has the pair's size already is the pair's.
        """
        used = ((self.photograph, canvas), (self.painting, self.style_size(canvas)))
        return sum(_bytes(picture) for picture, size in used if picture and picture.size != size)

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of each picture by role: of its file, else of its values."""
        found = {"content": self.photograph, "style": self.painting}
        known = {role: facts.get("sha256") for role, facts in self.origins.items()}
        for role, picture in found.items():
            if picture and not known.get(role):
                values = picture.pixels.cpu().contiguous().numpy()
                known[role] = hashlib.sha256(values.data).hexdigest()
        return {role: checksum for role, checksum in known.items() if checksum}

    def alpha(self, size: Size) -> Tensor | None:
        """The photograph's alpha (h, w) at the size (w, h), if it has any."""
        if self.photograph is None or self.photograph.alpha is None:
            return None
        content = self._content(size)
        return content.alpha if content else None

    def _content(self, size: Size) -> Picture | None:
        picture = self.photograph
        return picture and _brought(picture, size, self.settings.fit)

    def _style(self, canvas: Size) -> Picture | None:
        size = self.style_size(canvas)
        return _brought(self.painting, size, self.settings.fit) if self.painting and size else None

    def _check(self, max_pixels: int) -> None:
        """No picture is too large at any stage, and none too small at the first."""
        for stage in self.stages:
            for size in (stage.size, self.style_size(stage.size)):
                _check_pixels(size, max_pixels)
        first, several = self.stages[0].size, len(self.stages) > 1
        if self.photograph:
            _check_size("content", first, self.settings, several)
        _check_size("style", self.style_size(first), self.settings, several)

    def _remember(self, content: Source | None, style: Source | None) -> None:
        """Note where the pictures came from."""
        sizes = {"content": self.size, "style": self.style_size(self.size)}
        for (role, size), source in zip(sizes.items(), (content, style), strict=True):
            if source is not None:
                self.origins[role] = {**_identity(source), "size": size}
        init = samples.found(self.settings.init)
        # Path.is_file raises for a name that is too long
        if self.settings.init not in INITS and os.path.isfile(init):  # noqa: PTH113
            self.origins["init"] = _identity(init)


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


def _bytes(picture: Picture) -> int:
    return picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)


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


def _brought(picture: Picture, size: Size, fit: str) -> Picture:
    """The picture at `size`; where its shape differs by more than rounding, as `fit` says."""
    across, down = size[0] / picture.width, size[1] / picture.height
    close = abs(across - down) * min(picture.size) <= 1
    return resize(picture, size) if close or fit == "stretch" else cover(picture, size)


def _check_size(role: str, size: Size | None, settings: Settings, several: bool) -> None:
    """A picture leaves a position at every tap it is measured at; ImageTooSmall if not."""
    taps = list(settings.style_layers) if settings.style_weight else []
    if role == "content" and settings.content_weight:
        taps += settings.content_layers
    if not taps or size is None:
        return
    net = weights_of(settings.encoder).architecture
    least = net.least_side(taps)
    if min(size) < least:
        where = "the smallest scale" if several else "this size"
        raise ImageTooSmall(
            f"the {role} image is {size[0]}x{size[1]} px at {where}, but "
            f"{net.deepest(taps)} needs at least {least} px a side; raise --size"
            f"{' or --style-scale' if role == 'style' else ''}, or use shallower layers"
        )


def _check_pixels(size: Size | None, max_pixels: int) -> None:
    """ImageTooLarge rather than a vain attempt."""
    width, height = size or (0, 0)
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

"""The pictures a run starts from: read, brought to size, checked, and remembered by checksum."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from impasto.encoder import weights_of
from impasto.errors import ImageTooLarge, ImageTooSmall, SettingsError
from impasto.hardware.oom import memory_guard
from impasto.images import Picture, Source, cropped, opaque, read, resize, samples
from impasto.images.checksums import values_checksum
from impasto.objective.style_losses import find_style_loss
from impasto.run.canvas import INITS, Pair
from impasto.run.postprocess import in_colours
from impasto.run.regions import Model, Region, read_mask, regions
from impasto.run.styles import Painting, identity, listed, paintings_of, role_of
from impasto.settings import Settings
from impasto.settings.schedule import Stage, schedule

__all__ = ["Inputs", "check_layers"]

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Photograph and paintings as they were read, and what a run makes of them at each stage.

    Pictures of a stage's size are made when they are asked for: of a print, each takes a gigabyte.
    `origins` has name, SHA-256 and size in use of each file, for the record. `keep` (h, w) is where
    the photograph stays.
    """

    photograph: Picture | None
    paintings: tuple[Painting, ...]
    regions: tuple[Region, ...]
    keep: Tensor | None
    settings: Settings
    stages: tuple[Stage, ...]
    origins: dict[str, dict[str, Any]]

    @classmethod
    def of(
        cls,
        content: Source | None,
        style: Source | Sequence[Source] | None,
        settings: Settings,
        max_pixels: int,
    ) -> Inputs:
        """Read all; ImageError, ImageTooLarge or ImageTooSmall if one does not do.

        Several styles are a list; a folder is one style of all pictures in it. Without a photograph
        the canvas has the first painting's shape where `size` is one number.
        """
        _check_terms(settings)
        find_style_loss(settings.style_loss)
        styles = listed(style)
        if content is None and not styles:
            raise SettingsError("there is neither a content nor a style picture; give one")
        _check_pictures(content, styles, settings)
        _check_scales(styles, settings)
        content = samples.found(content)
        with memory_guard("these pictures"):
            photograph = None if content is None else read(content, max_pixels)
            paintings = tuple(paintings_of(styles, max_pixels))
            areas = regions(settings, len(styles), max_pixels) if styles else ()
            keep = read_mask(settings.keep, max_pixels) if settings.keep else None
        shape = (photograph or paintings[0].picture).size
        stages = schedule(settings, _canvas_size(settings, shape))
        inputs = cls(photograph, paintings, areas, keep, settings, stages, {})
        inputs._check(max_pixels)
        inputs._remember(content)
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
        """The pictures at a stage's size, without transparency, in the colours to be compared."""
        brought, size = self._content(stage.size), stage.size
        content = opaque(brought).pixels if brought else None
        pictures = [self._style(painting, size) for painting in self.paintings]
        keep = None if self.keep is None else _mask_at(self.keep, size, self.settings.fit)
        areas = tuple(self._regions(brought, keep, pictures, size))
        styles = [opaque(picture).pixels for picture in pictures]
        photograph = content if keep is not None or self.settings.colour == "keep" else None
        if content is not None:
            content, styles = in_colours(content, styles, self.settings)
        return Pair(size, content, tuple(styles), areas, photograph, keep)

    def style_sizes(self, canvas: Size) -> list[Size]:
        """(width, height) of each painting that goes with a canvas."""
        return [self._style_size(painting, canvas) for painting in self.paintings]

    def style_size(self, canvas: Size) -> Size | None:
        """The largest of these; None without a painting."""
        return max(self.style_sizes(canvas), key=lambda size: size[0] * size[1], default=None)

    def names(self, pair: Pair) -> list[object]:
        """What tells each painting of a pair, as it is measured, from all others.

        A picture from memory has no checksum, and is no other picture's equal.
        """
        s = self.settings
        checksum = self.origins.get("content", {}).get("sha256", object())
        colour = (s.colour, s.colour_method, s.colour_strength, pair.size, checksum)
        return [
            (painting.origin.get("sha256", painting.picture), s.fit, s.style_fit, style.shape)
            + (colour if s.colour != "style" else ())
            for painting, style in zip(self.paintings, pair.styles, strict=True)
        ]

    @property
    def content(self) -> Picture | None:
        """The photograph at the result's size."""
        return self._content(self.size)

    @property
    def style(self) -> Picture | None:
        """The first painting at the size it is measured at last."""
        return self._style(self.paintings[0], self.size) if self.paintings else None

    def extra_bytes(self, canvas: Size) -> int:
        """What the pictures as they were read take in memory, beside the canvas's pair, bytes.

        One that has the pair's size already is the pair's. Masks, and all paintings at their sizes
        but the largest, are there too.
        """
        used = [(self.photograph, canvas)]
        sizes = self.style_sizes(canvas)
        used += [(p.picture, size) for p, size in zip(self.paintings, sizes, strict=True)]
        pixels = sorted(width * height for width, height in sizes)[:-1]
        masks = sum(r.where is not None for r in self.regions) + (self.keep is not None)
        masks += sum(p is not None and p.alpha is not None for p, _ in used)
        others = 4 * (3 * sum(pixels) + masks * canvas[0] * canvas[1])
        return others + sum(_bytes(p) for p, size in used if p and p.size != size)

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of each picture by role: of its file, else of its values."""
        found = {"content": self.photograph}
        found |= {role_of(n): painting.picture for n, painting in enumerate(self.paintings)}
        known = {role: facts.get("sha256") for role, facts in self.origins.items()}
        for role, picture in found.items():
            if picture and not known.get(role):
                known[role] = values_checksum(picture.pixels, picture.alpha)
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

    def _style(self, painting: Painting, canvas: Size) -> Picture:
        return _brought(painting.picture, self._style_size(painting, canvas), self.settings.fit)

    def _style_size(self, painting: Painting, canvas: Size) -> Size:
        picture, s = painting.picture, self.settings
        scale = s.style_scale
        scale = scale[painting.style] if isinstance(scale, tuple) else scale
        if s.style_fit == "same":
            return _times(canvas, scale)
        if s.style_fit == "width":
            return _times(picture.size, canvas[0] * scale / picture.width)
        longest = max(1, round(max(canvas) * scale))
        native = s.style_fit == "native"
        return _with_longest(picture.size, min(longest, max(picture.size)) if native else longest)

    def _regions(
        self, content: Picture | None, keep: Tensor | None, pictures: Sequence[Picture], size: Size
    ) -> Iterator[Region]:
        """The regions at a canvas's size, of single pictures; what is hidden or kept is in none."""
        free, shown = None if keep is None else 1 - keep, content.alpha if content else None
        for region in self.regions:
            where = region.where
            where = None if where is None else _mask_at(where, size, self.settings.fit)
            models = (part for model in region.models for part in self._parts(model, pictures))
            yield Region(tuple(models), _product(where, free, shown))

    def _parts(self, model: Model, pictures: Sequence[Picture]) -> Iterator[Model]:
        """A style as its pictures: one, or those of a folder."""
        own = [n for n, painting in enumerate(self.paintings) if painting.style == model.number]
        if model.where is not None and len(own) > 1:
            raise SettingsError("a style mask is for one picture; the style is a folder of several")
        for number in own:
            picture = pictures[number]
            where = model.where
            if where is not None:
                where = _mask_at(where, picture.size, self.settings.fit)
            share = model.share / len(own)
            yield Model(number, share, _product(where, picture.alpha), model.name)

    def _check(self, max_pixels: int) -> None:
        """No picture is too large at any stage, and none too small at the first."""
        for stage in self.stages:
            for size in (stage.size, *self.style_sizes(stage.size)):
                _check_pixels(size, max_pixels)
        first, several = self.stages[0].size, len(self.stages) > 1
        if self.photograph:
            _check_size("content", first, self.settings, several)
        for size in self.style_sizes(first):
            _check_size("style", size, self.settings, several)

    def _remember(self, content: Source | None) -> None:
        """Note where the pictures came from."""
        if content is not None:
            self.origins["content"] = {**identity(content), "size": self.size}
        sizes = self.style_sizes(self.size)
        for number, (painting, size) in enumerate(zip(self.paintings, sizes, strict=True)):
            self.origins[role_of(number)] = {**painting.origin, "size": size}
        s = self.settings
        named = {"init": s.init if s.init not in INITS else "", "keep": s.keep}
        for role, names in (("content_mask", s.content_mask), ("style_mask", s.style_mask)):
            named |= {f"{role} {number}": name for number, name in enumerate(names, 1)}
        for role, name in named.items():
            path = samples.found(name)
            # Path.is_file raises for a name that is too long
            if name and os.path.isfile(path):  # noqa: PTH113
                self.origins[role] = identity(path)


def _mask_at(mask: Tensor, size: Size, fit: str) -> Tensor:
    """A mask (h, w) at the size (w, h), as the picture that it belongs to is brought there.

    By a filter without negative weights, which would leave rings of grey in white and in black.
    """
    framed = _framed(Picture(mask.expand(3, -1, -1)), size, fit).pixels[None, :1]
    if framed.shape[2:] != size[::-1]:
        framed = interpolate(framed, size=size[::-1], mode="bilinear", antialias=True)
    return framed[0, 0].clamp(0, 1)


def _product(*masks: Tensor | None) -> Tensor | None:
    """Where all of them are; None where there is none."""
    there = [mask for mask in masks if mask is not None]
    return reduce(torch.mul, there) if there else None


def _check_pictures(content: object, styles: Sequence[object], settings: Settings) -> None:
    """SettingsError where a setting takes a picture that is absent."""
    if settings.colour != "style" and (content is None or not styles):
        raise SettingsError(
            f"colour is {settings.colour!r}, which takes a photograph and a painting; one is absent"
        )
    if settings.keep and content is None:
        raise SettingsError("keep names a mask, but there is no photograph to keep")
    if settings.strength < 1 and content is None:
        raise SettingsError("strength is below 1, but there is no photograph to start from")
    if (settings.content_mask or settings.style_mask) and not styles:
        raise SettingsError("a mask says where a style goes, but there is no painting")


def _check_scales(styles: Sequence[object], settings: Settings) -> None:
    scales = settings.style_scale
    if isinstance(scales, tuple) and len(scales) != len(styles):
        raise SettingsError(
            f"style_scale has {len(scales)} for {len(styles)} styles; expected one for each"
        )


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
    return resize(_framed(picture, size, fit), size)


def _framed(picture: Picture, size: Size, fit: str) -> Picture:
    """The part of a picture that is brought to `size`."""
    across, down = size[0] / picture.width, size[1] / picture.height
    close = abs(across - down) * min(picture.size) <= 1
    return picture if close or fit == "stretch" else cropped(picture, size)


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
        cure = "--smallest" if several and settings.scales == "auto" else "--size"
        raise ImageTooSmall(
            f"the {role} image is {size[0]}x{size[1]} px at {where}, but "
            f"{net.deepest(taps)} needs at least {least} px a side; raise {cure}"
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

"""The pictures a run starts from: read once, checked, and brought to the size of each stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from torch import Tensor

from impasto.encoder import Architecture
from impasto.errors import SettingsError
from impasto.hardware.oom import memory_guard
from impasto.images import Picture, located, opaque, read
from impasto.images.checksums import values_checksum
from impasto.images.resampling import whiteness
from impasto.images.stored import AnyPicture
from impasto.run.colour_modes import colour_mode
from impasto.run.postprocess import effect_needs_content
from impasto.run.regions import Region, StylePart, regions
from impasto.run.share import Share
from impasto.run.sizes import (
    Size,
    canvas_size,
    check_pixels,
    check_side,
    fitted,
    mask_at,
    product,
    stages_of,
    style_size,
)
from impasto.run.sources import (
    Reading,
    Sources,
    StylePicture,
    identity,
    read_init,
    role_of,
    style_pictures,
)
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings
from impasto.settings.schedule import Stage

__all__ = ["Inputs"]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Pictures and masks as they were read, and what a run makes of them at each stage.

    Pictures of a stage's size are made when they are asked for: of a print, each takes a gigabyte.
    `size` is (width, height) of the result; the last stage is larger where that is too small to
    paint. `origins` has name, SHA-256 and size in use of each file, for the record; `init` is the
    first canvas where one is given, a picture or sRGB (3, h, w); `protected` is white where content
    stays.
    """

    original: AnyPicture | None
    styles: tuple[StylePicture, ...]
    regions: tuple[Region[AnyPicture], ...]
    init: AnyPicture | Tensor | None
    protected: AnyPicture | None
    settings: Settings
    size: Size
    stages: tuple[Stage, ...]
    origins: dict[str, dict[str, Any]]

    @classmethod
    def of(
        cls,
        sources: Sources,
        settings: Settings,
        max_pixels: int,
        network: Architecture,
        reading: Reading = read,
    ) -> Inputs:
        """Read all; ImageError, ImageTooLarge, ImageTooSmall or SettingsError if one is unfit.

        Without content the canvas has the first style picture's shape where `size` is one number.
        All are read by `reading`.
        """
        sources.check(settings)
        with memory_guard("these pictures"):
            content = located(sources.content)
            original = None if content is None else reading(content, max_pixels)
            styles = tuple(style_pictures(sources.styles, max_pixels, reading))
            areas = regions(settings, sources, max_pixels, reading) if sources.styles else ()
            protect = None if sources.protect is None else reading(sources.protect, max_pixels)
            init = read_init(sources.init, max_pixels, reading)
        shape = (original or styles[0].picture).size
        size = canvas_size(settings, shape)
        stages = stages_of(settings, size, network)
        inputs = cls(original, styles, areas, init, protect, settings, size, stages, {})
        inputs._check_sizes(max_pixels, network)
        inputs._remember(sources)
        return inputs

    def at(self, stage: Stage, share: Share | None = None) -> StageInputs:
        """The pictures at a stage's size, without transparency, in the colours compared.

        With a `share` they are this process's rows, and no more of them is made where each row can
        be made by itself.
        """
        size, apart = stage.size, share is not None and self.apart
        strips = share.of_styles([h for _, h in self.style_sizes(size)]) if share else ()
        rows = share.strip.held if share and apart else None
        of_styles = [strip.held if strip and apart else None for strip in strips]
        brought = self._content(size, rows)
        content = opaque(brought).pixels if brought else None
        pictures = [
            self._style(style, size, held) for style, held in zip_longest(self.styles, of_styles)
        ]
        protect = self._at(self.protected, size, rows)
        areas = tuple(self._regions(brought, protect, pictures, size, rows, of_styles))
        styles = [opaque(picture).pixels for picture in pictures]
        mode = colour_mode(self.settings)
        needed = mode.needs_content or effect_needs_content(self.settings)
        original = content if needed or protect is not None else None
        if content is not None:
            content, styles = mode.compare(content, styles, self.settings)
        alpha = brought.alpha if brought else None
        found = StageInputs(size, content, tuple(styles), areas, original, protect, alpha)
        return self.divided(found, share) if share else found

    def divided(self, whole: StageInputs, share: Share) -> StageInputs:
        """A process's part of the pictures of a stage."""
        strips = share.of_styles([height for _, height in self.style_sizes(whole.size)])
        seen = replace(whole, whole=whole.content if self.settings.legibility else None)
        return seen.divided(share.strip, strips)

    @property
    def apart(self) -> bool:
        """Whether rows of pictures can be made without the others."""
        s, used = self.settings, [self.original, *(style.picture for style in self.styles)]
        clear = any(picture.has_alpha for picture in used if picture)
        return not (clear or s.legibility or colour_mode(s).compares(s))

    def style_sizes(self, canvas: Size) -> list[Size]:
        """(width, height) of each style picture that goes with a canvas."""
        return [self._style_size(style, canvas) for style in self.styles]

    def style_size(self, canvas: Size) -> Size | None:
        """The largest of these; None without a style."""
        return max(self.style_sizes(canvas), key=lambda size: size[0] * size[1], default=None)

    def kept(self, size: Size) -> tuple[Tensor, Tensor] | None:
        """Content (3, h, w) and where it stays, (h, w), at a size (w, h); None for nowhere."""
        brought, protect = self._content(size), self._at(self.protected, size)
        return None if brought is None or protect is None else (opaque(brought).pixels, protect)

    def alpha(self, size: Size) -> Tensor | None:
        """The content's alpha (h, w) in [0, 1] at the size (w, h), if it has any."""
        if self.original is None or not self.original.has_alpha:
            return None
        content = self._content(size)
        return content.alpha if content else None

    @property
    def content(self) -> Picture | None:
        """The content picture at the result's size."""
        return self._content(self.size)

    @property
    def style(self) -> Picture | None:
        """The first style picture at the size at which it is measured last."""
        return self._style(self.styles[0], self.size) if self.styles else None

    def extra_bytes(self, canvas: Size, share: Share | None = None) -> int:
        """Bytes of source pictures kept in addition to the stage's resized ones.

        Those of that size are used as they are, unless processes `share` the canvas. Masks, and all
        style pictures at their sizes except the largest, count too: of a process, its rows of them.
        """
        used: list[tuple[AnyPicture | None, Size]] = [(self.original, canvas)]
        sizes = self.style_sizes(canvas)
        used += [(p.picture, size) for p, size in zip(self.styles, sizes, strict=True)]
        pixels = sorted(width * height for width, height in sizes)[:-1]
        masks = [mask for _, mask in self._masks()]
        planes = len(masks) + sum(p is not None and p.has_alpha for p, _ in used)
        others = 4 * (3 * sum(pixels) + planes * canvas[0] * canvas[1])
        if share and self.apart:
            others = others * (share.strip.bottom - share.strip.top) // canvas[1]
        kept = [p for p, size in used if p and (share or p.size != size)]
        given = [] if self.init is None else [self.init]
        return others + sum(picture.nbytes for picture in (*kept, *masks, *given))

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of each picture by role: of its file, else of its values."""
        known = {role: facts.get("sha256") for role, facts in self.origins.items()}
        if not all(known.values()):
            values = ((role, of) for role, of in self._values() if not known.get(role))
            known |= {role: values_checksum(*of) for role, of in values}
        return {role: checksum for role, checksum in known.items() if checksum}

    def _values(self) -> Iterator[tuple[str, tuple[Tensor | None, ...]]]:
        """Pictures and masks in memory, by role; others are known by their files."""
        found: dict[str, AnyPicture | Tensor | None] = {"content": self.original, "init": self.init}
        found |= {role_of(n): style.picture for n, style in enumerate(self.styles)}
        for role, picture in found.items():
            if isinstance(picture, Picture):
                yield role, (picture.pixels, picture.alpha)
            elif isinstance(picture, Tensor):
                yield role, (picture,)
        for role, mask in self._masks():
            if isinstance(mask, Picture):
                yield role, (whiteness(mask),)

    def _masks(self) -> Iterator[tuple[str, AnyPicture]]:
        """Masks as they were read, by role."""
        if self.protected is not None:
            yield "protect", self.protected
        for number, region in enumerate(self.regions, 1):
            if region.where is not None:
                yield f"content_mask {number}", region.where
            for part in region.parts:
                if part.where is not None:
                    yield f"style_mask {number}.{part.index}", part.where

    def _content(self, size: Size, rows: slice | None = None) -> Picture | None:
        if self.original is None:
            return None
        fit, wraps = self.settings.fit, self.settings.wraps
        return fitted(self.original, size, fit, frame=self._frame, wraps=wraps, rows=rows)

    @property
    def _frame(self) -> Size | None:
        """The shape to which content is cropped where that is not the canvas's."""
        return self.size if any(self.settings.wraps) else None

    def _style(self, style: StylePicture, canvas: Size, rows: slice | None = None) -> Picture:
        size = self._style_size(style, canvas)
        return fitted(style.picture, size, self.settings.fit, rows=rows)

    def _style_size(self, style: StylePicture, canvas: Size) -> Size:
        return style_size(self.settings, style.picture.size, style.style, canvas)

    def _at(self, mask: AnyPicture | None, size: Size, rows: slice | None = None) -> Tensor | None:
        """A mask of the content at a canvas's size, or rows of it."""
        if mask is None:
            return None
        fit, wraps = self.settings.fit, self.settings.wraps
        return mask_at(mask, size, fit, frame=self._frame, wraps=wraps, rows=rows)

    def _regions(
        self,
        content: Picture | None,
        protect: Tensor | None,
        pictures: Sequence[Picture],
        size: Size,
        rows: slice | None,
        of_styles: Sequence[slice | None],
    ) -> Iterator[Region[Tensor]]:
        """The regions of single pictures, without what is hidden or kept; or rows of them."""
        free, shown = None if protect is None else 1 - protect, content.alpha if content else None
        for region in self.regions:
            where = self._at(region.where, size, rows)
            styles = [*zip_longest(pictures, self.style_sizes(size), of_styles)]
            parts = (single for part in region.parts for single in self._parts(part, styles))
            yield Region(tuple(parts), product(where, free, shown))

    def _parts(
        self,
        part: StylePart[AnyPicture],
        pictures: Sequence[tuple[Picture, Size, slice | None]],
    ) -> Iterator[StylePart[Tensor]]:
        """A style as its pictures: one, or those of a folder."""
        own = [n for n, style in enumerate(self.styles) if style.style == part.index]
        if part.where is not None and len(own) > 1:
            raise SettingsError("a style mask is for one picture; the style is a folder of several")
        for index in own:
            (picture, size, rows), mask, fit = pictures[index], part.where, self.settings.fit
            where = None if mask is None else mask_at(mask, size, fit, rows=rows)
            share = part.share / len(own)
            yield StylePart(index, share, product(where, picture.alpha))

    def _check_sizes(self, max_pixels: int, network: Architecture) -> None:
        """No picture is too large at any stage, and none too small at the first."""
        for stage in self.stages:
            for size in (stage.size, *self.style_sizes(stage.size)):
                check_pixels(size, max_pixels)
        first, several = self.stages[0].size, len(self.stages) > 1
        if self.original:
            check_side("content", first, self.settings, network, several=several)
        for size in self.style_sizes(first):
            check_side("style", size, self.settings, network, several=several)

    def _remember(self, sources: Sources) -> None:
        """Note where the pictures came from."""
        for role, source in sources.named():
            self.origins[role] = identity(source)
        if "content" in self.origins:
            self.origins["content"]["size"] = self.size
        sizes = self.style_sizes(self.size)
        for index, (style, size) in enumerate(zip(self.styles, sizes, strict=True)):
            self.origins[role_of(index)] = {**style.origin, "size": size}

"""The pictures a run starts from, checked and brought to the size of each stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from torch import Tensor

from impasto.encoder import Architecture
from impasto.errors import SettingsError
from impasto.images import Picture, opaque, read
from impasto.images.stored import AnyPicture
from impasto.run.colour_modes import colour_mode
from impasto.run.originals import Originals
from impasto.run.postprocess import effect_needs_content
from impasto.run.regions import Region, StylePart
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
from impasto.run.sources import Reading, Sources, StylePicture, role_of
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings
from impasto.settings.schedule import Stage

__all__ = ["Inputs"]


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a run makes of its `originals` at each stage.

    Pictures of a stage's size are made when they are asked for: of a print, each takes a gigabyte.
    `size` is (width, height) of the result; the last stage is larger where that is too small to
    paint.
    """

    originals: Originals
    settings: Settings
    size: Size
    stages: tuple[Stage, ...]

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
        originals = Originals.of(sources, settings, max_pixels, reading)
        size = canvas_size(settings, originals.shape)
        inputs = cls(originals, settings, size, stages_of(settings, size, network))
        inputs._check_sizes(max_pixels, network)
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
        styles = zip_longest(self.originals.styles, of_styles)
        pictures = [self._style(style, size, held) for style, held in styles]
        protect = self._at(self.originals.protected, size, rows)
        areas = tuple(self._regions(brought, protect, pictures, size, rows, of_styles))
        painted = [opaque(picture).pixels for picture in pictures]
        mode = colour_mode(self.settings)
        needed = mode.needs_content or effect_needs_content(self.settings)
        original = content if needed or protect is not None else None
        if content is not None:
            content, painted = mode.compare(content, painted, self.settings)
        alpha = brought.alpha if brought else None
        found = StageInputs(size, content, tuple(painted), areas, original, protect, alpha)
        return self.divided(found, share) if share else found

    def divided(self, whole: StageInputs, share: Share) -> StageInputs:
        """A process's part of the pictures of a stage."""
        strips = share.of_styles([height for _, height in self.style_sizes(whole.size)])
        seen = replace(whole, whole=whole.content if self.settings.legibility else None)
        return seen.divided(share.strip, strips)

    @property
    def apart(self) -> bool:
        """Whether rows of pictures can be made without the others."""
        s, o = self.settings, self.originals
        used = [o.content, *(style.picture for style in o.styles)]
        clear = any(picture.has_alpha for picture in used if picture)
        return not (clear or s.legibility or colour_mode(s).compares(s))

    def style_sizes(self, canvas: Size) -> list[Size]:
        """(width, height) of each style picture that goes with a canvas."""
        return [self._style_size(style, canvas) for style in self.originals.styles]

    def style_size(self, canvas: Size) -> Size | None:
        """The largest of these; None without a style."""
        return max(self.style_sizes(canvas), key=lambda size: size[0] * size[1], default=None)

    def kept(self, size: Size) -> tuple[Tensor, Tensor] | None:
        """Content (3, h, w) and where it stays, (h, w), at a size (w, h); None for nowhere."""
        brought, protect = self._content(size), self._at(self.originals.protected, size)
        return None if brought is None or protect is None else (opaque(brought).pixels, protect)

    def alpha(self, size: Size) -> Tensor | None:
        """The content's alpha (h, w) in [0, 1] at the size (w, h), if it has any."""
        original = self.originals.content
        if original is None or not original.has_alpha:
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
        styles = self.originals.styles
        return self._style(styles[0], self.size) if styles else None

    @property
    def origins(self) -> dict[str, dict[str, Any]]:
        """Name, SHA-256 and size in use of each file, for the record."""
        sizes = {role_of(n): size for n, size in enumerate(self.style_sizes(self.size))}
        sizes["content"] = self.size
        known = self.originals.origins.items()
        return {
            role: {**origin, "size": sizes[role]} if role in sizes else origin
            for role, origin in known
        }

    def extra_bytes(self, canvas: Size, share: Share | None = None) -> int:
        """Bytes of source pictures kept in addition to the stage's resized ones.

        Those of that size are used as they are, unless processes `share` the canvas. Masks, and all
        style pictures at their sizes except the largest, count too: of a process, its rows of them.
        """
        o, sizes = self.originals, self.style_sizes(canvas)
        used: list[tuple[AnyPicture | None, Size]] = [(o.content, canvas)]
        used += [(p.picture, size) for p, size in zip(o.styles, sizes, strict=True)]
        pixels = sorted(width * height for width, height in sizes)[:-1]
        masks = [mask for _, mask in o.masks()]
        planes = len(masks) + sum(p is not None and p.has_alpha for p, _ in used)
        others = 4 * (3 * sum(pixels) + planes * canvas[0] * canvas[1])
        if share and self.apart:
            others = others * (share.strip.bottom - share.strip.top) // canvas[1]
        kept = [p for p, size in used if p and (share or p.size != size)]
        given = [] if o.init is None else [o.init]
        return others + sum(picture.nbytes for picture in (*kept, *masks, *given))

    def _content(self, size: Size, rows: slice | None = None) -> Picture | None:
        original = self.originals.content
        if original is None:
            return None
        fit, wraps = self.settings.fit, self.settings.wraps
        return fitted(original, size, fit, frame=self._frame, wraps=wraps, rows=rows)

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
        for region in self.originals.regions:
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
        own = [n for n, style in enumerate(self.originals.styles) if style.style == part.index]
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
        if self.originals.content:
            check_side("content", first, self.settings, network, several=several)
        for size in self.style_sizes(first):
            check_side("style", size, self.settings, network, several=several)

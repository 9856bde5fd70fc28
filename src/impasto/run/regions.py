"""Where each style goes: regions of the content and the parts of style pictures for them.

A mask is a picture: white where its region is, black where not, in between where it ends softly.
A map is one picture for all regions, each of them a colour. Regions of content and style belong
together by the order of masks, or by their colour.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from impasto.errors import SettingsError, printable
from impasto.images import Encoded, Picture, Source, read
from impasto.images.morphology import dilated
from impasto.images.resampling import whiteness
from impasto.images.stored import AnyPicture, bands
from impasto.run.sources import Reading, Sources
from impasto.settings import Settings

__all__ = ["Region", "StylePart", "has_colours", "is_black", "regions"]

Mask = TypeVar("Mask")  # a picture as it was read, or (h, w) in [0, 1] at a size
Other = TypeVar("Other")

_NEAR = 60 / 255  # colours nearer than this are one: maps that were scaled or saved as JPEG
_FEWEST = 0.002  # of the pixels: a colour rarer than this is an edge's
_COLOURFUL = 0.15  # between a pixel's least and greatest channel
_THIN = 150  # of a map's shorter side is half of what a colour has to cover both ways
_MOST = 64  # regions of a map …
_SHADES = 4096  # … among its most frequent colours
_EMPTY = 1e-4  # of the picture: a mask that is white for less is black


@dataclass(frozen=True, eq=False)
class StylePart(Generic[Mask]):
    """A part of the style picture `index`: `where` a mask is white, None for all of it.

    `share` is the part of its region's style that it is; a region's shares add up to 1.
    """

    index: int
    share: float
    where: Mask | None = None

    def mapped(self, change: Callable[[Mask | None], Other | None]) -> StylePart[Other]:
        """The same with another mask."""
        return StylePart(self.index, self.share, change(self.where))


@dataclass(frozen=True, eq=False)
class Region(Generic[Mask]):
    """A part of the content, `where` as in StylePart, and the style parts it is painted in."""

    parts: tuple[StylePart[Mask], ...]
    where: Mask | None = None

    def mapped(self, change: Callable[[Mask | None], Other | None]) -> Region[Other]:
        """The same with other masks."""
        return Region(tuple(part.mapped(change) for part in self.parts), change(self.where))


def regions(
    settings: Settings, sources: Sources, max_pixels: int, reading: Reading = read
) -> tuple[Region[AnyPicture], ...]:
    """The regions that the masks describe; one for all styles where there are no masks.

    Raises ImageError for a mask that cannot be read, SettingsError for masks that do not belong
    together or have nothing in them.
    """
    shares = _shares(settings, len(sources.styles))
    content = [_Mask.of(mask, max_pixels, reading) for mask in sources.content_masks]
    style = [_Mask.of(mask, max_pixels, reading) for mask in sources.style_masks]
    if any(mask.is_map for mask in content):
        return tuple(_by_colour(content, style, shares))
    if not content:
        return (_everywhere(style, shares),)
    return tuple(_in_order(content, style, shares))


def has_colours(mask: AnyPicture) -> bool:
    """Whether a mask is a map of regions."""
    spreads = (torch.aminmax(band.pixels, dim=0) for band in bands(mask))
    count = sum(int((most - least > _COLOURFUL).sum()) for least, most in spreads)
    return count > _FEWEST * mask.width * mask.height


def is_black(mask: AnyPicture) -> bool:
    """Whether a mask has nothing in it."""
    total = sum(float(whiteness(band).sum(dtype=torch.float64)) for band in bands(mask))
    return total < _EMPTY * mask.width * mask.height


def _shares(settings: Settings, styles: int) -> list[float]:
    """The share of each style; they add up to 1."""
    weights = settings.style_weights or (1.0,) * styles
    if len(weights) != styles:
        raise SettingsError(
            f"style_weights has {len(weights)} for {styles} styles; expected one for each"
        )
    return [weight / sum(weights) for weight in weights]


@dataclass(frozen=True, eq=False)
class _Mask:
    """A picture that was given as a mask."""

    name: str
    picture: AnyPicture

    @classmethod
    def of(cls, mask: Source, max_pixels: int, reading: Reading) -> _Mask:
        if isinstance(mask, (str, os.PathLike)):
            name = os.fsdecode(mask)
        else:
            name = mask.name if isinstance(mask, Encoded) else f"a mask ({type(mask).__name__})"
        return cls(name, reading(mask, max_pixels))

    @property
    def is_map(self) -> bool:
        """Whether it has colours."""
        return has_colours(self.picture)

    @property
    def white(self) -> AnyPicture:
        """The picture; SettingsError if it is black."""
        if is_black(self.picture):
            raise SettingsError(f"{printable(self.name)}: the mask is black; there is no region")
        return self.picture


def _everywhere(style: Sequence[_Mask], shares: Sequence[float]) -> Region[AnyPicture]:
    """All of the content, in the parts of the styles that masks choose."""
    if style and len(style) != len(shares):
        raise SettingsError(
            f"{len(style)} style masks for {len(shares)} styles; expected one for each, or none"
        )
    if not style:
        return Region(tuple(StylePart(n, share) for n, share in enumerate(shares) if share))
    parts = zip(shares, style, strict=True)
    return Region(tuple(StylePart(n, s, m.white) for n, (s, m) in enumerate(parts) if s))


def _in_order(
    content: Sequence[_Mask], style: Sequence[_Mask], shares: Sequence[float]
) -> Iterator[Region[AnyPicture]]:
    """First content mask with first style mask and so on; whole styles without style masks."""
    if style and len(style) != len(content):
        raise SettingsError(
            f"{len(content)} content masks and {len(style)} style masks; expected as many, or no "
            f"style masks"
        )
    if len(shares) not in (1, len(content)):
        raise SettingsError(
            f"{len(content)} content masks for {len(shares)} styles; expected one style, or one "
            f"for each mask"
        )
    if len(set(shares)) > 1:
        raise SettingsError(
            "style_weights blend styles that are in one place, and masks give each its own; "
            "leave one of the two out"
        )
    for number, mask in enumerate(content):
        index = number if len(shares) > 1 else 0
        part = StylePart[AnyPicture](index, 1.0)
        if style:
            part = replace(part, where=style[number].white)
        yield Region((part,), mask.white)


def _by_colour(
    content: Sequence[_Mask], style: Sequence[_Mask], shares: Sequence[float]
) -> Iterator[Region[AnyPicture]]:
    """A region for each colour of the content's map, in the style parts of that colour."""
    if len(content) != 1 or len(style) != len(shares):
        raise SettingsError(
            f"a content mask in colours is one map, with one style mask for each of the "
            f"{len(shares)} styles; got {len(content)} and {len(style)}"
        )
    areas, others = _colours(content[0].picture), [_colours(mask.picture) for mask in style]
    if not areas:
        raise SettingsError(f"{printable(content[0].name)}: the map has no areas of one colour")
    known = [colour for n, found in enumerate(others) if shares[n] for colour in found]
    _check_colours(areas, known, "content", "style")
    _check_colours(known, areas, "style", "content")
    for colour, where in areas.items():
        parts = [
            StylePart[AnyPicture](n, shares[n], found[other])
            for n, found in enumerate(others)
            for other in found
            if _distance(colour, other) < _NEAR and shares[n]
        ]
        total = sum(part.share for part in parts)
        yield Region(tuple(replace(part, share=part.share / total) for part in parts), where)


Colour = tuple[float, ...]


def _check_colours(
    some: Sequence[Colour] | Mapping[Colour, Picture],
    others: Sequence[Colour] | Mapping[Colour, Picture],
    here: str,
    there: str,
) -> None:
    """SettingsError that names the regions of one side that the other lacks."""
    alone = [_hex(c) for c in some if not any(_distance(c, other) < _NEAR for other in others)]
    if alone:
        raise SettingsError(
            f"the {here} mask has regions that no {there} mask has: "
            f"{', '.join(dict.fromkeys(alone))}; paint them in the other, or in a colour of both"
        )


def _colours(stored: AnyPicture) -> dict[Colour, Picture]:
    """The colours of a map, each with its mask; a pixel between two is the nearer one's."""
    picture = stored.rows(0, stored.height)
    pixels = picture.pixels.flatten(1).T  # (n, 3)
    levels = (pixels * 255).round().to(torch.int64)
    codes, counts = torch.unique(levels @ torch.tensor([65536, 256, 1]), return_counts=True)
    found: list[Tensor] = []
    for code in codes[counts.argsort(descending=True)][:_SHADES].tolist():
        colour = torch.tensor([code >> 16, code >> 8 & 255, code & 255], dtype=torch.float32) / 255
        if len(found) < _MOST and all(torch.dist(colour, c) >= _NEAR for c in found):
            found.append(colour)
    places = zip(found, _nearest(picture, found), strict=True)
    found = [colour for colour, where in places if _is_region(where)]
    places = zip(found, _nearest(picture, found), strict=True)
    return {tuple(colour.tolist()): _mask_of(where) for colour, where in places}


def _mask_of(where: Tensor) -> Picture:
    """A mask that is white where (h, w) is true."""
    return Picture.of_levels(where.to(torch.uint8).mul_(255).cpu().numpy()[..., None])


def _nearest(picture: Picture, colours: Sequence[Tensor]) -> list[Tensor]:
    """Where each of the colours is the nearest there is, (h, w)."""
    if not colours:
        return []
    strips = torch.split(picture.pixels.flatten(1).T, 2**20)
    nearest = torch.cat([torch.cdist(strip, torch.stack([*colours])).argmin(1) for strip in strips])
    return [(nearest == n).view(picture.height, picture.width) for n in range(len(colours))]


def _is_region(where: Tensor) -> bool:
    """Whether a colour at (h, w) covers a square somewhere: one between two others never does."""
    if where.float().mean() <= _FEWEST:
        return False
    reach = max(1, min(where.shape) // _THIN)
    return bool((dilated((~where).float(), 2 * reach + 1) == 0).any())


def _distance(one: Colour, other: Colour) -> float:
    return math.dist(one, other)


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in colour)

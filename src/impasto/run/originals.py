"""The pictures and masks of a run as they were read, and what each is known by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from impasto.hardware.oom import memory_guard
from impasto.images import Picture, located, read
from impasto.images.checksums import values_checksum
from impasto.images.resampling import whiteness
from impasto.images.stored import AnyPicture
from impasto.run.regions import Region, regions
from impasto.run.sources import (
    Reading,
    Sources,
    StylePicture,
    identity,
    read_init,
    role_of,
    style_pictures,
)
from impasto.settings import Settings

__all__ = ["Originals"]


@dataclass(frozen=True, eq=False)
class Originals:
    """What a run reads, at the size at which it was read.

    Attributes:
        content: the picture that is painted; None for a texture.
        styles: the pictures in whose style, those of a folder one after the other.
        regions: which style goes where, with masks as they were read.
        init: the first canvas where one is given, a picture or sRGB (3, h, w).
        protected: a mask, white where content stays.
        origins: name and SHA-256 of each file by its role; of anything else, its type.
    """

    content: AnyPicture | None
    styles: tuple[StylePicture, ...]
    regions: tuple[Region[AnyPicture], ...]
    init: AnyPicture | Tensor | None
    protected: AnyPicture | None
    origins: dict[str, dict[str, Any]]

    @classmethod
    def of(
        cls, sources: Sources, settings: Settings, max_pixels: int, reading: Reading = read
    ) -> Originals:
        """Read all by `reading`; ImageError, ImageTooLarge or SettingsError if one is unfit."""
        sources.check(settings)
        with memory_guard("these pictures"):
            content = located(sources.content)
            original = None if content is None else reading(content, max_pixels)
            styles = tuple(style_pictures(sources.styles, max_pixels, reading))
            areas = regions(settings, sources, max_pixels, reading) if sources.styles else ()
            protect = None if sources.protect is None else reading(sources.protect, max_pixels)
            init = read_init(sources.init, max_pixels, reading)
        origins = {role: identity(source) for role, source in sources.named()}
        origins |= {role_of(index): style.origin for index, style in enumerate(styles)}
        return cls(original, styles, areas, init, protect, origins)

    @property
    def shape(self) -> tuple[int, int]:
        """(w, h) of the content; of the first style picture where there is no content."""
        return (self.content or self.styles[0].picture).size

    @cached_property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of each picture by role: of its file, else of its values; computed once."""
        known = {role: origin.get("sha256") for role, origin in self.origins.items()}
        if not all(known.values()):
            values = ((role, of) for role, of in self._values() if not known.get(role))
            known |= {role: values_checksum(*of) for role, of in values}
        return {role: checksum for role, checksum in known.items() if checksum}

    def masks(self) -> Iterator[tuple[str, AnyPicture]]:
        """Masks by role."""
        if self.protected is not None:
            yield "protect", self.protected
        for number, region in enumerate(self.regions, 1):
            if region.where is not None:
                yield f"content_mask {number}", region.where
            for part in region.parts:
                if part.where is not None:
                    yield f"style_mask {number}.{part.index}", part.where

    def _values(self) -> Iterator[tuple[str, tuple[Tensor | None, ...]]]:
        """Pictures and masks in memory, by role; others are known by their files."""
        found: dict[str, AnyPicture | Tensor | None] = {"content": self.content, "init": self.init}
        found |= {role_of(n): style.picture for n, style in enumerate(self.styles)}
        for role, picture in found.items():
            if isinstance(picture, Picture):
                yield role, (picture.pixels, picture.alpha)
            elif isinstance(picture, Tensor):
                yield role, (picture,)
        for role, mask in self.masks():
            if isinstance(mask, Picture):
                yield role, (whiteness(mask),)

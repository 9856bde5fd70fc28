"""Everything a run starts from besides its settings: pictures, masks, a first canvas."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto.errors import ImageError, SettingsError, printable
from impasto.images import Encoded, Source, located, read
from impasto.images.checksums import file_checksum
from impasto.images.folders import pictures_in
from impasto.images.held import held
from impasto.images.stored import AnyPicture, bands
from impasto.run.colour_modes import colour_mode
from impasto.run.postprocess import effect_needs_content
from impasto.settings import Settings
from impasto.settings.variants import INITS

__all__ = [
    "Reading",
    "Sources",
    "StylePicture",
    "identity",
    "read_init",
    "role_of",
    "style_pictures",
]

Reading = Callable[[Source, int], AnyPicture]
"""A source and the largest number of pixels -> a picture: `read`, or `read_by_rows`."""


@dataclass(frozen=True, eq=False)
class Sources:
    """What a run reads.

    A Source is a path, `sample:NAME`, `file://…`, bytes, a binary stream, a PIL image, an array, a
    tensor or a Picture.

    Attributes:
        content: the picture that is painted; None for a texture.
        styles: the pictures in whose style; a folder is one style of all its pictures.
        init: the first canvas, in place of the setting `init`. A float tensor (3, h, w) is taken as
            it is, sRGB of any range; any other Source as a picture.
        protect: a mask, white where the content stays as it is.
        content_masks: where each style goes; or one map of all regions, each a colour.
        style_masks: which part of each style picture is taken.
    """

    content: Source | None
    styles: tuple[Source, ...] = ()
    init: Source | None = None
    protect: Source | None = None
    content_masks: tuple[Source, ...] = ()
    style_masks: tuple[Source, ...] = ()

    @classmethod
    def of(
        cls,
        content: Source | None,
        styles: Source | Sequence[Source] | None,
        *,
        init: Source | None = None,
        protect: Source | None = None,
        content_masks: Source | Sequence[Source] = (),
        style_masks: Source | Sequence[Source] = (),
    ) -> Sources:
        """Sources, of which those that may be several may also be one; streams are read now."""
        several = (_several(styles), _several(content_masks), _several(style_masks))
        return cls(held(content), several[0], held(init), held(protect), *several[1:])

    def check(self, settings: Settings) -> None:
        """SettingsError where a mask or a setting takes a picture that is absent.

        Also where a setting has not one value for each style.
        """
        if self.content is None and not self.styles:
            raise SettingsError("there is neither a content nor a style picture; give one")
        if self.protect is not None and self.content is None:
            raise SettingsError("protect is a mask, but there is no content picture to protect")
        if (self.content_masks or self.style_masks) and not self.styles:
            raise SettingsError("a mask says where a style goes, but there is no style picture")
        self._check_settings(settings)

    def named(self) -> Iterator[tuple[str, Source]]:
        """Role and source of everything but the styles, as a record names them."""
        named = {"content": self.content, "init": self.init, "protect": self.protect}
        masks = {"content_mask": self.content_masks, "style_mask": self.style_masks}
        for role, several in masks.items():
            named |= {f"{role} {number}": mask for number, mask in enumerate(several, 1)}
        yield from ((role, source) for role, source in named.items() if source is not None)

    def _check_settings(self, s: Settings) -> None:
        """SettingsError where a setting takes a picture that is absent, or one value too many."""
        count = len(self.styles)
        if colour_mode(s).needs_both and (self.content is None or not count):
            raise SettingsError(
                f"colour is {s.colour!r}, which takes a content and a style picture; one is absent"
            )
        if self.content is None and effect_needs_content(s):
            raise SettingsError(
                f"finish is {s.finish!r}, which takes a content picture; it is absent"
            )
        if s.strength < 1 and self.content is None:
            raise SettingsError(
                "strength is below 1, but there is no content picture to start from"
            )
        if isinstance(s.style_scale, tuple) and len(s.style_scale) != count:
            raise SettingsError(
                f"style_scale has {len(s.style_scale)} for {count} styles; expected one for each"
            )


@dataclass(frozen=True, eq=False)
class StylePicture:
    """A style picture as it was read; `style` is the index of the style it belongs to."""

    picture: AnyPicture
    style: int
    origin: dict[str, Any]


def style_pictures(
    styles: Sequence[Source], max_pixels: int, reading: Reading = read
) -> Iterator[StylePicture]:
    """The pictures of each style, those of a folder in natural order."""
    for index, style in enumerate(styles):
        for source in _pictures_in(style):
            picture = reading(source, max_pixels)
            if _is_clear(picture):
                raise ImageError("a style image is transparent all over; expected one with colours")
            yield StylePicture(picture, index, identity(source))


def _is_clear(picture: AnyPicture) -> bool:
    """Whether nothing of a picture can be seen."""
    if not picture.has_alpha:
        return False
    alphas = (band.alpha for band in bands(picture))
    return not any(alpha is not None and alpha.any() for alpha in alphas)


def read_init(
    source: Source | None, max_pixels: int, reading: Reading = read
) -> AnyPicture | Tensor | None:
    """The first canvas as a picture; a float tensor is sRGB (3, h, w) of any range, as it is.

    Raises ImageError for what is no picture, and for numbers that are not finite.
    """
    if not isinstance(source, Tensor) or not source.is_floating_point():
        _check_name(source)
        return None if source is None else reading(source, max_pixels)
    if source.ndim != 3 or source.shape[0] != 3 or 0 in source.shape:
        raise ImageError(f"init: tensor {tuple(source.shape)}; expected (3, h, w)")
    canvas = source.detach().cpu()
    if not torch.isfinite(canvas).all():
        raise ImageError("init: has values that are not finite; expected numbers")
    return canvas


def _check_name(source: Source | None) -> None:
    """SettingsError for text that is neither a file nor looks like one."""
    if not isinstance(source, str) or {".", "/", os.sep, ":"} & {*source}:
        return
    if not os.path.lexists(source):
        names = ", ".join(INITS.names())
        raise SettingsError(
            f"init is {printable(source)[:100]!r}; expected one of {names}, or a picture file"
        )


def role_of(index: int) -> str:
    """What a run's record calls its style pictures, counted from 0."""
    return "style" if index == 0 else f"style {index + 1}"


def identity(source: Source) -> dict[str, Any]:
    """Name and SHA-256 of a file or bytes; the type of anything else."""
    source = located(source)
    if isinstance(source, Encoded):
        return {"name": source.name, "sha256": source.sha256}
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            return {"name": path.name, "sha256": file_checksum(path)}
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}; it was there a moment ago") from error
    return {"name": type(source).__name__}


def _several(sources: Source | Sequence[Source] | None) -> tuple[Source, ...]:
    if isinstance(sources, (list, tuple)):
        return tuple(map(held, sources))
    return () if sources is None else (held(sources),)


def _pictures_in(style: Source) -> Sequence[Source]:
    """The pictures that a folder holds; a picture alone."""
    place = located(style)
    if not isinstance(place, (str, os.PathLike)) or not os.path.isdir(place):  # noqa: PTH112 (Path.is_dir raises for a name that is too long)
        return [style]
    return pictures_in(place)

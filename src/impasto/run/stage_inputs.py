"""The pictures and masks of one stage, at its size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from impasto.errors import SettingsError
from impasto.objective.strips import Strip
from impasto.run.regions import Region

__all__ = ["StageInputs"]


@dataclass(frozen=True, eq=False)
class StageInputs:
    """What a canvas of `size` (w, h) is compared with; either kind of picture may be absent.

    Attributes:
        content: (3, h, w), sRGB in [0, 1], in the colours compared.
        styles: (3, h', w') each, the same.
        regions: which style goes where; masks have the sizes of their pictures.
        original: content in its own colours, where they or parts of it are kept.
        protect: (h, w) in [0, 1], 1 where content stays as it is.
        alpha: (h, w) in [0, 1], the content's own; None if it is opaque.
        strip: the rows of a process that shares the canvas, else None: content and the masks of
            regions are those it holds, `original` and `protect` its own.
        style_strips: of each style picture, and of its masks; None where it is whole.
        whole: content with all its rows, where a term has to see them.
    """

    size: tuple[int, int]
    content: Tensor | None
    styles: tuple[Tensor, ...] = ()
    regions: tuple[Region[Tensor], ...] = ()
    original: Tensor | None = None
    protect: Tensor | None = None
    alpha: Tensor | None = None
    strip: Strip | None = None
    style_strips: tuple[Strip | None, ...] = ()
    whole: Tensor | None = None

    def divided(self, strip: Strip, style_strips: tuple[Strip | None, ...]) -> StageInputs:
        """The part of a process that shares the canvas; planes that are rows already stay."""

        def part(index: int, planes: Tensor | None) -> Tensor | None:
            return planes if style_strips[index] is None else _held(planes, style_strips[index])

        def region(whole: Region[Tensor]) -> Region[Tensor]:
            parts = (replace(p, where=part(p.index, p.where)) for p in whole.parts)
            return Region(tuple(parts), _held(whole.where, strip))

        styles = (part(n, style) for n, style in enumerate(self.styles))
        return replace(
            self,
            content=_held(self.content, strip),
            styles=tuple(style for style in styles if style is not None),
            regions=tuple(map(region, self.regions)),
            original=_owned(self.original, strip),
            protect=_owned(self.protect, strip),
            alpha=None,
            strip=strip,
            style_strips=style_strips,
        )

    def own(self, planes: Tensor) -> Tensor:
        """A process's own rows of the planes (..., h, w) of the canvas that it holds."""
        return planes if self.strip is None else _own(planes, self.strip)

    def own_of_style(self, index: int, planes: Tensor) -> Tensor:
        """A process's own rows of the planes of a style picture: all rows of one that is whole."""
        strip = self.style_strips[index] if self.style_strips else None
        return planes if strip is None else _own(planes, strip)

    def to(self, device: torch.device, dtype: torch.dtype) -> StageInputs:
        """The same on a device, but for alpha, which is not computed with."""

        def moved(picture: Tensor | None) -> Tensor | None:
            return picture if picture is None else picture.to(device, dtype)

        return replace(
            self,
            content=moved(self.content),
            styles=tuple(style.to(device, dtype) for style in self.styles),
            regions=tuple(region.mapped(moved) for region in self.regions),
            original=moved(self.original),
            protect=moved(self.protect),
            whole=moved(self.whole),
        )

    @property
    def like(self) -> Tensor:
        """One of the pictures, of whose type and device the canvas is."""
        return self.styles[0] if self.content is None else self.content

    def given(self, role: str, init: str) -> Tensor:
        """The picture of that role; SettingsError if it is absent and `init` needs it."""
        pictures = (self.content,) if role == "content" else self.styles[:1]
        if not pictures or pictures[0] is None:
            raise SettingsError(f"init is {init!r}, but there is no {role} picture; use noise")
        return pictures[0]


def _held(planes: Tensor | None, strip: Strip | None) -> Tensor | None:
    """The rows that a strip holds of planes (..., h, w), unless it is these that are given."""
    if planes is None or strip is None or planes.shape[-2] == strip.bottom - strip.top:
        return planes
    return strip.of(planes)


def _owned(planes: Tensor | None, strip: Strip) -> Tensor | None:
    """The rows of its own, of planes (..., h, w) that are whole or those it holds."""
    if planes is None:
        return None
    whole = planes.shape[-2] == strip.height
    return strip.owned(planes) if whole else _own(planes, strip).clone()


def _own(planes: Tensor, strip: Strip) -> Tensor:
    return planes[..., strip.above : strip.above + strip.rows, :]

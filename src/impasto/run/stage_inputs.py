"""The pictures and masks of one stage, at its size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from impasto.errors import SettingsError
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
    """

    size: tuple[int, int]
    content: Tensor | None
    styles: tuple[Tensor, ...] = ()
    regions: tuple[Region, ...] = ()
    original: Tensor | None = None
    protect: Tensor | None = None
    alpha: Tensor | None = None

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

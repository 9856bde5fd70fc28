"""From a canvas to the picture shown of it: tones, colours, effect, protected pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from impasto.images.effects.base import applied, needs_content
from impasto.run.colour_modes import colour_mode
from impasto.settings import Settings
from impasto.settings.variants import EFFECTS

__all__ = ["TONES", "Postprocess", "effect_needs_content"]

Size = tuple[int, int]


def clipped(rgb: Tensor) -> Tensor:
    """(3, h, w): values below 0 and above 1 become these."""
    return rgb.clamp(0, 1)


def stretched(rgb: Tensor) -> Tensor:
    """(3, h, w): minimum to 0, maximum to 1, over all channels; mid-grey if all are equal."""
    low, high = rgb.aminmax()
    return (rgb - low) / (high - low) if high > low else torch.full_like(rgb, 0.5)


TONES: dict[str, Callable[[Tensor], Tensor]] = {"clip": clipped, "stretch": stretched}
"""Canvas (3, h, w), sRGB, unbounded -> [0, 1]."""


def effect_needs_content(settings: Settings) -> bool:
    """Whether the effect that the settings choose looks at the content picture."""
    return needs_content(EFFECTS.get(settings.finish))


@dataclass(frozen=True, eq=False)
class Postprocess:
    """A function from canvases to pictures, as data: it can be sent to another process.

    `content` is (3, h, w) in [0, 1] in its own colours, where they or parts of it are kept, or the
    effect looks at it; `protect` (h, w) in [0, 1] is 1 where content stays as it is. Without
    settings a canvas is clipped to what is visible.
    """

    settings: Settings | None = None
    content: Tensor | None = None
    protect: Tensor | None = None
    _small: dict[Size, Postprocess] = field(default_factory=dict, repr=False)

    def __call__(self, rgb: Tensor) -> Tensor:
        """Of a canvas's sRGB (3, h, w), unbounded, the picture (3, h, w) in [0, 1]."""
        s, content = self.settings, self.content
        if s is None:
            return clipped(rgb)
        mode = colour_mode(s)
        picture = mode.finish(TONES[s.tones](mode.show(rgb, s)), content, s)
        picture = applied(EFFECTS.get(s.finish), picture, s.finish_strength, content, s.wraps)
        if self.protect is not None and content is not None:
            picture = picture.lerp(content, self.protect)
        return picture

    @property
    def pointwise(self) -> bool:
        """Whether each pixel of a picture depends on that of the canvas alone."""
        s = self.settings
        if s is None:
            return True
        return s.tones == "clip" and s.finish == "none" and colour_mode(s).pointwise

    def rows(self, rows: slice) -> Postprocess:
        """The same for these rows of the pictures that it has, where it is `pointwise`."""
        content = None if self.content is None else self.content[:, rows]
        protect = None if self.protect is None else self.protect[rows]
        return replace(self, content=content, protect=protect, _small={})

    def at(self, size: Size) -> Postprocess:
        """The same for canvases of the smaller size (w, h); its pictures are shrunk once."""
        if size not in self._small:
            self._small.clear()  # one preview's size at a time
            content, protect = (_shrunk(x, size) for x in (self.content, self.protect))
            self._small[size] = replace(self, content=content, protect=protect, _small={})
        return self._small[size]

    def __getstate__(self) -> dict[str, Any]:
        """Without the shrunk copies, which can be made again."""
        return {**self.__dict__, "_small": {}}


def _shrunk(plane: Tensor | None, size: Size) -> Tensor | None:
    """(…, h, w) at the smaller size (w, h), by the mean of the pixels beneath."""
    if plane is None:
        return None
    planes = plane.view(1, -1, *plane.shape[-2:])
    small = interpolate(planes, size=size[::-1], mode="area")
    return small.view(*plane.shape[:-2], *small.shape[-2:])

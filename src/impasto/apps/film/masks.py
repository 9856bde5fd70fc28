"""Masks of a film: a picture that holds for every frame, or one picture for each frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from impasto.apps.film.clip import Clip, Frame
from impasto.apps.film.pictures import ANIMATIONS
from impasto.errors import ExtraMissing, ImageError, SettingsError, shown
from impasto.images import Picture, Source, read
from impasto.images.levels import planes
from impasto.images.names import located

__all__ = ["MovingMask", "mask_of"]


@dataclass(eq=False)
class MovingMask:
    """A mask for each frame of a film, read in order; going back reads from there again."""

    clip: Clip
    _ahead: Iterator[Frame] = field(default_factory=lambda: iter(()), repr=False)
    _next: int = -1
    _last: Picture | None = None

    def at(self, index: int) -> Picture:
        """The mask of a frame; ImageError where the file ends before it."""
        if index == self._next - 1 and self._last is not None:
            return self._last
        if index != self._next:
            self._ahead = self.clip.frames(index)
        frame = next(self._ahead, None)
        if frame is None:
            raise ImageError(f"{shown(self.clip.path)}: no mask for frame {index}")
        self._next, self._last = index + 1, Picture(planes(np.ascontiguousarray(frame.pixels)))
        return self._last


def mask_of(mask: Source | MovingMask, frames: int, max_pixels: int) -> Source | MovingMask:
    """What was given as a mask: a moving one if it is a film, an animation or a folder.

    Transparent parts are black. Raises ImageError for what is neither picture nor film, and
    SettingsError for a film of another number of `frames` than the clip.
    """
    if not isinstance(mask, (str, os.PathLike)):
        return mask
    clip = _film(Path(os.fsdecode(located(mask))), max_pixels)
    if clip is None:
        return mask
    if clip.count != frames:
        raise SettingsError(
            f"{shown(clip.path)}: {clip.count} masks for the clip's {frames} frames; expected one "
            f"for each, or one picture for all"
        )
    return MovingMask(clip)


def _film(path: Path, max_pixels: int) -> Clip | None:
    """The path as a film; None for a picture. ImageError for what is neither."""
    if path.is_dir():
        return Clip.open(path, None, max_pixels, ground=0)
    if path.suffix.lower() in ANIMATIONS:
        clip = Clip.open(path, None, max_pixels, ground=0)
        return clip if clip.count > 1 else None
    try:
        read(path, max_pixels)
    except ImageError as no_picture:
        try:
            return Clip.open(path, None, max_pixels)
        except (ImageError, ExtraMissing):
            raise no_picture from None
    return None

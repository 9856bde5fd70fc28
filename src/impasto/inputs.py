"""The pictures a run starts from: read, brought to size, checked, and remembered by checksum."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto import samples
from impasto.canvas import INITS
from impasto.encoder import architecture
from impasto.errors import ImageError, ImageTooLarge, ImageTooSmall
from impasto.images import Picture, Source, fit, read
from impasto.memory import memory_guard
from impasto.settings import Settings

__all__ = ["Inputs"]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Photograph and painting at the sizes that the settings ask for, and where they came from.

    `origins` has name, SHA-256 and size in use of each file, for the record.
    """

    content: Picture
    style: Picture
    origins: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, content: Source, style: Source, settings: Settings, max_pixels: int) -> Inputs:
        """Read both; ImageError, ImageTooLarge or ImageTooSmall if one does not do."""
        content, style = samples.found(content), samples.found(style)
        with memory_guard("these pictures at this size"):
            photograph, painting = read(content, max_pixels), read(style, max_pixels)
            longest = settings.size or max(photograph.size)
            photograph = _fitted(photograph, longest, max_pixels)
            longest = max(1, round(longest * settings.style_scale))
            painting = _fitted(painting, longest, max_pixels)
        _check_size("content", photograph, settings)
        _check_size("style", painting, settings)
        origins = {
            "content": {**_identity(content), "size": photograph.size},
            "style": {**_identity(style), "size": painting.size},
        }
        if settings.init not in INITS and Path(samples.found(settings.init)).is_file():
            origins["init"] = _identity(samples.found(settings.init))
        return cls(photograph, painting, origins)


def _check_size(role: str, picture: Picture, settings: Settings) -> None:
    """A picture leaves a position at every tap it is measured at; ImageTooSmall if not."""
    taps = list(settings.style_layers) if settings.style_weight else []
    if role == "content" and settings.content_weight:
        taps += settings.content_layers
    if not taps:
        return
    net = architecture(settings.encoder)
    least = net.least_side(taps)
    if min(picture.size) < least:
        raise ImageTooSmall(
            f"the {role} image is {picture.width}x{picture.height} px at this size, but "
            f"{net.deepest(taps)} needs at least {least} px a side; raise --size"
            f"{' or --style-scale' if role == 'style' else ''}, or use shallower layers"
        )


def _fitted(picture: Picture, longest: int, max_pixels: int) -> Picture:
    """The picture at a longest side of `longest` px; ImageTooLarge rather than a vain attempt."""
    scale = longest / max(picture.size)
    pixels = round(picture.width * scale * picture.height * scale)
    if pixels > max_pixels:
        raise ImageTooLarge(
            f"a longest side of {longest} px gives {pixels} pixels, and the limit is {max_pixels}; "
            f"lower --size or --style-scale, or raise --max-pixels"
        )
    return fit(picture, longest)


def _identity(source: Source) -> dict[str, Any]:
    """Name and SHA-256 of a file; the type of anything else."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}; it was there a moment ago") from error
    return {"name": type(source).__name__}

"""The styles that a run was given: pictures, several of them, folders of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.errors import ImageError
from impasto.images import Picture, Source, read, samples
from impasto.images.checksums import file_checksum
from impasto.images.decode import endings, shown

__all__ = ["Painting", "identity", "listed", "paintings_of", "role_of"]


@dataclass(frozen=True, eq=False)
class Painting:
    """A style picture as it was read; `style` is the number of the style it belongs to."""

    picture: Picture
    style: int
    origin: dict[str, Any]


def listed(style: Source | Sequence[Source] | None) -> list[Source]:
    """The styles that were given."""
    if style is None:
        return []
    return [*style] if isinstance(style, (list, tuple)) else [style]  # type: ignore[list-item]


def paintings_of(styles: Sequence[Source], max_pixels: int) -> Iterator[Painting]:
    """The pictures of each style, those of a folder in the order of their names."""
    for number, style in enumerate(styles):
        for source in _pictures_in(style):
            source = samples.found(source)
            picture = read(source, max_pixels)
            if picture.alpha is not None and not picture.alpha.any():
                raise ImageError("a style image is transparent all over; expected one with colours")
            yield Painting(picture, number, identity(source))


def _pictures_in(style: Source) -> Sequence[Source]:
    """The pictures that a folder holds; a picture alone."""
    if not isinstance(style, (str, os.PathLike)) or not os.path.isdir(style):  # noqa: PTH112
        return [style]
    found = [path for path in sorted(Path(style).iterdir()) if path.suffix.lower() in endings()]
    if not found:
        raise ImageError(f"{shown(style)}: a folder without pictures; expected some, or a picture")
    return found


def role_of(number: int) -> str:
    """What a run's record calls its paintings, counted from 0."""
    return "style" if number == 0 else f"style {number + 1}"


def identity(source: Source) -> dict[str, Any]:
    """Name and SHA-256 of a file; the type of anything else."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            return {"name": path.name, "sha256": file_checksum(path)}
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}; it was there a moment ago") from error
    return {"name": type(source).__name__}

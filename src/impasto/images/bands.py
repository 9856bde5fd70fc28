"""Bands of rows of a Pillow image: its conversions take memory for a band only."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

__all__ = ["bands"]

PIXELS = 1 << 20  # of a band


def bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Rows of a loaded image and the part that they are, from the top."""
    step = max(1, PIXELS // image.width)
    for top in range(0, image.height, step):
        bottom = min(top + step, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))

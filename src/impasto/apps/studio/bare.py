"""Pictures without anything that tells where they come from: a task of the darkroom."""

from __future__ import annotations

import io

from impasto.images import MAX_PIXELS, read, resize

__all__ = ["bare"]

LONGEST = 2048  # pixels


def bare(path: str) -> bytes:
    """WebP without loss and without records, at most 2048 px a side, of a picture's pixels.

    Raises ImageError for a file that is none.
    """
    picture = read(path, MAX_PIXELS)
    factor = LONGEST / max(picture.size)
    if factor < 1:
        width, height = (max(1, round(side * factor)) for side in picture.size)
        picture = resize(picture, (width, height))
    file = io.BytesIO()
    image = picture.pil().convert("RGB")
    image.info.clear()
    image.save(file, "WEBP", lossless=True, quality=20, method=0)
    return file.getvalue()

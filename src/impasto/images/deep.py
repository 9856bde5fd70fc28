"""Channels deeper than 8 bits: Pillow decodes grey ones; of 16-bit RGB it keeps the upper half."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from impasto.errors import ImageError
from impasto.images.arrays import check_range, unit

__all__ = ["deep_channels"]

# TIFF's tags, and values in them
BITS, PHOTOMETRIC, PLANES, EXTRA_SAMPLES = 258, 262, 284, 338
WHITE_IS_ZERO, SEPARATE, PREMULTIPLIED = 0, 2, (1,)
# Bytes of PNG's header, and a value of the second
PNG_DEPTH, PNG_COLOUR, GREY_ALPHA = 24, 25, 4
PNG_END = b"IEND\xaeB`\x82"  # its last chunk, with the checksum


def deep_channels(image: Image.Image, encoded: bytes = b"") -> np.ndarray | None:
    """(h, w, c) float32 in [0, 1] of more than 8 bits a channel, c = 1 grey, 2 with alpha, 3, 4.

    `image` is loaded, and `encoded` its file. None where Pillow's 8 bits are to be used: there is
    no more, or it is CMYK, or OpenCV does not understand the file. Raises ImageError for numbers
    out of range, and for 16-bit TIFF in separate planes.
    """
    if image.mode in GREYS or image.mode.startswith("I;16"):
        return GREYS.get(image.mode, _grey)(image)
    if image.format == "PNG" and encoded[PNG_DEPTH : PNG_DEPTH + 1] == b"\x10":
        return _png(encoded)
    if image.format == "TIFF" and image.mode in ("RGB", "RGBA") and _tags(image)[BITS][0] == 16:
        return _tiff(image, encoded) if encoded else None
    return None


def _grey(image: Image.Image) -> np.ndarray:
    levels = np.asarray(image)[..., None]  # (h, w, 1) of either byte order
    top = (1 << _tags(image).get(BITS, (16,))[0]) - 1  # TIFF may have 12 bits
    values: np.ndarray = levels.astype(np.float32) / np.float32(top)
    if _tags(image).get(PHOTOMETRIC) == WHITE_IS_ZERO:
        values = 1 - values
    if "transparency" in image.info:
        opaque = levels != image.info["transparency"]
        values = np.concatenate([values, opaque.astype(np.float32)], -1)
    return values


def _int32(image: Image.Image) -> np.ndarray:
    """Pillow's I: 32-bit integers, which in practice carry 16-bit values."""
    values = np.asarray(image)[..., None]
    if values.min() < 0 or values.max() > 65535:
        span = f"{values.min()} to {values.max()}"
        raise ImageError(f"32-bit integer pixels from {span}; expected 0 to 65535")
    return unit(values.astype(np.uint16))


def _float(image: Image.Image) -> np.ndarray:
    values = np.asarray(image)[..., None]
    check_range(values, "float pixels")
    return values.clip(0, 1)


GREYS = {"I": _int32, "F": _float}


def _png(encoded: bytes) -> np.ndarray | None:
    if PNG_END not in encoded:
        raise ImageError("truncated PNG (it ends before its IEND chunk); expected a complete file")
    # Pillow checks what OpenCV's libpng would report on stderr; it leaves checksums to verify().
    Image.open(io.BytesIO(encoded), formats=["PNG"]).verify()
    values = _opencv(encoded)
    if values is not None and encoded[PNG_COLOUR] == GREY_ALPHA:
        return values[..., [0, 3]]
    return values


def _tiff(image: Image.Image, encoded: bytes) -> np.ndarray | None:
    """16-bit RGB; OpenCV turns it upright by its orientation tag, as Pillow has done."""
    tags = _tags(image)
    if tags.get(PLANES) == SEPARATE:
        raise ImageError("16-bit TIFF in separate planes; save it with interleaved channels")
    values = _opencv(encoded)
    if values is None or values.shape[:2] != image.size[::-1]:
        return None
    if tags.get(EXTRA_SAMPLES) == PREMULTIPLIED:
        values[..., :3] /= np.maximum(values[..., 3:], 1 / 65535)
    return values[..., : len(image.mode)].clip(0, 1)  # without a sample of unstated meaning


def _opencv(encoded: bytes) -> np.ndarray | None:
    """(h, w, 1, 3 or 4) in [0, 1], RGB, or None where OpenCV cannot."""
    import cv2

    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        bgr: Any = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)
    if bgr is None or bgr.dtype != np.uint16:
        return None
    return unit(bgr[..., [2, 1, 0, 3][: bgr.shape[2]]] if bgr.ndim == 3 else bgr[..., None])


def _tags(image: Image.Image) -> Mapping[int, Any]:
    """TIFF's tags, none for others."""
    return getattr(image, "tag_v2", {})

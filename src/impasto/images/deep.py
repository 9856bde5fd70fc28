"""Channels deeper than 8 bits: Pillow decodes grey ones; of 16-bit RGB it keeps the upper half."""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from impasto.errors import ImageError
from impasto.images.arrays import check_range
from impasto.images.bands import bands
from impasto.images.complete import critical_png

__all__ = ["deep_levels", "has_deep_colours"]

# TIFF's tags, and values in them
BITS, PHOTOMETRIC, PLANES, EXTRA_SAMPLES = 258, 262, 284, 338
WHITE_IS_ZERO, SEPARATE, PREMULTIPLIED = 0, 2, (1,)
TOP = np.float32(65535)

_SILENT = 0  # of OpenCV's levels of logging


def deep_levels(image: Image.Image, stream: BinaryIO | None) -> np.ndarray | None:
    """Levels (h, w, 1 to 4), uint16 or float32 in [0, 1], of more than 8 bits; 2 and 4 have alpha.

    `image` is opened, and `stream` its file; without one, RGB has no more than Pillow's 8 bits.
    None where these are to be used: there are no more, or it is CMYK, or OpenCV does not understand
    the file. A TIFF file's image is upright after that. Raises ImageError for numbers out of range,
    and for 16-bit TIFF in separate planes.
    """
    if image.mode in GREYS or image.mode.startswith("I;16"):
        return GREYS.get(image.mode, _grey)(image)
    if stream is None or not has_deep_colours(image, stream):
        return None
    return _png(image, stream) if image.format == "PNG" else _tiff(image, stream)


def has_deep_colours(image: Image.Image, stream: BinaryIO) -> bool:
    """Whether an opened image has 16 bits that Pillow does not decode: a PNG's, or a TIFF's RGB."""
    if image.format == "PNG":
        return not image.mode.startswith("I") and _png_depth(stream) == 16
    return image.format == "TIFF" and image.mode in ("RGB", "RGBA") and _tags(image)[BITS][0] == 16


def _grey(image: Image.Image) -> np.ndarray:
    top = (1 << _tags(image).get(BITS, (16,))[0]) - 1  # TIFF may have 12 bits
    inverted = _tags(image).get(PHOTOMETRIC) == WHITE_IS_ZERO
    clear = image.info.get("transparency")

    def values(part: Image.Image) -> np.ndarray:
        levels = np.asarray(part).astype(np.uint16)  # of either byte order
        shade = levels if top == TOP else levels.astype(np.float32) / np.float32(top)
        shade = (TOP if top == TOP else np.float32(1)) - shade if inverted else shade
        if clear is None:
            return shade[..., None]
        opaque = np.where(levels == clear, 0, TOP if top == TOP else np.float32(1))
        return np.stack([shade, opaque], -1)

    kind = np.uint16 if top == TOP else np.float32
    return _collected(image, values, 1 if clear is None else 2, kind)


def _int32(image: Image.Image) -> np.ndarray:
    """Pillow's I: 32-bit integers, which in practice carry 16-bit values."""

    def values(part: Image.Image) -> np.ndarray:
        levels = np.asarray(part)[..., None]
        if levels.min() < 0 or levels.max() > TOP:
            span = f"{levels.min()} to {levels.max()}"
            raise ImageError(f"32-bit integer pixels from {span}; expected 0 to 65535")
        return levels

    return _collected(image, values, 1, np.uint16)


def _float(image: Image.Image) -> np.ndarray:
    def values(part: Image.Image) -> np.ndarray:
        levels = np.asarray(part)[..., None]
        check_range(levels, "float pixels")
        return levels.clip(0, 1)

    return _collected(image, values, 1, np.float32)


GREYS = {"I": _int32, "F": _float}


def _collected(
    image: Image.Image, values: Callable[[Image.Image], np.ndarray], channels: int, kind: type
) -> np.ndarray:
    """What `values` makes of each band, (h, w, channels) of that kind."""
    image.load()
    levels: np.ndarray = np.empty((image.height, image.width, channels), kind)
    for rows, part in bands(image):
        levels[rows] = values(part)
    return levels


def _png_depth(stream: BinaryIO) -> int:
    """Bits of a channel, by the file's header."""
    place = stream.tell()
    stream.seek(24)
    depth = stream.read(1)
    stream.seek(place)
    return depth[0] if depth else 0


def _png(image: Image.Image, stream: BinaryIO) -> np.ndarray | None:
    encoded, exif = critical_png(stream)
    grey = image.mode in ("LA", "L")
    image.info.setdefault("exif", exif)  # else Pillow would decode the pixels to look for it
    levels = _opencv(np.frombuffer(encoded, np.uint8))
    return levels[..., ::3] if levels is not None and levels.shape[2] == 4 and grey else levels


def _tiff(image: Image.Image, stream: BinaryIO) -> np.ndarray | None:
    """16-bit RGB; OpenCV turns it upright by its orientation tag, as Pillow does."""
    tags = dict(_tags(image))
    if tags.get(PLANES) == SEPARATE:
        raise ImageError("16-bit TIFF in separate planes; save it with interleaved channels")
    levels: np.ndarray | None
    channels = len(image.mode)
    image.load()  # which fails for a truncated file
    levels = _opencv(np.frombuffer(_mapped(stream), np.uint8))
    if levels is None or levels.shape[:2] != image.size[::-1] or levels.shape[2] < channels:
        return None
    if tags.get(EXTRA_SAMPLES) == PREMULTIPLIED:
        for first in range(0, len(levels), ROWS):
            _divide(levels[first : first + ROWS])
    return levels[..., :channels]  # without a sample of unstated meaning


def _mapped(stream: BinaryIO) -> mmap.mmap | bytes:
    """All bytes of a stream, without a copy where it is a file.

    Memory is unmapped with its last view: to close it would fail while an error holds one.
    """
    try:
        number = stream.fileno()
    except io.UnsupportedOperation:  # bytes in memory
        stream.seek(0)
        return stream.read()
    return mmap.mmap(number, 0, access=mmap.ACCESS_READ)


ROWS = 64  # at a time, where floats are needed


def _divide(levels: np.ndarray) -> None:
    """Divide colours by alpha, in place: (n, w, 4) uint16."""
    straight = levels[..., :3] / np.maximum(levels[..., 3:], 1).astype(np.float32)
    levels[..., :3] = np.rint(straight * TOP).clip(0, TOP)


def _opencv(encoded: np.ndarray) -> np.ndarray | None:
    """(h, w, 1, 3 or 4) uint16, RGB, or None where OpenCV cannot; MemoryError for lack of it."""
    import cv2

    # what OpenCV 4.13 moved there
    logging: Any = getattr(cv2.utils, "logging", cv2)
    level = logging.setLogLevel(_SILENT)
    try:
        bgr: Any = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from error
        return None
    finally:
        logging.setLogLevel(level)
    if bgr is None or bgr.dtype != np.uint16:
        return None
    levels: np.ndarray = bgr if bgr.ndim == 3 else bgr[..., None]
    if levels.shape[2] >= 3:
        for first in range(0, len(levels), ROWS):
            band = levels[first : first + ROWS]
            band[..., [0, 2]] = band[..., [2, 0]]
    return levels


def _tags(image: Image.Image) -> Mapping[int, Any]:
    """TIFF's tags, none for others."""
    return getattr(image, "tag_v2", {})

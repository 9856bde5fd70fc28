"""Integer levels to files: formats, and what is embedded in them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from impasto.errors import OutputError, shown
from impasto.images.atomic import AtomicFile, check_place
from impasto.images.icc import srgb_profile
from impasto.images.record import MAX_RECORD, SOFTWARE, exif_bytes

__all__ = ["FORMATS", "Format", "check_writable", "write_levels"]

Encode = Callable[[np.ndarray, "str | None", int], bytes]  # (h, w, c) levels, record, quality

JPEG_EXIF = 65_000  # bytes of EXIF that fit into JPEG's one segment


@dataclass(frozen=True)
class Format:
    """A kind of file: its encoder, the longest side in pixels, the bits per channel it holds."""

    name: str
    encode: Encode
    longest: int
    depths: tuple[int, ...] = (8,)


def _pillow(
    levels: np.ndarray, record: str | None, quality: int, *, kind: str, **options: str | int
) -> bytes:
    stream = io.BytesIO()
    embedded = {"icc_profile": srgb_profile(), "exif": exif_bytes(record)}
    Image.fromarray(levels).save(stream, kind, quality=quality, **embedded, **options)
    return stream.getvalue()


def _jpeg(levels: np.ndarray, record: str | None, quality: int) -> bytes:
    """4:4:4; over white where transparent; without the record where it does not fit."""
    if levels.shape[2] == 4:
        colours, opacity = levels[..., :3].astype(np.float32), levels[..., 3:] / np.float32(255)
        levels = np.rint(255 + (colours - 255) * opacity).astype(np.uint8)
    if len(exif_bytes(record)) > JPEG_EXIF:
        record = None
    return _pillow(levels, record, quality, kind="JPEG", subsampling=0)


def _png(levels: np.ndarray, record: str | None, quality: int) -> bytes:
    """Pillow for 8 bits; OpenCV for 16, with profile and EXIF put in behind the header."""
    if levels.dtype == np.uint8:
        return _pillow(levels, record, quality, kind="PNG")
    import cv2

    bgr = np.ascontiguousarray(levels[..., [2, 1, 0, 3][: levels.shape[2]]])
    # runs alone: the low bytes of 16 bits do not repeat, and a search for them takes twice as long
    how = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    plain = cv2.imencode(".png", bgr, how)[1].tobytes()
    profile = _chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile()))
    exif = _chunk(b"eXIf", exif_bytes(record).removeprefix(b"Exif\0\0"))
    header = 33  # bytes of signature and IHDR
    return plain[:header] + profile + exif + plain[header:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _tiff(levels: np.ndarray, record: str | None, quality: int) -> bytes:
    """Deflate, which is exact: `quality` has no meaning here, nor for PNG."""
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        levels,
        photometric="rgb",
        compression="zlib",
        predictor=True,
        extrasamples=["unassalpha"] if levels.shape[2] == 4 else None,
        description=record.encode() if record else None,
        software=SOFTWARE,
        iccprofile=srgb_profile(),
        metadata=None,
    )
    return stream.getvalue()


JPEG = Format("JPEG", _jpeg, 65_500)
PNG = Format("PNG", _png, 2**31 - 1, (8, 16))
WEBP = Format("WebP", partial(_pillow, kind="WEBP"), 16_383)
TIFF = Format("TIFF", _tiff, 2**31 - 1, (8, 16))
AVIF = Format("AVIF", partial(_pillow, kind="AVIF", subsampling="4:4:4"), 32_768)

FORMATS = {
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".png": PNG,
    ".webp": WEBP,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".avif": AVIF,
}


def check_writable(
    path: str | os.PathLike[str],
    bits: int = 8,
    quality: int = 95,
    size: tuple[int, int] | None = None,
) -> None:
    """Raise OutputError if a picture cannot be written so to `path`, before any work is done.

    `size` is (width, height) in pixels, if it is known already.
    """
    _format(path, bits, quality, size or (1, 1))


def write_levels(
    levels: np.ndarray,
    path: str | os.PathLike[str],
    *,
    record: str | None = None,
    quality: int = 95,
) -> None:
    """Write levels (h, w, 3 or 4), uint8 or uint16 sRGB; see `Picture.save`.

    Raises OutputError where they cannot be written.
    """
    size = (levels.shape[1], levels.shape[0])
    chosen = _format(path, 8 * levels.itemsize, quality, size)
    record = record if len(record or "") <= MAX_RECORD else None
    try:
        encoded = chosen.encode(levels, record, quality)
    except (OSError, ValueError, MemoryError) as error:
        raise OutputError(f"{shown(path)}: cannot encode as {chosen.name} ({error})") from error
    with AtomicFile(path) as file:
        file.write_bytes(encoded)


def _format(path: str | os.PathLike[str], bits: int, quality: int, size: tuple[int, int]) -> Format:
    """The format that the path's ending names, with which such a picture can be written there."""
    chosen, name = FORMATS[check_place(path, FORMATS)], shown(path)
    if bits not in chosen.depths:
        deep = ", ".join(ending for ending, kind in FORMATS.items() if bits in kind.depths)
        raise OutputError(
            f"{name}: {chosen.name} holds {' or '.join(map(str, chosen.depths))} bits a channel, "
            f"not {bits}" + (f"; choose a name ending in {deep}" if deep else "")
        )
    if not 1 <= quality <= 100:
        raise OutputError(f"{name}: quality is {quality}; expected 1 to 100")
    if max(size) > chosen.longest:
        raise OutputError(
            f"{name}: {size[0]}x{size[1]} px; {chosen.name} holds at most "
            f"{chosen.longest} px a side, .png and .tiff hold more"
        )
    return chosen

"""Integer levels to files: formats, and what is embedded in them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image

from impasto.errors import OutputError, shown
from impasto.images.atomic import AtomicFile, check_place
from impasto.images.complete import png_chunk
from impasto.images.icc import srgb_profile
from impasto.images.metadata import Metadata
from impasto.images.record import MAX_RECORD, SOFTWARE, Embedded, exif_bytes

__all__ = [
    "FORMATS",
    "Format",
    "check_encodable",
    "check_writable",
    "encoded",
    "named_format",
    "tiff_options",
    "write_levels",
    "write_stream",
]

Encode = Callable[[np.ndarray, Embedded, int], bytes]  # (h, w, c) levels, what else, quality

METRES = 0.0254  # of an inch
_BASE = ExifTags.Base
JPEG_EXIF = 65_000  # bytes of EXIF that fit into JPEG's one segment


@dataclass(frozen=True)
class Format:
    """A kind of file: its encoder, the longest side in pixels, the bits per channel it holds."""

    name: str
    encode: Encode
    longest: int
    depths: tuple[int, ...] = (8,)


def _pillow(
    levels: np.ndarray, embedded: Embedded, quality: int, *, kind: str, **options: str | int
) -> bytes:
    stream = io.BytesIO()
    beside: dict[str, Any] = {
        "icc_profile": srgb_profile(),
        "exif": exif_bytes(embedded),
        **options,
    }
    if dpi := _dpi(embedded):
        beside["dpi"] = dpi  # formats without it have it in EXIF
    Image.fromarray(levels).save(stream, kind, quality=quality, **beside)
    return stream.getvalue()


def _dpi(embedded: Embedded) -> tuple[float, float] | None:
    return embedded.metadata.dpi if embedded.metadata else None


def _jpeg(levels: np.ndarray, embedded: Embedded, quality: int) -> bytes:
    """4:4:4; over white where transparent; without the record where it does not fit."""
    if levels.shape[2] == 4:
        colours, opacity = levels[..., :3].astype(np.float32), levels[..., 3:] / np.float32(255)
        levels = np.rint(255 + (colours - 255) * opacity).astype(np.uint8)
    if len(exif_bytes(embedded)) > JPEG_EXIF:
        embedded = replace(embedded, record=None)
    return _pillow(levels, embedded, quality, kind="JPEG", subsampling=0)


def _png(levels: np.ndarray, embedded: Embedded, quality: int) -> bytes:
    """Pillow for 8 bits; OpenCV for 16, with what else there is put in behind the header."""
    if levels.dtype == np.uint8:
        return _pillow(levels, embedded, quality, kind="PNG")
    import cv2

    bgr = np.ascontiguousarray(levels[..., [2, 1, 0, 3][: levels.shape[2]]])
    # runs alone: the low bytes of 16 bits do not repeat, and a search for them takes twice as long
    how = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    plain = cv2.imencode(".png", bgr, how)[1].tobytes()
    chunks = png_chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile()))
    if dpi := _dpi(embedded):
        per_metre = (round(each / METRES) for each in dpi)
        chunks += png_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1))
    chunks += png_chunk(b"eXIf", exif_bytes(embedded).removeprefix(b"Exif\0\0"))
    header = 33  # bytes of signature and IHDR
    return plain[:header] + chunks + plain[header:]


def _tiff(levels: np.ndarray, embedded: Embedded, quality: int) -> bytes:
    """Deflate, which is exact: `quality` has no meaning here, nor for PNG.

    Time, artist and copyright are tags of the image itself, as in TIFF/EP; there is no place.
    """
    import tifffile

    stream, how = io.BytesIO(), tiff_options(levels.shape[2], embedded)
    tifffile.imwrite(stream, levels, photometric="rgb", metadata=None, **how)
    return stream.getvalue()


def tiff_options(channels: int, embedded: Embedded) -> dict[str, Any]:
    """What tifffile is told of a picture of 3 or 4 channels besides its levels."""
    facts = embedded.metadata or Metadata()
    texts = {_BASE.Artist: facts.artist, _BASE.Copyright: facts.copyright}
    texts[_BASE.DateTimeOriginal] = facts.taken
    return {
        "compression": "zlib",
        "predictor": True,
        "extrasamples": ["unassalpha"] if channels == 4 else None,
        "description": embedded.record.encode() if embedded.record else None,
        "software": SOFTWARE,
        "iccprofile": srgb_profile(),
        "extratags": [(int(t), "s", 0, text.encode(), True) for t, text in texts.items() if text],
        "resolution": facts.dpi,
        "resolutionunit": "INCH" if facts.dpi else None,
    }


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
    _check(FORMATS[check_place(path, FORMATS)], shown(path), bits, quality, size or (1, 1))


def check_encodable(
    format: str,  # noqa: A002 (as Pillow calls it)
    bits: int = 8,
    quality: int = 95,
    size: tuple[int, int] | None = None,
) -> None:
    """The same of a picture for a stream, in a format such as "png"."""
    _check(FORMATS[named_format(format)], "the picture", bits, quality, size or (1, 1))


def named_format(name: str) -> str:
    """The ending of a format, such as ".png" for "png", ".PNG" or "jpg"; OutputError if unknown."""
    ending = f".{name.lower().removeprefix('.')}"
    if ending not in FORMATS:
        known = ", ".join(each.removeprefix(".") for each in FORMATS)
        raise OutputError(f"format is {name!r}; expected one of {known}")
    return ending


def encoded(
    levels: np.ndarray,
    ending: str,
    embedded: Embedded = Embedded(),  # noqa: B008 (it is frozen)
    *,
    quality: int = 95,
    name: str = "the picture",
) -> bytes:
    """A file of levels (h, w, 3 or 4), uint8 or uint16 sRGB, in the format of a FORMATS ending.

    Raises OutputError, about `name`, where the format cannot hold them.
    """
    chosen = FORMATS[ending]
    _check(chosen, name, 8 * levels.itemsize, quality, (levels.shape[1], levels.shape[0]))
    if len(embedded.record or "") > MAX_RECORD:
        embedded = replace(embedded, record=None)
    try:
        return chosen.encode(levels, embedded, quality)
    except (OSError, ValueError, MemoryError) as error:
        raise OutputError(f"{name}: cannot encode as {chosen.name} ({error})") from error


def write_levels(
    levels: np.ndarray,
    path: str | os.PathLike[str],
    embedded: Embedded = Embedded(),  # noqa: B008 (it is frozen)
    *,
    quality: int = 95,
) -> None:
    """Write levels (h, w, 3 or 4), uint8 or uint16 sRGB; see `Picture.save`.

    Raises OutputError where they cannot be written.
    """
    ending, name = check_place(path, FORMATS), shown(path)
    data = encoded(levels, ending, embedded, quality=quality, name=name)
    with AtomicFile(path) as file:
        file.write_bytes(data)


def write_stream(data: bytes, stream: BinaryIO) -> None:
    """Write all bytes to a binary stream; OutputError where that fails."""
    name = type(stream).__name__
    if isinstance(stream, io.TextIOBase):
        raise OutputError(f"{name}: a stream of text; open it for binary writing, as by 'wb'")
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[stream.write(rest) or len(rest) :]
        stream.flush()
    except (OSError, ValueError, TypeError) as error:  # a pipe without reader, a closed stream
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{name}: {reason}; expected an open binary stream") from error


def _check(chosen: Format, name: str, bits: int, quality: int, size: tuple[int, int]) -> None:
    """OutputError unless such a picture can be written in the format."""
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

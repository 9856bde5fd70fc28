"""Formats of cameras and phones, read by libraries of the extra `photos`: HEIC, JPEG XL, raw.

A file is recognised by its content. A library is imported when the first such file is read.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from impasto.errors import ImageError, optional
from impasto.images.arrays import check_size
from impasto.images.complete import check_plausible

__all__ = ["Decoded", "Photo", "photo_of"]

_HEAD = 64  # bytes in which a format is recognised
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
_ANY_BRANDS = (b"mif1", b"msf1")  # of HEIF, and of AVIF too
_JXL = b"\0\0\0\x0cJXL \r\n\x87\n"
_JXL_CODES = b"\xff\x0a"  # without a container
_RAWS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
_TIFFS = (b"II*\0", b"MM\0*")
_SMALL, _SUBFILES, _PHOTOMETRIC, _DNG = 254, 330, 262, 50706  # TIFF's tags
_COLOUR_FILTERS = 32803  # photometric
_ENTRY, _LONG = 12, 4  # bytes of a tag; the type of 32 bits


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a library makes of a file: an image for Pillow, or levels (h, w, 3) uint16 sRGB.

    `upright` is whether the image is turned already, whatever its EXIF says. `image` of levels is
    what tells of the photograph, if anything does.
    """

    image: Image.Image | None
    levels: np.ndarray | None = None
    upright: bool = True


@dataclass(frozen=True)
class Photo:
    """A format, its decoder, and that one's memory, in that of Pillow's decoder of PNG."""

    name: str
    decoder: Callable[[BinaryIO, int], Decoded]
    cost: int

    def decode(self, stream: BinaryIO, max_pixels: int) -> Decoded:
        """The picture in a stream; ImageTooLarge where it takes the memory of a larger one."""
        return self.decoder(stream, max_pixels // self.cost)


def photo_of(stream: BinaryIO) -> Photo | None:
    """The format of a stream if it is one of these; the stream stays at its beginning."""
    stream.seek(0)
    head = stream.read(_HEAD)
    stream.seek(0)
    if head[4:8] == b"ftyp":
        brand, others = head[8:12], head[16:]
        if brand == b"crx ":
            return RAW
        heif = brand in _HEIF_BRANDS or (brand in _ANY_BRANDS and b"avi" not in others)
        return HEIF if heif else None
    if head.startswith((_JXL, _JXL_CODES)):
        return JXL
    return RAW if head.startswith(_RAWS) or _is_raw_tiff(head, stream) else None


def _is_raw_tiff(head: bytes, stream: BinaryIO) -> bool:
    """Whether a TIFF is a camera's: its first image is a small one, or as the sensor saw it.

    Pillow opens none of the latter, so the tags of the first image are read here.
    """
    if not head.startswith(_TIFFS):
        return False
    order = "<" if head.startswith(b"II") else ">"
    stream.seek(struct.unpack(f"{order}I", head[4:8])[0])
    count = struct.unpack(f"{order}H", stream.read(2).ljust(2, b"\0"))[0]
    entries = stream.read(_ENTRY * count)
    stream.seek(0)
    tags = {}
    for start in range(0, len(entries) - _ENTRY + 1, _ENTRY):
        tag, kind, _, value, _ = struct.unpack_from(f"{order}HHIHH", entries, start)
        long_ending = kind == _LONG and order == ">"
        tags[tag] = entries[start + 11] if long_ending else value
    small = tags.get(_SMALL) == 1 and _SUBFILES in tags
    return small or _DNG in tags or tags.get(_PHOTOMETRIC) == _COLOUR_FILTERS


def _heif(stream: BinaryIO, max_pixels: int) -> Decoded:
    library = optional("pillow_heif", "photos", "reading HEIC")
    found = library.open_heif(stream)
    check_size(found.size, max_pixels)
    check_plausible(found.size, stream)
    return Decoded(found.to_pillow())


def _jxl(stream: BinaryIO, max_pixels: int) -> Decoded:
    """The library decodes on opening, so the size is read from the header before."""
    library = optional("pillow_jxl.JpegXLImagePlugin", "photos", "reading JPEG XL")
    size = _jxl_size(stream)
    check_size(size, max_pixels)
    check_plausible(size, stream)
    stream.seek(0)
    image = library.JXLImageFile(stream)
    image.load()
    return Decoded(image, upright=not image.jpeg)  # a JPEG inside is turned by its own EXIF


def _raw(stream: BinaryIO, max_pixels: int) -> Decoded:
    """Demosaiced, with the camera's white balance."""
    library = optional("rawpy", "photos", "reading a camera's raw file")
    try:
        with library.imread(stream) as raw:
            check_size((raw.sizes.iwidth, raw.sizes.iheight), max_pixels)
            levels = raw.postprocess(use_camera_wb=True, output_bps=16)
    except library.LibRawError as error:
        reason = error.args[0].decode() if error.args else "unknown"
        raise ImageError(f"a raw file that LibRaw cannot read ({reason})") from error
    stream.seek(0)
    with suppress(Exception):  # Pillow knows few of these, and raises nearly anything
        return Decoded(Image.open(io.BytesIO(stream.read()), formats=["TIFF"]), levels)
    return Decoded(None, levels)


HEIF, JXL, RAW = Photo("HEIF", _heif, 3), Photo("JXL", _jxl, 3), Photo("RAW", _raw, 4)


# Width to height by the number in the header; 0: the width is written out
_RATIOS = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_LENGTHS = (9, 13, 18, 30)  # bits of a side


def _jxl_size(stream: BinaryIO) -> tuple[int, int]:
    """(width, height) by the header of a codestream (ISO/IEC 18181-1, SizeHeader)."""
    bits = int.from_bytes(_jxl_codes(stream), "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    take(16)  # the signature
    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take(_LENGTHS[take(2)]) + 1

    height = side()
    across, down = _RATIOS[take(3)]
    return (height * across // down if across else side()), height


def _jxl_codes(stream: BinaryIO) -> bytes:
    """The beginning of the codestream, alone or in the boxes of a container."""
    stream.seek(0)
    head = stream.read(len(_JXL))
    if head != _JXL:
        return head + stream.read(_HEAD)
    for _ in range(_HEAD):
        length, kind = int.from_bytes(stream.read(4), "big"), stream.read(4)
        used = 8
        if length == 1:
            length, used = int.from_bytes(stream.read(8), "big"), 16
        if kind in (b"jxlc", b"jxlp"):
            stream.seek(4 if kind == b"jxlp" else 0, io.SEEK_CUR)
            return stream.read(_HEAD)
        if length < used:
            break
        stream.seek(length - used, io.SEEK_CUR)
    raise ImageError("damaged JPEG XL (no picture in its container); expected a complete file")

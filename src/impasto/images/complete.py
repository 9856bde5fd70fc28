"""Whether a file can hold the pixels that it declares: checked before anything is decoded.

Decoders fill what is missing with black or grey, and take memory and time for all that is declared.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image

from impasto.errors import ImageError

__all__ = ["check_complete", "check_plausible", "critical_png", "png_chunk"]

MAX_SCANS = 100  # of a JPEG; common encoders write 1 to 10
MAX_SCANNED = 4_000_000_000  # pixels times scans
PLAUSIBLE = 16_000_000  # pixels, above which formats that repeat a colour need a byte …
PIXELS_PER_BYTE = 10_000  # … for so many
MAX_CHUNKS = 1_000_000  # of a PNG
PIECE = 1 << 20  # bytes read or inflated at a time
COMPLETE = "expected a complete file"

# Seven passes of an interlaced PNG: first column, first row, columns apart, rows apart
PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # channels by PNG's colour type
TRANSPARENT = {0: 2, 2: 6}  # bytes of tRNS by colour type, where 16 bits may have one


def check_complete(image: Image.Image, stream: BinaryIO) -> None:
    """Raise ImageError where the file of an opened image cannot hold it, or takes too long."""
    place = stream.tell()
    try:
        if image.format == "PNG":
            critical_png(stream, keep=False)
        elif image.format in ("JPEG", "MPO"):
            _check_scans(image, stream)
        elif image.format in ("WEBP", "AVIF", "JPEG2000"):
            check_plausible(image.size, stream)
    finally:
        stream.seek(place)


def check_plausible(size: tuple[int, int], stream: BinaryIO) -> None:
    """Raise ImageError where a file is too short for its size (w, h).

    Some formats repeat one colour at no cost, so that a few bytes may stand for gigabytes.
    """
    width, height = size
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if width * height > max(PLAUSIBLE, length * PIXELS_PER_BYTE):
        raise ImageError(f"{width}x{height} px in {length} bytes; {COMPLETE}")


def _check_scans(image: Image.Image, stream: BinaryIO) -> None:
    """Each scan of a progressive JPEG takes the time of a whole picture."""
    scans, last = 0, b""
    stream.seek(0)
    while piece := stream.read(PIECE):
        scans += (last + piece).count(b"\xff\xda")  # start of scan
        last = piece[-1:] if piece.endswith(b"\xff") else b""
    if scans > MAX_SCANS or scans * image.width * image.height > MAX_SCANNED:
        raise ImageError(f"a JPEG of {scans} scans; expected one saved anew with fewer")


def critical_png(stream: BinaryIO, *, keep: bool = True) -> tuple[bytes, bytes]:
    """A PNG of nothing but header, transparent colour and pixels, and the body of its EXIF chunk.

    Without the other chunks libpng has nothing to write on stderr about. Its header must be valid.
    Raises ImageError for wrong checksums, and for too few or too many pixels. Unless `keep`, only
    checks, and the PNG is empty.
    """
    stream.seek(8)
    chunks = _chunks(stream)
    first, header = next(chunks, (b"", b""))
    if first != b"IHDR" or len(header) != 13 or header[9] not in SAMPLES:
        raise ImageError(f"damaged PNG (its header); {COMPLETE}")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    rows = _Scanlines(width, height, depth * SAMPLES[colour], bool(interlaced))
    kept, exif = bytearray(), b""
    if keep:
        kept += b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    for kind, body in chunks:
        if kind == b"IDAT":
            body = body[: rows.feed(body)]
        if keep and (kind == b"IDAT" or (kind == b"tRNS" and TRANSPARENT.get(colour) == len(body))):
            kept += png_chunk(kind, body)
        if kind == b"eXIf":
            exif = exif or body
    rows.end()
    return bytes(kept) + png_chunk(b"IEND", b"") if keep else b"", exif


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file: length, kind, body, checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each chunk before IEND; ImageError if that is missing."""
    for _ in range(MAX_CHUNKS):
        head = stream.read(8)
        length = int.from_bytes(head[:4], "big")
        kind = head[4:]
        if kind == b"IEND":
            return
        wanted = kind in (b"IHDR", b"IDAT", b"tRNS", b"eXIf")
        body = stream.read(length) if wanted else b""
        if not wanted:
            stream.seek(length, os.SEEK_CUR)
        check = stream.read(4)
        if len(check) < 4:
            raise ImageError(f"truncated PNG (it ends before its IEND chunk); {COMPLETE}")
        if wanted and int.from_bytes(check, "big") != zlib.crc32(kind + body):
            raise ImageError(f"damaged PNG (wrong checksum of a chunk); {COMPLETE}")
        yield kind, body
    raise ImageError(f"a PNG of over {MAX_CHUNKS:,} chunks; {COMPLETE}")


class _Scanlines:
    """The rows of a PNG as its data stream gives them: counted, and their filters checked."""

    def __init__(self, width: int, height: int, bits: int, interlaced: bool) -> None:
        self._inflate = zlib.decompressobj()
        self._passes = list(self._sizes(width, height, bits, interlaced))
        self._expected = sum(rows * length for rows, length in self._passes)
        self._length = 0

    @staticmethod
    def _sizes(width: int, height: int, bits: int, interlaced: bool) -> Iterator[tuple[int, int]]:
        """Rows of each pass, and bytes of a row with that of its filter."""
        for left, top, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
            columns, rows = -(-(width - left) // across), -(-(height - top) // down)
            if columns > 0 and rows > 0:
                yield rows, 1 + -(-columns * bits // 8)

    def feed(self, body: bytes) -> int:
        """Inflate the body of an IDAT chunk; how many of its bytes belong to the stream."""
        rest = body
        while rest and not self._inflate.eof:
            piece = self._inflate.decompress(rest, PIECE)
            self._check_filters(piece)
            self._length += len(piece)
            if self._length > self._expected:
                raise ImageError(f"damaged PNG (more pixels than it declares); {COMPLETE}")
            rest = self._inflate.unconsumed_tail
        return len(body) - len(self._inflate.unused_data or rest)

    def _check_filters(self, piece: bytes) -> None:
        """Each row of each pass begins with the number of its filter."""
        start = -self._length  # of the pass, in the piece
        for rows, length in self._passes:
            end = start + rows * length
            first = start if start >= 0 else start % length
            if max(piece[first : max(end, 0) : length], default=0) > 4:
                raise ImageError(f"damaged PNG (unknown filter); {COMPLETE}")
            start = end

    def end(self) -> None:
        """Raise ImageError unless all rows were there."""
        if self._length != self._expected or not self._inflate.eof:
            got = f"{self._length:,} of {self._expected:,} bytes"
            raise ImageError(f"truncated PNG ({got} of its pixels are there); {COMPLETE}")

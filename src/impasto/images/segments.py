"""Rows of a TIFF file as a TIFF file of their own, with the same tags and fewer strips or tiles.

Nothing is decoded here: what reads the whole file reads the part too, and finds the same levels.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from math import prod
from typing import BinaryIO, NamedTuple

import numpy as np

__all__ = ["Segments"]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _ORIENTATION, _SAMPLES = 256, 257, 258, 259, 274, 277
_PLANES, _TILE_WIDTH, _TILE_HEIGHT = 284, 322, 323
_STRIPS = (273, 279, 278)  # offsets, bytes, and rows of a strip
_TILES = (324, 325, _TILE_HEIGHT)
_DECODING = (
    *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _ORIENTATION, _SAMPLES, _PLANES, _TILE_WIDTH),
    *(262, 266, 317, 320, 332, 334, 336, 338, 339, 340, 341),  # meaning and order of samples
    *(280, 281, 290, 291, 347, 529, 530, 531, 532, 34675),  # JPEG's tables, YCbCr, ICC
)
"""Tags that decoders look at besides those of segments; pointers into the file are none of them."""

_UNCOMPRESSED, _OLD_JPEG, _SEPARATE = 1, 6, 2
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8}
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 16: "u8"}
_LONG = 4  # a type of tags
_MARKS = {"<": b"II", ">": b"MM"}
_ENTRY, _INLINE, _LAST = "HHI4s", 4, bytes(4)  # an entry, bytes of values in it, no next directory
_HEADER = 8  # bytes of a file before everything else
_MAX_TAGS = 4096
_MAX_SEGMENTS = 1 << 20
_MAX_TILE = 4096  # pixels a side of a tile that is larger than the picture
_MAX_VALUE = 4_000_000  # bytes of a tag that is copied
_MAX_GROWTH = 2  # bytes of a compressed segment over those of its pixels …
_ROOM = 1 << 16  # … and what small ones may take in any case
_ROWS = 64  # of a segment, where an uncompressed strip may be cut anywhere


class _Tag(NamedTuple):
    kind: int
    length: int  # in values
    raw: bytes  # the values, in the order of the file's bytes


@dataclass(frozen=True, eq=False)
class Segments:
    """Strips or tiles of the first picture in a TIFF file, each of which is decoded by itself.

    Attributes:
        size: (w, h) as it is stored.
        rows: rows of a segment; the last ones may have fewer.
        orientation: 1 to 8, as EXIF has it.
    """

    size: tuple[int, int]
    rows: int
    orientation: int
    _order: str  # of bytes, as `struct` writes it
    _tags: dict[int, _Tag]
    _names: tuple[int, int, int]
    _offsets: np.ndarray  # (planes, down, across)
    _lengths: np.ndarray  # the same, in bytes

    @classmethod
    def of(cls, stream: BinaryIO) -> Segments | None:
        """Those of a file; None if it is no TIFF, or has anything unusual about its segments.

        Their bytes are inside the file, do not add up to more than it has, and are few for the
        pixels that they hold: so a part never takes more memory than it has to.
        """
        try:
            return _segments(stream)
        except (struct.error, LookupError, ValueError, OverflowError):
            return None

    def part(self, stream: BinaryIO, first: int, stop: int) -> bytes:
        """A TIFF file of the stored rows of all segments with rows from `first` to `stop`."""
        low, high = first // self.rows, -(-stop // self.rows)
        offsets = self._offsets[:, low:high].ravel()
        lengths = self._lengths[:, low:high].ravel()
        places, encoded = np.cumsum(lengths) - lengths, bytearray()
        for offset, length in zip(offsets.tolist(), lengths.tolist(), strict=True):
            stream.seek(offset)
            encoded += stream.read(length)
        at, count, rows = self._names
        height = min(high * self.rows, self.size[1]) - low * self.rows
        tags = {
            **self._tags,
            _HEIGHT: self._numbers(height),
            rows: self._numbers(self.rows),
            count: self._numbers(*lengths.tolist()),
        }
        room = len(self._file({**tags, at: self._numbers(*places.tolist())}))
        return self._file({**tags, at: self._numbers(*(places + room).tolist())}) + encoded

    def _numbers(self, *values: int) -> _Tag:
        raw = np.array(values, f"{self._order}{_INTEGERS[_LONG]}").tobytes()
        return _Tag(_LONG, len(values), raw)

    def _file(self, tags: dict[int, _Tag]) -> bytes:
        """Header, directory and values, with nothing behind them."""
        order, counted = self._order, len(tags)
        head = _MARKS[order] + struct.pack(f"{order}HIH", 42, 8, counted)
        behind = len(head) + struct.calcsize(f"{order}{_ENTRY}") * counted + len(_LAST)
        entries, values = bytearray(), bytearray()
        for number, (kind, count, raw) in sorted(tags.items()):
            place = raw
            if len(raw) > _INLINE:
                place = struct.pack(f"{order}I", behind + len(values))
                values += raw + bytes(len(raw) % 2)
            entries += struct.pack(f"{order}{_ENTRY}", number, kind, count, place)
        return head + bytes(entries) + _LAST + bytes(values)


def _segments(stream: BinaryIO) -> Segments | None:
    length = stream.seek(0, os.SEEK_END)
    order, tags = _directory(stream, length)

    def one(number: int, default: int | None = None) -> int:
        if number not in tags and default is not None:
            return default
        return int(_integers(tags[number], order)[0])

    width, height, samples = one(_WIDTH), one(_HEIGHT), one(_SAMPLES, 1)
    tiled = _TILE_WIDTH in tags
    names = _TILES if tiled else _STRIPS
    rows = one(names[2], None if tiled else height)
    rows, across = (rows, one(_TILE_WIDTH)) if tiled else (min(rows, height), width)
    planes = samples if one(_PLANES, 1) == _SEPARATE else 1
    if min(width, height, rows, across, samples) < 1 or one(_COMPRESSION, 1) == _OLD_JPEG:
        return None
    if across > max(width, _MAX_TILE) or rows > max(height, _MAX_TILE):
        return None
    shape = planes, -(-height // rows), -(-width // across)
    if prod(shape) > _MAX_SEGMENTS:
        return None
    offsets, lengths = (
        _integers(tags[name], order).astype(np.int64).reshape(shape) for name in names[:2]
    )
    bits = int(_integers(tags[_BITS], order).max()) if _BITS in tags else 1
    row = -(-across * bits * samples // (8 * planes))  # bytes, unless pixels share colours
    if not _are_plausible(offsets, lengths, row * rows, length):
        return None
    plain = one(_COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED and not tiled
    if plain and rows == height > _ROWS and (lengths == row * height).all():
        rows, begins = _ROWS, np.arange(0, height, _ROWS)[None, :, None]
        offsets = offsets + row * begins
        lengths = np.broadcast_to(row * np.minimum(rows, height - begins), offsets.shape)
    copied = {number: tag for number, tag in tags.items() if number in _DECODING}
    turn = one(_ORIENTATION, 1)
    return Segments((width, height), rows, turn, order, copied, names, offsets, lengths)


def _are_plausible(offsets: np.ndarray, lengths: np.ndarray, pixels: int, file: int) -> bool:
    """Whether segments lie inside a file of so many bytes, and are not long for their pixels'."""
    few = lengths.min() >= 1 and lengths.max() <= _MAX_GROWTH * pixels + _ROOM
    inside = offsets.min() >= _HEADER and (offsets <= file - lengths).all()
    return bool(few and inside and lengths.sum() <= file)


def _directory(stream: BinaryIO, length: int) -> tuple[str, dict[int, _Tag]]:
    """Order of bytes, and the first directory's tags that decoders need.

    Raises ValueError, KeyError or struct.error for what is no TIFF or unusual.
    """
    stream.seek(0)
    head = stream.read(16)
    order = {mark: order for order, mark in _MARKS.items()}[head[:2]]
    big = {42: False, 43: True}[struct.unpack_from(f"{order}H", head, 2)[0]]
    word, counter, entry = ("Q", "Q", "HHQ8s") if big else ("I", "H", _ENTRY)
    stream.seek(struct.unpack_from(f"{order}{word}", head, 8 if big else 4)[0])
    (count,) = struct.unpack(f"{order}{counter}", stream.read(struct.calcsize(counter)))
    if count > _MAX_TAGS:
        raise ValueError("too many tags")
    entries = stream.read(struct.calcsize(f"{order}{entry}") * count)
    tags: dict[int, _Tag] = {}
    for number, kind, n, place in struct.iter_unpack(f"{order}{entry}", entries):
        segment = number in (*_STRIPS, *_TILES)
        if number not in _DECODING and not segment:
            continue
        size = _SIZES[kind] * n
        if number in tags or size > (length if segment else _MAX_VALUE):
            raise ValueError("a tag that is there twice, or too long")
        raw = place[:size]
        if size > len(place):
            stream.seek(struct.unpack(f"{order}{word}", place)[0])
            raw = stream.read(size)
        if len(raw) != size:
            raise ValueError("a tag that is cut off")
        tags[number] = _Tag(kind, n, raw)
    return order, tags


def _integers(tag: _Tag, order: str) -> np.ndarray:
    return np.frombuffer(tag.raw, f"{order}{_INTEGERS[tag.kind]}")

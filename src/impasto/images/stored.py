"""A large picture that stays in its file, of which rows are decoded when they are asked for.

Strips and tiles of a TIFF file are decoded by themselves. Some of them are a smaller TIFF file
(`impasto.images.segments`), which `read` decodes: so rows are, to the last bit, those of the whole.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import torch
from PIL import ExifTags

from impasto.errors import ImageError
from impasto.images.decode import MAX_PIXELS, Source, open_image, read
from impasto.images.guard import pillow
from impasto.images.held import Encoded, held
from impasto.images.metadata import Metadata, metadata_in
from impasto.images.names import located
from impasto.images.opening import called, opened
from impasto.images.photos import photo_of
from impasto.images.picture import Picture, channels, stacked
from impasto.images.record import exif_tags, record_in
from impasto.images.segments import Segments

__all__ = ["AnyPicture", "StoredPicture", "bands", "bytes_by_rows", "read_by_rows"]

File: TypeAlias = "str | os.PathLike[str] | Encoded"
Stamp: TypeAlias = "tuple[int, ...]"
Kind: TypeAlias = "tuple[int, bool, np.dtype]"  # colours, whether there is alpha, type of levels

_LARGE = 1 << 25  # pixels; less is read whole
_BLOCK = 1 << 20  # pixels that are decoded at a time, at least
_FEWEST = 8  # segments from top to bottom; of fewer a part is not much less than the whole
_KEPT = 1 << 23  # pixels of blocks that are kept: those of a band that is resized, and more
_FLIPPED = (3, 4)  # orientations whose first row is stored last
_UPRIGHT = (1, 2)
_ROWS = 256  # of a band


class _Blocks:
    """The rows of a file, decoded in blocks of whole segments; the last ones are kept a while."""

    def __init__(self, file: File, stamp: Stamp, segments: Segments, max_pixels: int) -> None:
        self.file, self.segments, self.max_pixels = file, segments, max_pixels
        width, self.height = segments.size
        count = -(-_BLOCK // (width * segments.rows))
        self.step = count * segments.rows
        self._stamp = stamp
        self._kept: dict[int, Picture] = {}

    def rows(self, first: int, stop: int) -> Picture:
        """The rows from `first` to `stop` of the picture as it stands upright."""
        flipped = self.segments.orientation in _FLIPPED
        low, high = (self.height - stop, self.height - first) if flipped else (first, stop)
        wanted = range(low // self.step, -(-high // self.step))
        above = low - wanted.start * self.step
        if flipped:
            above, wanted = min(wanted.stop * self.step, self.height) - high, wanted[::-1]
        found = {n: self._kept[n] if n in self._kept else self._block(n) for n in wanted}
        pixels = self.segments.size[0] * self.step
        self._kept = {n: found[n] for n in wanted[-max(1, _KEPT // pixels) :]}
        return stacked([*found.values()]).rows(above, above + stop - first)

    def kind(self) -> Kind | None:
        """The kind of all blocks, each decoded once; None where they differ or do not fit."""
        kinds, width = set(), self.segments.size[0]
        for number, first in enumerate(range(0, self.height, self.step)):
            block = self._block(number)
            if block.size != (width, min(self.step, self.height - first)):
                return None
            kinds.add(_kind(block))
        return kinds.pop() if len(kinds) == 1 else None

    def _block(self, number: int) -> Picture:
        """ImageError if the file is not the one that was opened, or cannot be read any more."""
        first = number * self.step
        stop = min(first + self.step, self.height)
        name = called(self.file)
        with opened(self.file) as stream, pillow(name, None):
            if _stamp(stream) != self._stamp:
                raise ImageError("the file has changed since it was opened; begin anew")
            part = self.segments.part(stream, first, stop)
        return read(Encoded(name, part), self.max_pixels)


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """A picture in a file, upright, in sRGB: what `Picture` is, with none of its pixels in memory.

    size: (w, h) of the part of the file that it is.
    record, metadata: as a Picture has them.
    """

    size: tuple[int, int]
    has_alpha: bool
    record: str | None
    metadata: Metadata | None
    _blocks: _Blocks
    _pixel: int  # bytes of a pixel's levels
    _corner: tuple[int, int] = field(default=(0, 0))  # left, top

    def rows(self, first: int, stop: int) -> Picture:
        """Decode the rows from `first` to `stop`; ImageError where the file has changed."""
        (left, top), width = self._corner, self.size[0]
        part = self._blocks.rows(top + first, top + stop)
        return part.window(slice(None), slice(left, left + width))

    def window(self, rows: slice, columns: slice) -> StoredPicture:
        """The part of the picture in these rows and columns, which stays in the file too."""
        (left, right, _), (top, bottom, _) = (
            part.indices(side) for part, side in zip((columns, rows), self.size, strict=True)
        )
        corner = self._corner[0] + left, self._corner[1] + top
        return replace(self, size=(right - left, bottom - top), _corner=corner)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that decoding takes, and that are kept for the next rows."""
        return bytes_by_rows(self._blocks.segments.size[0], self._blocks.step, self._pixel)

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.size[1]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.size[0]

    @property
    def device(self) -> torch.device:
        """The device of the pixels that are read."""
        return torch.device("cpu")


AnyPicture: TypeAlias = Picture | StoredPicture


def bands(picture: AnyPicture) -> Iterator[Picture]:
    """The rows of a picture from top to bottom, some at a time."""
    for first in range(0, picture.height, _ROWS):
        yield picture.rows(first, min(first + _ROWS, picture.height))


def bytes_by_rows(width: int, block: int = 256, pixel: int = 3) -> int:
    """Bytes of memory that a stored picture takes, about, whatever its height.

    A `block` of rows, `pixel` bytes each, is decoded at a time; a band of them is resized.
    """
    return 2 * pixel * (_KEPT + 2 * width * block)


def read_by_rows(source: Source, max_pixels: int = MAX_PIXELS) -> AnyPicture:
    """What `read` reads, and as it does; but a large TIFF file stays in its file.

    That needs strips or tiles, of which there are some from top to bottom, or a single strip that
    is not compressed; and an orientation in which rows stay rows. Everything is decoded once, part
    by part, so that a damaged file is refused now. Raises what `read` raises.
    """
    source = held(located(source))
    if isinstance(source, (str, os.PathLike, Encoded)):
        with suppress(ImageError):  # which `read` raises too, unless it can read the file
            if found := _stored(source, max_pixels):
                return found
    return read(source, max_pixels)


def _stored(file: File, max_pixels: int) -> StoredPicture | None:
    """The picture in a file; None if it has to be read whole. Raises ImageError."""
    with opened(file) as stream, pillow(called(file), None):
        segments = Segments.of(stream)
        if segments is None or not _is_worth_it(segments) or photo_of(stream):
            return None
        image = open_image(stream, max_pixels)
        turn = exif_tags(image).get(ExifTags.Base.Orientation, 1)
        about, stamp = (record_in(image), metadata_in(image)), _stamp(stream)
    known = turn == segments.orientation and turn in (*_UPRIGHT, *_FLIPPED)
    blocks = _Blocks(file, stamp, segments, max_pixels)
    if not known or image.size != segments.size or (kind := blocks.kind()) is None:
        return None
    colours, has_alpha, levels = kind
    pixel = (colours + has_alpha) * levels.itemsize
    return StoredPicture(segments.size, has_alpha, *about, blocks, pixel)


def _is_worth_it(segments: Segments) -> bool:
    width, height = segments.size
    return width * height > _LARGE and height >= _FEWEST * segments.rows


def _kind(picture: Picture) -> Kind:
    colours, alpha = channels(picture)
    return len(colours), alpha is not None, colours[0].dtype


def _stamp(stream: io.BufferedReader) -> Stamp:
    """By which a file is known again; bytes in memory, which have no number, do not change."""
    try:
        found = os.fstat(stream.fileno())
    except io.UnsupportedOperation:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

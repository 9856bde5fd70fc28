"""A picture that comes in bands of rows and is never in memory as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from impasto.errors import OutputError
from impasto.images.atomic import AtomicFile, check_place
from impasto.images.encode import FORMATS, TIFF, check_writable, encoded, named_format, write_stream
from impasto.images.metadata import Metadata, kept
from impasto.images.picture import Picture
from impasto.images.record import MAX_RECORD, Embedded
from impasto.images.tiled import write_tiled

__all__ = ["Banded"]


@dataclass(frozen=True, eq=False)
class Banded:
    """A picture of `size` (w, h) whose `bands`, from the top, can be taken once.

    `record` and `metadata` are those of a Picture; `has_alpha` tells whether its bands have alpha.
    """

    size: tuple[int, int]
    bands: Iterator[Picture]
    has_alpha: bool = False
    record: str | None = None
    metadata: Metadata | None = None

    def replaced(self, record: str | None) -> Banded:
        """The same with another record."""
        return replace(self, record=record)

    def save(
        self,
        where: str | os.PathLike[str] | BinaryIO,
        bits: int = 8,
        quality: int = 95,
        *,
        format: str = "png",  # noqa: A002 (as Pillow calls it)
        metadata: str = "keep",
    ) -> None:
        """Write as `Picture.save` does; TIFF in tiles, other formats from levels of all rows.

        Raises OutputError also where some of the bands have been taken.
        """
        record = self.record if len(self.record or "") <= MAX_RECORD else None
        embedded = Embedded(record, kept(self.metadata, metadata))
        if not isinstance(where, (str, os.PathLike)):
            ending = named_format(format)
            data = encoded(self._whole(bits), ending, embedded, quality=quality)
            write_stream(data, where)
            return
        check_writable(where, bits, quality, self.size)
        ending = check_place(where, FORMATS)
        with AtomicFile(where) as file:
            if FORMATS[ending] is TIFF:
                kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
                shape = (*self.size[::-1], 3 + self.has_alpha)
                write_tiled(file, self._levels(bits), shape, kind, embedded)
            else:
                file.write_bytes(encoded(self._whole(bits), ending, embedded, quality=quality))

    def drain(self) -> None:
        """Take the bands that are left, so that whoever sends them can go on."""
        for _ in self.bands:
            pass

    def _levels(self, bits: int) -> Iterator[np.ndarray]:
        """Levels (n, w, 3 or 4) of each band; OutputError unless they are all."""
        rows = 0
        for band in self.bands:
            rows += band.height
            yield band.levels(bits)
        if rows != self.size[1]:
            raise OutputError(f"only {rows} of {self.size[1]} rows of the picture came; try again")

    def _whole(self, bits: int) -> np.ndarray:
        return np.concatenate([*self._levels(bits)])

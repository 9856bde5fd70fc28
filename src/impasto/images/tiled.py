"""A TIFF file written in tiles, from bands of rows that come one after the other.

It is as the writer of whole pictures makes it, in tiles, and with smaller copies for viewers. No
more of it is in memory than a band and a row of tiles; above 4 GB it is BigTIFF.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np

from impasto.images.atomic import parts_of
from impasto.images.encode import tiff_options
from impasto.images.record import Embedded

__all__ = ["TILE", "write_tiled"]

TILE = 256  # pixels
_CLASSIC = 2**32 - 2**25  # bytes that offsets of 32 bits reach, with room for tags
_PIECE = 1 << 24  # bytes written at a time
_SMALLEST = 1024  # pixels of the longer side of the smallest copy

Shape = tuple[int, int, int]


def write_tiled(
    file: Path, bands: Iterable[np.ndarray], shape: Shape, kind: np.dtype, embedded: Embedded
) -> None:
    """Write levels of `shape` (h, w, 3 or 4) and `kind`, uint8 or uint16, which come in bands.

    Bands are (n, w, 3 or 4), from the top. Each smaller copy has half the sides of the one before,
    its pixels the means of four; a TIFF keeps them in SubIFDs. They wait on the disk, beside the
    file. Raises OSError.
    """
    import tifffile

    height, width, channels = shape
    how = {**tiff_options(channels, embedded), "tile": (TILE, TILE), "photometric": "rgb"}
    small = {"photometric": "rgb", "extrasamples": how["extrasamples"], "subfiletype": 1}
    small |= {name: how[name] for name in ("tile", "compression", "predictor")}
    large = height * width * channels * kind.itemsize * 4 // 3 > _CLASSIC
    with _folder_beside(file) as folder:
        copies = [
            _on_disk(folder / f"{n}", (*size, channels), kind)
            for n, size in enumerate(_copies(height, width))
        ]
        tiles = _tiles(_halved(bands, copies), shape, kind)
        with tifffile.TiffWriter(file, bigtiff=large) as tiff:
            tiff.write(tiles, shape=shape, dtype=kind, subifds=len(copies), metadata=None, **how)
            for copy in copies:
                parts = (copy[at : at + TILE] for at in range(0, len(copy), TILE))
                tiles = _tiles(parts, copy.shape, kind)
                tiff.write(tiles, shape=copy.shape, dtype=kind, metadata=None, **small)
        del copies


@contextmanager
def _folder_beside(file: Path) -> Iterator[Path]:
    """A folder for what a file is made of; of a process that is killed it goes with the file."""
    folder = parts_of(file)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _on_disk(path: Path, shape: Shape, kind: np.dtype) -> np.ndarray:
    """Levels in a file, all of whose bytes the disk has; OSError where it has not so many.

    To write to mapped memory for which the disk has no room would end the process.
    """
    size = prod(shape) * kind.itemsize
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:  # macOS, Windows
            for at in range(0, size, _PIECE):
                file.write(bytes(min(_PIECE, size - at)))
    return np.memmap(path, kind, "r+", shape=shape)


def _copies(height: int, width: int) -> list[tuple[int, int]]:
    """(h, w) of the smaller copies, the largest first; none of a small picture."""
    sizes = []
    while max(height, width) > _SMALLEST:
        height, width = max(1, height // 2), max(1, width // 2)
        sizes.append((height, width))
    return sizes


def _halved(bands: Iterable[np.ndarray], copies: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """The same bands; on the way the copies are filled."""
    waiting: list[np.ndarray | None] = [None] * len(copies)
    filled = [0] * len(copies)
    for band in bands:
        yield band
        part = band
        for n, copy in enumerate(copies):
            before = waiting[n]
            part = part if before is None else np.concatenate([before, part])
            pairs = len(part) // 2
            waiting[n], part = part[2 * pairs :], _means(part[: 2 * pairs], copy.shape[1])
            rows = part[: len(copy) - filled[n]]
            copy[filled[n] : filled[n] + len(rows)] = rows
            filled[n] += len(rows)


def _means(part: np.ndarray, width: int) -> np.ndarray:
    """(2 n, 2 width or one more, c) levels -> (n, width, c): means of four, rounded."""
    if part.shape[1] == 1:
        part = np.repeat(part, 2, 1)
    four = part[:, : 2 * width].reshape(len(part) // 2, 2, width, 2, part.shape[2])
    means: np.ndarray = ((four.sum((1, 3), dtype=np.uint32) + 2) // 4).astype(part.dtype)
    return means


def _tiles(bands: Iterable[np.ndarray], shape: Shape, kind: np.dtype) -> Iterator[np.ndarray]:
    """Tiles (TILE, TILE, c) row by row, those at the edges filled up with their last pixels."""
    waiting = np.empty((0, *shape[1:]), kind)
    for band in bands:
        waiting = np.concatenate([waiting, band])
        while len(waiting) >= TILE:
            yield from _cut(waiting[:TILE])
            waiting = waiting[TILE:]
    if len(waiting):
        yield from _cut(waiting)


def _cut(rows: np.ndarray) -> Iterator[np.ndarray]:
    height, width = rows.shape[:2]
    for left in range(0, width, TILE):
        tile = rows[:, left : left + TILE]
        missing = ((0, TILE - height), (0, TILE - tile.shape[1]), (0, 0))
        yield np.ascontiguousarray(np.pad(tile, missing, "edge"))

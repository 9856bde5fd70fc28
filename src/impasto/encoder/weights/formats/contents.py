"""What a parser makes of its file: arrays that are described first, and read when they are needed.

A network's layers are read only once their declared shapes are known to be right, so memory is
bounded by what the network needs, whatever else the file declares.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
from torch import Tensor

from impasto.errors import WeightsError
from impasto.images.spaces import ColourSpace

__all__ = ["HWIO", "LIMIT", "OIHW", "WHIO", "Contents", "Stored", "from_numpy", "open_zip"]

LIMIT = 1 << 30
"""Bytes that a file may have, packed or unpacked; the largest known, with its fully connected
layers, has 0.6 GB."""

_DIRECTORY = 1 << 22  # bytes of a zip archive's directory, which is read at once

OIHW = (0, 1, 2, 3)
HWIO = (3, 2, 0, 1)
WHIO = (3, 2, 1, 0)
"""Axes of a stored weight that are its output channels, input channels, height and width."""

_FLOATING = ("float16", "float32", "float64", "bfloat16")


@dataclass(frozen=True)
class Stored:
    """An array in a file; `read` reads its values."""

    shape: tuple[int, ...]
    kind: str  # "float32"
    read: Callable[[], Tensor]


@dataclass(frozen=True)
class Contents:
    """The convolutions in a file.

    `arrays` maps `conv1_1.weight`, or `features.0.weight` as torchvision counts, to the array;
    `axes` permutes its weights to (out, in, h, w); `input` is the usual colour space of the format.
    `others` has every array by its own name, where a description may name it.
    """

    arrays: Mapping[str, Stored]
    axes: tuple[int, int, int, int]
    input: ColourSpace
    others: Mapping[str, Stored] = field(default_factory=dict)

    def array(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A float32 copy of an array of `shape`.

        Raises WeightsError if it is missing, of another shape, or not floating.
        """
        if name not in self.arrays:
            raise WeightsError(f"lacks {name}; take another file")
        found = self.arrays[name]
        if found.kind not in _FLOATING or found.shape != shape:
            raise WeightsError(f"{name} is {found.kind} {found.shape}; expected floats {shape}")
        return found.read().to(torch.float32, copy=True)

    def stored_shape(self, shape: tuple[int, int, int, int]) -> tuple[int, ...]:
        """Shape in the file of a weight of `shape` (out, in, h, w)."""
        return tuple(shape[self.axes.index(axis)] for axis in range(4))


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A floating array of any shape as a float32 tensor; values too large become infinite."""
    with np.errstate(over="ignore"):
        return torch.from_numpy(array.astype(np.float32))


class _Bounded(io.FileIO):
    """A file of which no read takes more than a directory's bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, os.fstat(self.fileno()).st_size - self.tell())
        count = left if size is None or size < 0 else min(size, left)
        if count > _DIRECTORY:
            raise WeightsError(f"declares {count} bytes to be read at once; not a network's file")
        return super().read(count) or b""


@contextmanager
def open_zip(path: Path) -> Iterator[ZipFile]:
    """A zip archive; WeightsError if its members or its directory declare to be too large."""
    with _Bounded(path) as file, ZipFile(file) as archive:
        if sum(member.file_size for member in archive.infolist()) > LIMIT:
            raise WeightsError(f"unpacks to more than {LIMIT >> 30} GB, which no VGG network has")
        yield archive

"""MAT-files of level 5, as MATLAB 5 to 7.2 wrote them: cells, structures, numbers and text.

After the public description of the format (MathWorks, "MAT-File Level 5"). A file is a series of
elements: type and size, 4 bytes each, then the data, filled up to 8 bytes; up to 4 bytes of data
fit into the tag itself. A matrix is an element that holds elements in turn: flags, dimensions,
name, and what its class asks for.

scipy.io.loadmat reads whole variables, whatever size a file declares, and can take the process down
with it. Here the file is read in order, unpacked piece by piece, and only arrays that a network can
need are kept; depth, elements and bytes are bounded.
"""

import struct
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
from torch import Tensor

from impasto.encoder.weights.formats.contents import LIMIT, Stored, from_numpy
from impasto.errors import WeightsError

__all__ = ["MATLAB_5", "Value", "read_matlab"]

MATLAB_5 = b"\x00\x01IM"
"""Bytes 124 to 128 of a file: the version, and the order of bytes on most machines."""

Value: TypeAlias = "Stored | str | list[Any] | dict[str, Any] | None"
"""Numbers, text, a cell array or array of structures, one structure; None for anything else."""

_HEADER = 128  # bytes
_DEPTH = 16  # matrices within matrices
_ELEMENTS = 500_000
_MATRICES = 100_000
_LARGEST = 24 << 20  # bytes of an array that is kept; a network's largest has 19 MB in float64
_KEPT = 200 << 20  # bytes of all arrays that are kept; those of VGG-19 have 160 MB in float64
_SMALL = 1 << 16  # bytes of names, text and dimensions
_PIECE = 1 << 18  # bytes that are unpacked at once
_ENDLESS = 1 << 62  # bytes of a compressed element, whose size nothing declares

_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCTURE, _TEXT = 1, 2, 4
_CLASSES = {6: "float64", 7: "float32", 8: "int8", 9: "uint8", 10: "int16", 11: "uint16"}
_TYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8"}
_WIDE = (4, 17)  # types of text with two bytes a character


def read_matlab(path: Path, names: Collection[str]) -> dict[str, Value]:
    """The variables called `names` that the file has; None for each of another name.

    The shape of a vector has two entries. Raises WeightsError for what is damaged or out of bounds.
    """
    variables, reader = dict[str, Value](), _Reader()
    with path.open("rb") as file:
        whole = _Body(_File(file), path.stat().st_size)
        whole.skip(_HEADER)
        for element in reader.elements(whole):
            kind, body = reader.inflated(element) if element.kind == _COMPRESSED else element
            if kind == _MATRIX:
                name, value = reader.matrix(body, names)
                variables[name] = value
    return variables


class _Source:
    """Bytes in order; `position` is the number of those read or skipped."""

    def __init__(self) -> None:
        self.position = 0

    def read(self, count: int) -> bytes:
        """The next `count` bytes; WeightsError if there are fewer."""
        data = self._next(count)
        self.position += len(data)
        if len(data) < count:
            raise WeightsError("ends within an element; take another copy")
        return data

    def skip(self, count: int) -> None:
        """Pass over `count` bytes."""
        while count > 0:
            count -= len(self.read(min(count, _PIECE)))

    def _next(self, count: int) -> bytes:
        raise NotImplementedError


class _File(_Source):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def skip(self, count: int) -> None:
        self._file.seek(count, 1)
        self.position += count

    def _next(self, count: int) -> bytes:
        return self._file.read(count)


class _Inflated(_Source):
    """What a compressed element holds, unpacked as far as it is read."""

    def __init__(self, packed: "_Body", spend: Callable[[int], None]) -> None:
        super().__init__()
        self._packed, self._spend, self._inflater = packed, spend, zlib.decompressobj()

    def _next(self, count: int) -> bytes:
        self._spend(count)
        found = bytearray()
        while len(found) < count:
            packed = self._inflater.unconsumed_tail
            packed = packed or self._packed.read(min(_PIECE, self._packed.left))
            data = self._inflater.decompress(packed, count - len(found))
            if not (data or packed):
                break
            found += data
        return bytes(found)


@dataclass(frozen=True)
class _Body:
    """The data of an element: bytes of a source up to a position."""

    source: _Source
    end: int

    @property
    def left(self) -> int:
        """Bytes that have not been read."""
        return self.end - self.source.position

    def read(self, count: int) -> bytes:
        """The next `count` bytes; WeightsError if there are fewer."""
        if count > self.left:
            raise WeightsError("ends within an element; take another copy")
        return self.source.read(count)

    def skip(self, count: int) -> None:
        """Pass over the next `count` bytes; WeightsError if there are fewer."""
        if count > self.left:
            raise WeightsError("ends within an element; take another copy")
        self.source.skip(count)

    def small(self) -> bytes:
        """All that is left, which is a name, text or dimensions; WeightsError if it is large."""
        if self.left > _SMALL:
            raise WeightsError(f"has {self.left} bytes of text; not a network's file")
        return self.read(self.left)


class _Element(NamedTuple):
    kind: int
    body: _Body


class _Tag(_Source):
    """The data that fit into a tag."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    def _next(self, count: int) -> bytes:
        return self._data[self.position : self.position + count]


class _Reader:
    """Reads matrices, up to a number of them and of the bytes that are kept."""

    def __init__(self) -> None:
        self._elements, self._matrices = _ELEMENTS, _MATRICES
        self._packed, self._bytes = LIMIT, _KEPT

    def elements(self, body: _Body) -> Iterator[_Element]:
        """The elements in a body, each of which can be read until the next is asked for."""
        while body.left:
            self._elements -= 1
            if self._elements < 0:
                raise WeightsError(f"holds more than {_ELEMENTS} elements; not a network's file")
            tag = body.read(8)
            kind, size = struct.unpack("<II", tag)
            if kind >> 16:  # a short one, all in its tag
                kind, size = kind & 0xFFFF, kind >> 16
                if size > 4:
                    raise WeightsError("ends within an element; take another copy")
                yield _Element(kind, _Body(_Tag(tag[4:]), size))
                continue
            following = size if kind == _COMPRESSED else -(-size // 8) * 8
            if following > body.left:
                raise WeightsError("ends within an element; take another copy")
            start = body.source.position
            yield _Element(kind, _Body(body.source, start + size))
            body.skip(start + following - body.source.position)

    def inflated(self, element: _Element) -> _Element:
        """The element that a compressed one holds."""
        return _next(self.elements(_Body(_Inflated(element.body, self._unpack), _ENDLESS)))

    def _unpack(self, count: int) -> None:
        self._packed -= count
        if self._packed < 0:
            raise WeightsError(f"unpacks to more than {LIMIT >> 30} GB, which no VGG network has")

    def matrix(
        self, body: _Body, names: Collection[str] | None = None, depth: int = 0
    ) -> tuple[str, Value]:
        """Name and value of a matrix; the value is None if `names` are given and it has another."""
        self._count(1)
        if depth > _DEPTH:
            raise WeightsError(f"nests deeper than {_DEPTH} levels; not a network's file")
        if not body.left:
            return "", None
        parts = self.elements(body)
        flags, dimensions, name = (_next(parts).body.small() for _ in range(3))
        shape = tuple(_integers(dimensions))
        label = name.decode("latin-1")
        if min(shape, default=-1) < 0 or (names is not None and label not in names):
            return label, None
        return label, self._value(flags[0], shape, parts, depth)

    def _value(
        self, kind: int, shape: tuple[int, ...], parts: Iterator[_Element], depth: int
    ) -> Value:
        if kind == _CELL:
            self._count(prod(shape))
            return [self._inner(parts, depth) for _ in range(prod(shape))]
        if kind == _STRUCTURE:
            return self._structures(prod(shape), parts, depth)
        if kind == _TEXT:
            letters = _next(parts)
            coding = "utf-16-le" if letters.kind in _WIDE else "utf-8"
            return letters.body.small().decode(coding, errors="replace")
        if kind in _CLASSES:
            return self._numbers(_next(parts), _CLASSES[kind], shape)
        return None

    def _structures(self, count: int, parts: Iterator[_Element], depth: int) -> Value:
        (length,) = _integers(_next(parts).body.small())
        letters = _next(parts).body.small()
        starts = range(0, len(letters), max(1, length))
        fields = [letters[at : at + length].partition(b"\0")[0].decode("latin-1") for at in starts]
        self._count(count * max(1, len(fields)))
        items = [{field: self._inner(parts, depth) for field in fields} for _ in range(count)]
        return items[0] if count == 1 else items

    def _inner(self, parts: Iterator[_Element], depth: int) -> Value:
        return self.matrix(_next(parts).body, depth=depth + 1)[1]

    def _numbers(self, element: _Element, kind: str, shape: tuple[int, ...]) -> Value:
        """An array, which may be stored in a smaller type than it has; None if it is too large."""
        if element.kind not in _TYPES or element.body.left > _LARGEST:
            return None
        self._bytes -= element.body.left
        if self._bytes < 0:
            raise WeightsError(f"has more than {_KEPT >> 20} MB of numbers in small arrays")
        data, stored = element.body.read(element.body.left), np.dtype(_TYPES[element.kind])
        return Stored(shape, kind, lambda: _array(data, stored, kind, shape))

    def _count(self, matrices: int) -> None:
        self._matrices -= matrices
        if self._matrices < 0:
            raise WeightsError(f"holds more than {_MATRICES} matrices; not a network's file")


def _next(elements: Iterator[_Element]) -> _Element:
    for element in elements:
        return element
    raise WeightsError("lacks a part of a matrix; take another copy")


def _integers(body: bytes) -> list[int]:
    return [int(number) for number in np.frombuffer(body, "<i4")]


def _array(data: bytes, stored: np.dtype[Any], kind: str, shape: tuple[int, ...]) -> Tensor:
    """A float32 tensor of numbers, columns first, of which `kind` is the type in MATLAB."""
    if len(data) != prod(shape) * stored.itemsize:
        raise WeightsError(f"has {len(data)} bytes where {shape} {stored} are expected")
    values = np.frombuffer(data, stored).astype(kind)
    return from_numpy(values.reshape(shape, order="F"))

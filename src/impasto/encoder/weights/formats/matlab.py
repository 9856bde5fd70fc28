"""MAT-files of level 5, as MATLAB 5 to 7.2 wrote them: cells, structures, numbers and text.

After the public description of the format (MathWorks, "MAT-File Level 5"). A file is a series of
elements: type and size, 4 bytes each, then the data, filled up to 8 bytes; up to 4 bytes of data
fit into the tag itself. A matrix is an element that holds elements in turn: flags, dimensions,
name, and what its class asks for.

Reading is bounded in bytes, in depth and in the number of matrices, so that a damaged or hostile
file ends in an error; general readers of this format can take the process down with it.
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

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
_DEPTH = 16
_MATRICES = 100_000
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCTURE, _TEXT = 1, 2, 4
_CLASSES = {6: "float64", 7: "float32", 8: "int8", 9: "uint8", 10: "int16", 11: "uint16"}
_TYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8"}
_WIDE = (4, 17)  # types of text with two bytes a character


class _Element(NamedTuple):
    kind: int
    body: memoryview


def read_matlab(path: Path, names: Collection[str]) -> dict[str, Value]:
    """The variables called `names` that the file has.

    Numbers are left where they are until they are read; the shape of a vector has two entries.
    Raises WeightsError for what is damaged or out of bounds.
    """
    variables, reader = {}, _Reader()
    for element in _elements(memoryview(path.read_bytes())[_HEADER:]):
        kind, body = reader.inflated(element) if element.kind == _COMPRESSED else element
        if kind == _MATRIX:
            name, value = reader.matrix(body, names)
            variables[name] = value
    return variables


def _elements(view: memoryview) -> Iterator[_Element]:
    at = 0
    while at < len(view):
        if at + 8 > len(view):
            raise WeightsError("ends within an element; take another copy")
        kind, size = struct.unpack_from("<II", view, at)
        if kind >> 16:  # a short one, all in its tag
            kind, size, start, following = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start = at + 8
            following = start + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if start + size > min(following, len(view)):
            raise WeightsError("ends within an element; take another copy")
        yield _Element(kind, view[start : start + size])
        at = following


def _next(elements: Iterator[_Element]) -> _Element:
    for element in elements:
        return element
    raise WeightsError("lacks a part of a matrix; take another copy")


class _Reader:
    """Unpacks and reads matrices, up to a size and a number of them in all."""

    def __init__(self) -> None:
        self._room = LIMIT  # bytes
        self._left = _MATRICES

    def inflated(self, element: _Element) -> _Element:
        """The element that a compressed one holds."""
        inflater = zlib.decompressobj()
        unpacked = inflater.decompress(element.body, self._room)
        self._room -= len(unpacked)
        if inflater.unconsumed_tail or not self._room:
            raise WeightsError(f"unpacks to more than {LIMIT >> 30} GB, which no VGG network has")
        return _next(_elements(memoryview(unpacked)))

    def matrix(
        self, body: memoryview, names: Collection[str] | None = None, depth: int = 0
    ) -> tuple[str, Value]:
        """Name and value of a matrix; the value is None if `names` are given and it has another."""
        self._count(1)
        if depth > _DEPTH:
            raise WeightsError(f"nests deeper than {_DEPTH} levels; not a network's file")
        if not body:
            return "", None
        parts = _elements(body)
        flags, dimensions, name = (_next(parts).body for _ in range(3))
        shape = tuple(_integers(dimensions))
        label = bytes(name).decode("latin-1")
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
            return bytes(letters.body).decode(coding, errors="replace")
        if kind in _CLASSES:
            numbers, name = _next(parts), _CLASSES[kind]
            return Stored(shape, name, lambda: _numbers(numbers, name, shape))
        return None

    def _structures(self, count: int, parts: Iterator[_Element], depth: int) -> Value:
        (length,) = _integers(_next(parts).body)
        letters = bytes(_next(parts).body)
        starts = range(0, len(letters), max(1, length))
        fields = [letters[at : at + length].partition(b"\0")[0].decode("latin-1") for at in starts]
        self._count(count * max(1, len(fields)))
        items = [{field: self._inner(parts, depth) for field in fields} for _ in range(count)]
        return items[0] if count == 1 else items

    def _inner(self, parts: Iterator[_Element], depth: int) -> Value:
        return self.matrix(_next(parts).body, depth=depth + 1)[1]

    def _count(self, matrices: int) -> None:
        self._left -= matrices
        if self._left < 0:
            raise WeightsError(f"holds more than {_MATRICES} matrices; not a network's file")


def _integers(body: memoryview) -> list[int]:
    return [int(number) for number in np.frombuffer(body, "<i4")]


def _numbers(element: _Element, kind: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers may be stored in a smaller type than the matrix has; columns come first."""
    values = np.frombuffer(element.body, _TYPES[element.kind]).astype(kind)
    return from_numpy(values.reshape(shape, order="F"))

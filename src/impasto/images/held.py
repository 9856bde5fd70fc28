"""Encoded pictures that are no files: bytes, streams, resources inside a package."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, Protocol

from impasto.errors import ImageError, printable

__all__ = ["MAX_BYTES", "Encoded", "Resource", "contents", "held"]

MAX_BYTES = 500_000_000
"""Of an encoded picture that is read into memory."""

_PIECE = 1 << 20  # bytes read at a time


class Resource(Protocol):
    """What `importlib.resources.files` gives of a file, though it may be inside an archive."""

    @property
    def name(self) -> str:
        """Without folders."""

    def open(self, mode: str) -> BinaryIO:
        """A stream of its bytes."""


@dataclass(frozen=True)
class Encoded:
    """A picture's file in memory.

    Attributes:
        name: what errors and records call it.
        data: the bytes of the file, in any format that `read` reads.
    """

    name: str
    data: bytes = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """The checksum of the bytes, in hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()


def held(source: Any) -> Any:  # noqa: ANN401 (whatever pictures may come from)
    """Bytes, a binary stream or a resource as Encoded; anything else as it is.

    A stream that can seek is read from its beginning. Raises ImageError for one of text, for one
    that cannot be read, and above MAX_BYTES.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        _check_length(data := bytes(source), "bytes", MAX_BYTES)
        return Encoded("bytes", data)
    if isinstance(source, (str, os.PathLike)):
        return source
    if callable(getattr(source, "read_bytes", None)):
        return _resource(source)
    if callable(getattr(source, "read", None)):
        return _stream(source)
    return source


def contents(stream: BinaryIO, name: str, longest: int = MAX_BYTES) -> bytes:
    """What is left of a stream; ImageError above `longest` bytes, or for a stream of text."""
    kept = bytearray()
    while piece := stream.read(_PIECE):
        if not isinstance(piece, bytes):
            raise ImageError(f"{name}: a stream of text; open it for binary reading, as by 'rb'")
        kept += piece
        _check_length(kept, name, longest)
    return bytes(kept)


def _check_length(data: bytes | bytearray, name: str, longest: int) -> None:
    if len(data) > longest:
        raise ImageError(f"{name}: over {longest:,} bytes; expected a smaller file")


def _stream(stream: BinaryIO) -> Encoded:
    given = getattr(stream, "name", None)  # of a descriptor it is a number
    name = type(stream).__name__
    if isinstance(given, (str, bytes)) and given:
        name = printable(os.path.basename(os.fsdecode(given)))  # noqa: PTH119 (a name may be bytes)
    if isinstance(stream, io.TextIOBase):
        raise ImageError(f"{name}: a stream of text; open it for binary reading, as by 'rb'")
    try:
        if stream.seekable():
            stream.seek(0)
        return Encoded(name, contents(stream, name, MAX_BYTES))
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise ImageError(f"{name}: cannot be read ({error}); expected an open stream") from error


def _resource(resource: Resource) -> Encoded:
    name = printable(resource.name)
    try:
        with resource.open("rb") as stream:
            return Encoded(name, contents(stream, name, MAX_BYTES))
    except (OSError, KeyError, ValueError) as error:  # KeyError: not in the archive
        raise ImageError(f"{name}: cannot be read ({error}); expected an image file") from error

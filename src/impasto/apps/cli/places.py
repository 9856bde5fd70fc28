"""Where results go without replacing what is there: free names, and standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from impasto.errors import OutputError, printable
from impasto.outputs import Request
from impasto.outputs.names import real

if TYPE_CHECKING:
    from impasto.objective import StyleCache

__all__ = ["STDOUT", "Series", "check_new", "free", "numbered", "standard_output", "taken"]

STDOUT = "-"


def numbered(path: Path) -> Iterator[Path]:
    """The path itself, then `name-2.png`, `name-3.png` and so on."""
    yield path
    for number in count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def taken(path: Path) -> bool:
    """Whether there is a file at `path`, or a folder with something in it."""
    if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises for a name that is too long)
        with suppress(OSError):  # the writer of the folder reports it
            return any(True for _ in path.iterdir())
    return os.path.isfile(path)  # noqa: PTH113 (Path.is_file raises for a name that is too long)


@dataclass
class Series:
    """What the pictures of one command share.

    Attributes:
        cache: the styles' statistics.
        replace: whether files that were there before may be replaced.
        used: files that the command has read or written, past links; none of them is replaced.
    """

    cache: StyleCache | None = None
    replace: bool = False
    used: set[str] = field(default_factory=set)

    def is_taken(self, path: Path) -> bool:
        """Whether what is at `path` must stay."""
        return self._has(path) or (not self.replace and taken(path))

    def check(self, paths: Iterable[Path]) -> None:
        """OutputError where one of these is a file of another picture, or an input."""
        for path in paths:
            if self._has(path):
                raise OutputError(
                    f"{printable(path)}: is also a file of another photograph; leave it out, or "
                    f"paint one photograph at a time"
                )

    def _has(self, path: Path) -> bool:
        with suppress(ValueError):  # a NUL in the name, which the reader of the input reports
            return real(path) in self.used
        return False


def check_new(path: Path) -> None:
    """OutputError where something is there already."""
    if taken(path):
        raise OutputError(
            f"{printable(path)}: exists; choose another name, or add --overwrite to replace it"
        )


def free(
    make: Callable[[Path | None], Request],
    iterations: int,
    is_taken: Callable[[Path], bool] = taken,
) -> Request:
    """The request for a picture of the first number with which none of its files is taken.

    `make` gives the request for a picture at a path, or at that of its own choice. What has the
    same name whatever the number is left for `check_new`.
    """

    def there(request: Request) -> set[Path]:
        return {path for path in request.paths(iterations) if is_taken(path)}

    request = make(None)
    places = numbered(request.target.path)
    next(places)  # its own
    found, fixed = there(request), set[Path]()
    while found - fixed:
        request = make(next(places))
        found, fixed = there(request), found & set(request.paths(iterations))
    return request


@contextmanager
def standard_output(*, wanted: bool) -> Iterator[BinaryIO | None]:
    """The stream for a picture; whatever else is printed goes to stderr. None if not `wanted`.

    Raises OutputError for a terminal.
    """
    if not wanted:
        yield None
        return
    if sys.stdout.isatty():
        raise OutputError("standard output is a terminal; redirect it, as by > painted.png")
    stream = sys.stdout.buffer
    with redirect_stdout(sys.stderr):
        # unbuffered, so that nothing is left to be written when a reader has gone
        yield getattr(stream, "raw", stream)

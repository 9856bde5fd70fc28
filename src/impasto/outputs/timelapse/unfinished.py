"""A film in the making, of any kind: complete at its end, or none."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from impasto.errors import OutputError, shown

__all__ = ["Unfinished"]

Film = TypeVar("Film", bound="Unfinished")


class Unfinished(ABC):
    """A film that is closed at the end of a `with` block, and abandoned if the block raises.

    Args:
        path: where it appears once it is closed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path

    @abstractmethod
    def close(self) -> None:
        """Complete the film and put it in its place."""

    @abstractmethod
    def abandon(self) -> None:
        """Delete the unfinished film."""

    def __enter__(self: Film) -> Film:
        """The film itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Close, or abandon after an error."""
        if error:
            self.abandon()
        else:
            self.close()

    @contextmanager
    def _abandoned_by(self, errors: type[BaseException]) -> Iterator[None]:
        """Abandon the film if one of these is raised; an OSError becomes an OutputError."""
        try:
            yield
        except errors as error:
            self.abandon()
            if isinstance(error, OSError):
                why = error.strerror or error
                raise OutputError(f"{shown(self._path)}: {why}; no film was written") from error
            raise

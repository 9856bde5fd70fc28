"""Which photograph goes with which painting."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from impasto.errors import ImageError, SettingsError
from impasto.images.decode import READABLE, endings, shown

__all__ = ["PAIRINGS", "Gallery", "Pair", "galleries_in", "pair_up", "pairs_in"]


@dataclass(frozen=True)
class Pair:
    """A photograph's file, and that of the painting in whose style it is to be painted."""

    content: Path
    style: Path


@dataclass(frozen=True)
class Gallery:
    """The picture files of `folder` whose names begin with `prefix`.

    A picture is known by its name's ending, in any letter case; hidden files are none.
    """

    folder: Path
    prefix: str = ""

    def has(self, path: Path) -> bool:
        """Whether a file of that path, there or not yet, is one of the gallery's."""
        name = path.name
        fits = name.startswith(self.prefix) and not name.startswith(".")
        return (
            fits
            and path.suffix.lower() in endings()
            and os.path.realpath(path.parent) == os.path.realpath(self.folder)
        )

    def pictures(self, but: Collection[Path] = ()) -> list[Path]:
        """The files in natural order, but for some real paths; ImageError if there are none."""
        where, home = shown(self.folder), Path(os.path.realpath(self.folder))
        try:
            files = [path for path in self.folder.iterdir() if self.has(path)]
        except OSError as error:
            raise ImageError(f"{where}: {error.strerror}; expected a folder of pictures") from error
        found = [path for path in files if home / path.name not in but and not path.is_dir()]
        if not found:
            named = f" whose name begins with {self.prefix}" if self.prefix else ""
            raise ImageError(
                f"{where}: holds no picture{named}; expected files of {', '.join(READABLE)}, "
                f"with their usual endings"
            )
        return sorted(found, key=_natural)


def galleries_in(folder: str | os.PathLike[str]) -> tuple[Gallery, Gallery]:
    """The photographs content_* and the paintings style_* of a folder."""
    return Gallery(Path(folder), "content_"), Gallery(Path(folder), "style_")


def pairs_in(folder: str | os.PathLike[str], how: str = "order") -> list[Pair]:
    """Pair the pictures content_* and style_* of a folder; see `pair_up`."""
    contents, styles = galleries_in(folder)
    return pair_up(contents.pictures(), styles.pictures(), how)


def pair_up(contents: Sequence[Path], styles: Sequence[Path], how: str = "order") -> list[Pair]:
    """First with first and so on ("order"), or every photograph with every painting ("all").

    Raises SettingsError if there are not as many of the ones as of the others to pair in order.
    """
    if how not in PAIRINGS:
        raise SettingsError(f"pairs is {how!r}; expected one of {', '.join(PAIRINGS)}")
    return PAIRINGS[how](contents, styles)


def _in_order(contents: Sequence[Path], styles: Sequence[Path]) -> list[Pair]:
    if len(contents) != len(styles):
        raise SettingsError(
            f"there are {len(contents)} content and {len(styles)} style pictures, too few of one "
            f"to pair them in order; add the missing ones, or use --pairs all"
        )
    return [Pair(*both) for both in zip(contents, styles, strict=True)]


def _all(contents: Sequence[Path], styles: Sequence[Path]) -> list[Pair]:
    return [Pair(*both) for both in product(contents, styles)]


PAIRINGS = {"order": _in_order, "all": _all}


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Numbers in a name count as numbers: content_2 comes before content_10."""
    parts = re.split(r"(\d+)", path.stem.casefold())  # text, digits, text, …
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], path.name

"""Which photograph goes with which painting."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from impasto.errors import SettingsError
from impasto.images.folders import names_picture, pictures_in

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
        here = os.path.realpath(path.parent) == os.path.realpath(self.folder)
        return here and names_picture(path.name, self.prefix)

    def pictures(self, but: Collection[Path] = ()) -> list[Path]:
        """The files in natural order, but for some real paths; ImageError if there are none."""
        return pictures_in(self.folder, self.prefix, but)


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

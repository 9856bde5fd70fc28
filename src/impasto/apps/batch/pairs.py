"""Pairs of a photograph and a painting."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from impasto.apps.batch.stores import Place, Url, place_of
from impasto.errors import SettingsError
from impasto.images.folders import names_picture, pictures_in

__all__ = ["PAIRINGS", "Gallery", "Pair", "galleries_in", "pair_up", "pairs_in"]


@dataclass(frozen=True)
class Pair:
    """The file of a photograph, and that of the painting whose style it gets."""

    content: Place
    style: Place


@dataclass(frozen=True)
class Gallery:
    """The picture files of `folder` whose names begin with `prefix`, or one picture by its path.

    Names tell pictures by their endings, in any letter case; hidden files are ignored. The folder
    may be in a store.
    """

    folder: Place
    prefix: str = ""

    def has(self, path: Place) -> bool:
        """Whether a file at that path is one of the gallery's, or would be if it existed."""
        if isinstance(path, Url) or isinstance(self.folder, Url):
            return path.parent == self.folder and names_picture(path.name, self.prefix)
        if self.is_file:
            return os.path.realpath(path) == os.path.realpath(self.folder)
        here = os.path.realpath(path.parent) == os.path.realpath(self.folder)
        return here and names_picture(path.name, self.prefix)

    def pictures(self, excluded: Collection[Place] = ()) -> list[Place]:
        """The files in natural order, without the `excluded`, which are paths past links.

        Raises ImageError if there are none.
        """
        if isinstance(self.folder, Url):
            return list(self.folder.pictures(self.prefix, excluded))
        if self.is_file:
            return [self.folder]
        here = [path for path in excluded if isinstance(path, Path)]
        return list(pictures_in(self.folder, self.prefix, here))

    @property
    def is_file(self) -> bool:
        """Whether it is one picture by its path."""
        if isinstance(self.folder, Url):
            return not self.prefix and self.folder.exists()
        return not self.prefix and os.path.isfile(self.folder)  # noqa: PTH113 (a name may be too long)


def galleries_in(folder: str | os.PathLike[str]) -> tuple[Gallery, Gallery]:
    """The photographs content_* and the paintings style_* of a folder."""
    place = place_of(os.fsdecode(folder))
    return Gallery(place, "content_"), Gallery(place, "style_")


def pairs_in(folder: str | os.PathLike[str], how: str = "order") -> list[Pair]:
    """Pair the pictures content_* and style_* of a folder; see `pair_up`."""
    contents, styles = galleries_in(folder)
    return pair_up(contents.pictures(), styles.pictures(), how)


def pair_up(contents: Sequence[Place], styles: Sequence[Place], how: str = "order") -> list[Pair]:
    """The first with the first and so on ("order"), or each photograph with each painting ("all").

    Raises SettingsError for other words, and if their numbers differ when paired in order.
    """
    if how not in PAIRINGS:
        raise SettingsError(f"pairs is {how!r}; expected one of {', '.join(PAIRINGS)}")
    return PAIRINGS[how](contents, styles)


def _in_order(contents: Sequence[Place], styles: Sequence[Place]) -> list[Pair]:
    if len(contents) != len(styles):
        raise SettingsError(
            f"there are {len(contents)} content and {len(styles)} style pictures, too few of one "
            f"to pair them in order; add the missing ones, or set pairs to all"
        )
    return [Pair(*both) for both in zip(contents, styles, strict=True)]


def _all(contents: Sequence[Place], styles: Sequence[Place]) -> list[Pair]:
    return [Pair(*both) for both in product(contents, styles)]


PAIRINGS = {"order": _in_order, "all": _all}

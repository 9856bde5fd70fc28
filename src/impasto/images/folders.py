"""The picture files of a folder, in natural order."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Collection
from pathlib import Path, PurePath

from PIL import Image

from impasto.errors import ImageError, shown

__all__ = ["READABLE", "endings", "names_picture", "natural", "pictures_in"]

READABLE = (
    "JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP", "GIF", "PPM", "JPEG2000", "ICO", "TGA"
)  # fmt: skip
"""Pillow's names of formats; JPEG includes phones' MPO, PPM its kin, and TGA has no signature."""

PHOTOS = (".heic", ".heif", ".hif", ".jxl")
"""Endings of formats that the extra `photos` reads. Cameras put a JPEG beside a raw file, so that
those are read by name alone."""


@functools.cache
def endings() -> tuple[str, ...]:
    """The endings, in lower case, of the names of files that are pictures of a folder."""
    known = Image.registered_extensions().items()
    return (*dict.fromkeys(e for e, kind in known if kind in READABLE), *PHOTOS)


def names_picture(name: str, prefix: str = "") -> bool:
    """Whether a file of that name is one of the pictures whose names begin with `prefix`.

    It is known by its ending, in any letter case. Hidden files are none: macOS puts a `._name.jpg`
    beside each picture.
    """
    visible = name.startswith(prefix) and not name.startswith(".")
    return visible and Path(name).suffix.lower() in endings()


def pictures_in(
    folder: str | os.PathLike[str], prefix: str = "", excluded: Collection[Path] = ()
) -> list[Path]:
    """Files of the pictures in a folder whose names begin with `prefix`, in natural order.

    Leaves out hidden files, folders, and the `excluded`, which are real paths (without links).
    Raises ImageError if the folder cannot be read, or holds no such picture.
    """
    where, home = shown(folder), Path(os.path.realpath(folder))
    try:
        files = [path for path in Path(folder).iterdir() if names_picture(path.name, prefix)]
    except OSError as error:
        raise ImageError(f"{where}: {error.strerror}; expected a folder of pictures") from error
    found = [path for path in files if home / path.name not in excluded and not path.is_dir()]
    if not found:
        named = f" whose name begins with {shown(prefix)}" if prefix else ""
        raise ImageError(
            f"{where}: holds no picture{named}; expected files of {', '.join(READABLE)}, "
            f"with their usual endings"
        )
    return sorted(found, key=natural)


def natural(path: PurePath) -> tuple[list[str | int], str]:
    """A key by which names are sorted, their numbers as numbers: content_2 before content_10."""
    parts = re.split(r"(\d+)", path.stem.casefold())  # text, digits, text, …
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], path.name

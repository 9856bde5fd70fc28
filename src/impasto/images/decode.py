"""Files and other sources to pictures."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import re
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError, _imaging

from impasto.errors import ImageError, ImageTooLarge, ImpastoError, OutOfMemory, shown
from impasto.images.arrays import check_size, from_array, from_tensor
from impasto.images.bands import bands
from impasto.images.complete import check_complete
from impasto.images.deep import deep_levels, has_deep_colours
from impasto.images.folders import READABLE
from impasto.images.icc import conversion
from impasto.images.levels import unit
from impasto.images.picture import Picture
from impasto.images.record import exif_tags, record_in

__all__ = ["MAX_PIXELS", "Source", "read", "read_record"]

Source: TypeAlias = "Picture | str | os.PathLike[str] | Image.Image | np.ndarray | torch.Tensor"

MAX_PIXELS = 200_000_000
COSTS = {"WEBP": 2, "AVIF": 3}  # memory of decoders, in that of the others
DEEP_COST = 2  # the same of 16-bit RGB
TILE_WIDTH, TILE_LENGTH = 322, 323
ROWS = 64  # at a time, where floats are needed
MODES = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK", "LAB": "LAB"}  # all others: RGB

_pillow_lock = threading.Lock()
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else logging's last resort prints


def read(source: Source, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture from a file, a Pillow image, an array or a tensor.

    A file is recognised by its content: JPEG, PNG, WebP, TIFF, AVIF, BMP, GIF (first frame). It is
    turned upright by its EXIF orientation, and its colours are converted to sRGB from its ICC
    profile; without one, or with a broken one, they are taken as sRGB. Transparency is kept, and
    so are 16 bits of grey and RGB from PNG and TIFF files; a profile is applied to these by
    blending 8-bit conversions. Pillow images are treated like files, with the bits they hold.

    Raises ImageTooLarge above `max_pixels`, before decoding (above half of them for WebP and 16-bit
    RGB, a third for AVIF, because their decoders take more memory); ImageError for what is
    missing, incomplete, damaged or not a picture; OutOfMemory where the machine has too little
    for it.
    """
    if type(max_pixels) is not int:
        raise ImageError(f"max_pixels is {max_pixels!r}; expected a number of pixels")
    if isinstance(source, (str, os.PathLike)):
        return _from_file(source, max_pixels)
    name = f"{type(source).__name__}"
    if isinstance(source, Image.Image):
        with _pillow("Pillow image", None):
            return _from_pillow(source, max_pixels)
    with _enough_memory(name):
        return _in_memory(source, max_pixels)


def _in_memory(source: object, max_pixels: int) -> Picture:
    if isinstance(source, Picture):
        check_size(source.size, max_pixels)
        return source
    if isinstance(source, np.ndarray):
        return from_array(source, max_pixels)
    if isinstance(source, torch.Tensor):
        return from_tensor(source, max_pixels)
    raise ImageError(
        f"{type(source).__name__}: expected a path, a Picture, a Pillow image, an array or a tensor"
    )


def read_record(path: str | os.PathLike[str]) -> str | None:
    """The text embedded in a file, without decoding its pixels; None if there is none.

    Raises ImageError and OutOfMemory as `read` does.
    """
    with _opened(path) as stream, _pillow(shown(path), _limit(stream, MAX_PIXELS)):
        image = Image.open(stream, formats=READABLE)
        # Pillow would decode a whole PNG to look for EXIF behind the pixels; ours is before them.
        return None if image.format == "PNG" and "exif" not in image.info else record_in(image)


def _limit(stream: io.BufferedReader, max_pixels: int) -> int | None:
    """The limit that Pillow has to watch: it allocates the first frame of a GIF on opening it."""
    return max_pixels if stream.peek(3).startswith(b"GIF") else None


def _from_file(path: str | os.PathLike[str], max_pixels: int) -> Picture:
    with _opened(path) as stream, _pillow(shown(path), _limit(stream, max_pixels)):
        image = Image.open(stream, formats=READABLE)
        cost = DEEP_COST if has_deep_colours(image, stream) else COSTS.get(image.format or "", 1)
        check_size(image.size, max_pixels // cost)
        check_complete(image, stream)
        return _from_pillow(image, max_pixels, stream)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[io.BufferedReader]:
    """Open a regular file that holds something; opening a pipe would wait for its other end."""
    name = shown(path)
    try:
        found = Path(os.fsdecode(path)).stat()
        if stat.S_ISDIR(found.st_mode):
            raise ImageError(f"{name}: a folder; expected an image file")
        if not stat.S_ISREG(found.st_mode):
            raise ImageError(f"{name}: a pipe or device; expected an image file")
        if found.st_size == 0:
            raise ImageError(f"{name}: empty (0 bytes); expected an image file")
        stream = Path(os.fsdecode(path)).open("rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise ImageError(f"{name}: {error.strerror}; expected a readable image file") from error
    except ValueError as error:  # a NUL in the path
        raise ImageError(f"{name}: {error}; expected the path of an image file") from error
    with stream:
        yield stream


@contextmanager
def _enough_memory(name: str) -> Iterator[None]:
    """Turn a lack of memory into OutOfMemory, whichever library reports it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise OutOfMemory(
            f"{name}: not enough memory to read it; close other programs or make it smaller"
        ) from error


@contextmanager
def _pillow(name: str, max_pixels: int | None) -> Iterator[None]:
    """Pillow without its warnings and with our limit, its errors turned into ImpastoError.

    Both are globals of the process, hence the lock. On damaged files Pillow raises nearly
    anything (OSError, SyntaxError, struct.error, KeyError, ...), hence `Exception`.
    """
    with _pillow_lock, warnings.catch_warnings(), _quiet_libtiff():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
        try:
            with _enough_memory(name):
                yield
        except OutOfMemory:
            raise
        except ImpastoError as error:
            raise type(error)(f"{name}: {error}") from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            pixels = re.search(r"\((\d+) pixels\)", str(error))
            raise ImageTooLarge(
                f"{name}: {int(pixels[1]) if pixels else 0:,} pixels, above the limit of "
                f"{max_pixels:,}; raise max_pixels, or make the image smaller"
            ) from error
        except UnidentifiedImageError as error:
            known = ", ".join(READABLE)
            raise ImageError(f"{name}: not an image that can be read; expected {known}") from error
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(
                f"{name}: damaged or unusual image ({reason}); expected a complete file, "
                f"perhaps saved anew from another program"
            ) from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _quiet_libtiff() -> Iterator[None]:
    """Without the lines that Pillow's libtiff writes to stderr: Pillow has no switch for them.

    Where libtiff is not a library of its own (Pillow on Windows) they stay.
    """
    try:
        libtiff = ctypes.CDLL(_imaging.__file__)
        setters = [libtiff.TIFFSetErrorHandler, libtiff.TIFFSetWarningHandler]
    except (AttributeError, OSError):
        setters = []
    for setter in setters:
        setter.restype, setter.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    previous = [setter(None) for setter in setters]
    try:
        yield
    finally:
        for setter, handler in zip(setters, previous, strict=True):
            setter(handler)


def _from_pillow(image: Image.Image, max_pixels: int, stream: BinaryIO | None = None) -> Picture:
    """Decode, convert to sRGB, turn upright; `stream` is the file, for the bits Pillow drops."""
    check_size(image.size, max_pixels)
    tags = getattr(image, "tag_v2", {})  # a TIFF's tiles may be larger than itself
    check_size((tags.get(TILE_WIDTH, 1), tags.get(TILE_LENGTH, 1)), max_pixels)
    icc = image.info.get("icc_profile")
    levels = deep_levels(image, stream)
    levels = _levels(image, icc) if levels is None else _deep_srgb(levels, icc)
    turn = TURNS.get(exif_tags(image).get(ExifTags.Base.Orientation), TURNS[1])
    return Picture.of_levels(turn(levels), record_in(image))


def _levels(image: Image.Image, icc: bytes | None) -> np.ndarray:
    """(h, w, 1 to 4) uint8 sRGB; 2 and 4 have alpha."""
    image.load()
    mode = MODES.get(image.mode, "RGB")
    convert = conversion(icc, mode)
    stored = "RGB" if mode == "CMYK" and not convert else mode
    colours = 1 if mode == "L" and not convert else 3
    transparent = image.has_transparency_data
    levels = np.empty((image.height, image.width, colours + transparent), np.uint8)
    for rows, part in bands(image):
        values = _band(part, stored)
        levels[rows, :, :colours] = convert(values) if convert else values
        if transparent:
            levels[rows, :, -1] = _band(part, "RGBA")[..., 3]
    return levels


def _band(part: Image.Image, mode: str) -> np.ndarray:
    """(h, w, c) uint8 of an image, converted to the mode."""
    levels = np.asarray(part if part.mode == mode else part.convert(mode))
    return levels if levels.ndim == 3 else levels[..., None]


def _deep_srgb(levels: np.ndarray, icc: bytes | None) -> np.ndarray:
    """Levels (h, w, 1 to 4) of more than 8 bits to sRGB; uint16 where there is a profile."""
    colours = levels.shape[2] - (levels.shape[2] in (2, 4))
    convert = conversion(icc, "L" if colours == 1 else "RGB")
    if convert is None:
        return levels
    out = levels
    if colours == 1 or levels.dtype != np.uint16:
        out = np.empty((*levels.shape[:2], levels.shape[2] - colours + 3), np.uint16)
    for first in range(0, len(levels), ROWS):
        band, into = levels[first : first + ROWS], out[first : first + ROWS]
        into[..., 3:] = _uint16(unit(band[..., colours:]))
        into[..., :3] = _uint16(convert(unit(band[..., :colours])))
    return out


def _uint16(values: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] to the nearest of 65,536 levels."""
    levels: np.ndarray = np.rint(values * np.float32(65535)).astype(np.uint16)
    return levels


# EXIF orientation to the way upright; what is stored is (h, w, ...)
TURNS: dict[object, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored[::-1].swapaxes(0, 1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored[:, ::-1].swapaxes(0, 1),
}

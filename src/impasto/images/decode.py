"""Files and other sources to pictures."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError, _imaging

from impasto.errors import ImageError, ImageTooLarge, shown
from impasto.images.arrays import from_array, from_tensor, planes, unit
from impasto.images.deep import deep_channels
from impasto.images.folders import READABLE, endings
from impasto.images.icc import conversion
from impasto.images.picture import Picture
from impasto.images.record import exif_tags, record_in

__all__ = [
    "MAX_PIXELS",
    "READABLE",
    "Source",
    "endings",
    "read",
    "read_record",
    "shown",
]

Source: TypeAlias = "Picture | str | os.PathLike[str] | Image.Image | np.ndarray | torch.Tensor"

MAX_PIXELS = 200_000_000
TILE_WIDTH, TILE_LENGTH = 322, 323
MODES = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK", "LAB": "LAB"}  # all others: RGB

_pillow_lock = threading.Lock()
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else unheard errors go to stderr


def read(source: Source, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture from a file, a Pillow image, an array or a tensor.

    A file is recognised by its content: JPEG, PNG, WebP, TIFF, AVIF, BMP, GIF (first frame). It is
    turned upright by its EXIF orientation, and its colours are converted to sRGB from its ICC
    profile; without one, or with a broken one, they are taken as sRGB. Transparency is kept, and
    so are 16 bits of grey and RGB from PNG and TIFF files; a profile is applied to these by
    blending 8-bit conversions. Pillow images are treated like files, with the bits they hold.

    Raises ImageTooLarge above `max_pixels`, before decoding, and ImageError for what is missing,
    damaged or not a picture.
    """
    if isinstance(source, (str, os.PathLike)):
        return _from_file(source, max_pixels)
    if isinstance(source, Image.Image):
        with _pillow("Pillow image"):
            return _from_pillow(source, max_pixels)
    picture = source if isinstance(source, Picture) else _in_memory(source)
    _check_size(picture.size, max_pixels)
    return picture


def _in_memory(source: object) -> Picture:
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, torch.Tensor):
        return from_tensor(source)
    raise ImageError(
        f"{type(source).__name__}: expected a path, a Picture, a Pillow image, an array or a tensor"
    )


def read_record(path: str | os.PathLike[str]) -> str | None:
    """The text embedded in a file, without decoding its pixels; None if there is none.

    Raises ImageError as `read` does.
    """
    with _opened(path) as stream, _pillow(shown(path)):
        image = Image.open(stream, formats=READABLE)
        # Pillow would decode a whole PNG to look for EXIF behind the pixels; we write it before.
        return None if image.format == "PNG" and "exif" not in image.info else record_in(image)


def _from_file(path: str | os.PathLike[str], max_pixels: int) -> Picture:
    with _opened(path) as stream, _pillow(shown(path)):
        image = Image.open(stream, formats=READABLE)
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
def _pillow(name: str) -> Iterator[None]:
    """Pillow without its warnings and its own limit, its errors turned into ImageError.

    Both are globals of the process, hence the lock. On damaged files Pillow raises nearly
    anything (OSError, SyntaxError, struct.error, KeyError, ...), hence `Exception`.
    """
    with _pillow_lock, warnings.catch_warnings(), _quiet_libtiff():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        except ImageError as error:
            raise type(error)(f"{name}: {error}") from error
        except MemoryError:
            raise  # says nothing of the file
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


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if min(size) < 1:
        raise ImageError(f"{width}x{height} px; expected at least 1x1")
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"{width}x{height} px is {width * height:,} pixels, above the limit of "
            f"{max_pixels:,}; raise it by --max-pixels, or make the image smaller"
        )


def _from_pillow(
    image: Image.Image, max_pixels: int, stream: io.BufferedReader | None = None
) -> Picture:
    """Decode, convert to sRGB, turn upright; `stream` is the file, for the bits Pillow drops."""
    _check_size(image.size, max_pixels)
    tags = getattr(image, "tag_v2", {})  # a TIFF's tiles may be larger than itself
    _check_size((tags.get(TILE_WIDTH, 1), tags.get(TILE_LENGTH, 1)), max_pixels)
    image.load()
    encoded = b""
    if stream is not None and image.format in ("PNG", "TIFF"):
        stream.seek(0)
        encoded = stream.read()
    colours, alpha = _srgb(image, encoded)
    turn = TURNS.get(exif_tags(image).get(ExifTags.Base.Orientation), TURNS[1])
    pixels = planes(turn(colours))  # (3, h, w)
    opacity = None if alpha is None else torch.from_numpy(unit(np.ascontiguousarray(turn(alpha))))
    return Picture(pixels, opacity, record_in(image))


def _srgb(image: Image.Image, encoded: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours (h, w, 1 or 3) and alpha (h, w), uint8 or float32 in [0, 1]."""
    colours, alpha = deep_channels(image, encoded), None
    icc = image.info.get("icc_profile")
    if colours is not None:
        if colours.shape[2] in (2, 4):
            colours, alpha = colours[..., :-1], colours[..., -1]
        convert = conversion(icc, "L" if colours.shape[2] == 1 else "RGB")
    else:
        mode = MODES.get(image.mode, "RGB")
        convert = conversion(icc, mode)
        colours = _levels(image, "RGB" if mode == "CMYK" and not convert else mode)
        alpha = _levels(image, "RGBA")[..., 3] if image.has_transparency_data else None
    return convert(colours) if convert else colours, alpha


def _levels(image: Image.Image, mode: str) -> np.ndarray:
    """(h, w, c) uint8"""
    levels = np.asarray(image if image.mode == mode else image.convert(mode))
    return levels if levels.ndim == 3 else levels[..., None]


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

"""Pillow as part of a program: its warnings, limits and errors, and what its decoders print."""

from __future__ import annotations

import ctypes
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError, _imaging

from impasto.errors import ImageError, ImageTooLarge, ImpastoError, OutOfMemory
from impasto.images.folders import READABLE

__all__ = ["enough_memory", "pillow"]

_lock = threading.Lock()
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else logging's last resort prints


@contextmanager
def enough_memory(name: str) -> Iterator[None]:
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
def pillow(name: str, max_pixels: int | None) -> Iterator[None]:
    """Pillow without its warnings and with our limit, its errors turned into ImpastoError.

    Both are globals of the process, hence the lock. On damaged files Pillow raises nearly
    anything (OSError, SyntaxError, struct.error, KeyError, ...), hence `Exception`.
    """
    with _lock, warnings.catch_warnings(), _quiet_libtiff():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
        try:
            with enough_memory(name):
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

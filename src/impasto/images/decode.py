"""Files and other sources to pictures."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import numpy as np
import torch
from PIL import ExifTags, Image

from impasto.errors import ImageError
from impasto.images.arrays import check_size, from_array, from_tensor
from impasto.images.bands import bands
from impasto.images.complete import check_complete
from impasto.images.deep import deep_levels, has_deep_colours
from impasto.images.folders import READABLE
from impasto.images.guard import enough_memory, pillow
from impasto.images.held import Encoded, Resource, held
from impasto.images.icc import conversion
from impasto.images.levels import unit
from impasto.images.metadata import Metadata, metadata_in
from impasto.images.names import located
from impasto.images.opening import called, opened
from impasto.images.photos import Decoded, photo_of
from impasto.images.picture import Picture
from impasto.images.record import exif_tags, record_in

__all__ = ["MAX_PIXELS", "Details", "Source", "open_image", "read", "read_details", "read_record"]

Source: TypeAlias = (
    "Picture | str | os.PathLike[str] | bytes | BinaryIO | Resource | Encoded | Image.Image "
    "| np.ndarray | torch.Tensor"
)

MAX_PIXELS = 200_000_000
COSTS = {"WEBP": 2, "AVIF": 3, "JPEG2000": 4}  # memory of decoders, in that of the others
DEEP_COST = 2  # the same of 16-bit RGB
TILE_WIDTH, TILE_LENGTH = 322, 323
ROWS = 64  # at a time, where floats are needed
MODES = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK", "LAB": "LAB"}  # all others: RGB
ICO = b"\0\0\1\0"


def read(source: Source, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture from a file, bytes, a stream, a Pillow image, an array or a tensor.

    Text is a path, `sample:NAME` for a bundled picture, or a `file://` address. A file is
    recognised by its content: JPEG, PNG, WebP, TIFF, AVIF, BMP, GIF (first frame), PPM, TGA, JPEG
    2000, ICO; with the extra `photos` HEIC, JPEG XL and the raw files of cameras. It is
    turned upright by its EXIF orientation, and its colours are converted to sRGB from its ICC
    profile; without one, or with a broken one, they are taken as sRGB. Transparency is kept, and
    so are 16 bits of grey and RGB from PNG and TIFF files; a profile is applied to these by
    blending 8-bit conversions. Pillow images are treated like files, with the bits they hold.
    A stream that can seek is read from its beginning.

    Raises ImageTooLarge above `max_pixels`, before decoding (above a half, third or quarter of them
    for formats whose decoders take more memory); ImageError for what is missing, incomplete,
    damaged or not a picture; ExtraMissing for a format whose library is not installed; OutOfMemory
    where the machine has too little for it.
    """
    if type(max_pixels) is not int:
        raise ImageError(f"max_pixels is {max_pixels!r}; expected a number of pixels")
    source = held(located(source))
    if isinstance(source, (str, os.PathLike, Encoded)):
        return _from_file(source, max_pixels)
    name = f"{type(source).__name__}"
    if isinstance(source, Image.Image):
        with pillow("Pillow image", None):
            return _from_pillow(source, max_pixels)
    with enough_memory(name):
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
        f"{type(source).__name__}: expected a path, bytes, a binary stream, a Picture, a Pillow "
        f"image, an array or a tensor"
    )


def _from_file(source: str | os.PathLike[str] | Encoded, max_pixels: int) -> Picture:
    with opened(source) as stream, pillow(called(source), _limit(stream, max_pixels)):
        if photo := photo_of(stream):
            return _from_photo(photo.decode(stream, max_pixels), max_pixels)
        image = open_image(stream, max_pixels)
        return _from_pillow(image, max_pixels, stream)


def open_image(stream: BinaryIO, max_pixels: int) -> Image.Image:
    """A file that Pillow opens, not decoded: neither too large nor incomplete, as `read` has it."""
    image = Image.open(stream, formats=READABLE)
    cost = DEEP_COST if has_deep_colours(image, stream) else COSTS.get(image.format or "", 1)
    check_size(image.size, max_pixels // cost)
    check_complete(image, stream)
    return image


def read_details(source: str | os.PathLike[str] | Encoded) -> Details:
    """What a file says beside its pixels, which are not decoded.

    Raises ImageError, ExtraMissing and OutOfMemory as `read` does.
    """
    with opened(source) as stream, pillow(called(source), _limit(stream, MAX_PIXELS)):
        if photo := photo_of(stream):
            picture = _from_photo(photo.decode(stream, MAX_PIXELS), MAX_PIXELS)
            return Details(photo.name, picture.record, picture.metadata)
        image = Image.open(stream, formats=READABLE)
        # Pillow would decode a whole PNG to look for EXIF behind the pixels; ours is before them.
        bare = image.format == "PNG" and "exif" not in image.info
        record = None if bare else record_in(image)
        return Details(image.format or "", record, None if bare else metadata_in(image))


def read_record(source: str | os.PathLike[str] | Encoded) -> str | None:
    """The text embedded in a file, None if there is none; see `read_details`."""
    return read_details(source).record


@dataclass(frozen=True)
class Details:
    """What a file says beside its pixels: its format, the text of a record, the photograph."""

    format: str
    record: str | None
    metadata: Metadata | None


def _limit(stream: io.BufferedReader, max_pixels: int) -> int | None:
    """The limit that Pillow has to watch: of frames that it allocates before we know their size."""
    return max_pixels if stream.peek(4).startswith((b"GIF", ICO)) else None


def _from_pillow(
    image: Image.Image, max_pixels: int, stream: BinaryIO | None = None, *, upright: bool = False
) -> Picture:
    """Decode, convert to sRGB, turn unless `upright`; `stream` has the bits that Pillow drops."""
    check_size(image.size, max_pixels)
    tags = getattr(image, "tag_v2", {})  # a TIFF's tiles may be larger than itself
    check_size((tags.get(TILE_WIDTH, 1), tags.get(TILE_LENGTH, 1)), max_pixels)
    icc = image.info.get("icc_profile")
    levels = deep_levels(image, stream)
    levels = _levels(image, icc) if levels is None else _deep_srgb(levels, icc)
    turn = TURNS[1] if upright else _turn(image)
    return Picture.of_levels(turn(levels), record_in(image), metadata_in(image))


def _from_photo(decoded: Decoded, max_pixels: int) -> Picture:
    image = decoded.image
    if decoded.levels is not None:
        metadata = None if image is None else metadata_in(image)
        return Picture.of_levels(decoded.levels, metadata=metadata)
    assert image is not None
    return _from_pillow(image, max_pixels, upright=decoded.upright)


def _turn(image: Image.Image) -> Callable[[np.ndarray], np.ndarray]:
    return TURNS.get(exif_tags(image).get(ExifTags.Base.Orientation), TURNS[1])


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

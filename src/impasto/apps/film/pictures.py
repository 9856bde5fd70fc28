"""Clips of pictures: folders of picture files, and animations that Pillow reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from impasto.apps.film.footage import MAX_FRAMES, Footage, Levels, Reading
from impasto.errors import ImageError, ImageTooLarge, shown
from impasto.images import Picture, pictures_in, read
from impasto.images.arrays import check_size

__all__ = ["ANIMATIONS", "open_animation", "open_folder"]

ANIMATIONS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG"}
"""Endings of animations, and Pillow's names of their formats."""

SHORTEST = 11  # milliseconds; browsers show frames of less for 100, and so do we
USUAL = 100  # milliseconds
MILLISECOND = Fraction(1, 1000)
TRANSPARENT = [f"transparent parts are shown over {ground}" for ground in ("black", "white")]


def open_folder(folder: Path, fps: Fraction, max_pixels: int, ground: int = 1) -> Footage:
    """The pictures of a folder in natural order, `fps` a second; all must have one size.

    Transparent parts are shown over `ground`, 1 for white and 0 for black.

    Raises ImageError if there are none, if the first cannot be read, or if sizes differ;
    ImageTooLarge above `max_pixels` a picture or MAX_FRAMES.
    """
    files = pictures_in(folder)
    if len(files) > MAX_FRAMES:
        raise ImageTooLarge(f"{shown(folder)}: more than {MAX_FRAMES:,} frames; use parts of it")
    first = read(files[0], max_pixels)
    for file in files:
        size = _size_in(file)
        if size and sorted(size) != sorted(first.size):
            raise ImageError(
                f"{shown(file)}: {size[0]}x{size[1]} px, but {files[0].name} has "
                f"{first.size[0]}x{first.size[1]}; the frames of a clip have one size"
            )
    bits = 16 if _is_deep(files[0]) else 8

    def reading(start: int) -> Reading:
        for index in range(start, len(files)):
            yield index, _picture(files[index], first.size, bits, max_pixels, ground)

    notes = (TRANSPARENT[ground],) if first.has_alpha else ()
    return Footage(
        size=first.size,
        bits=bits,
        times=tuple(range(len(files))),
        end=len(files),
        time_base=1 / fps,
        rate=fps,
        read=reading,
        notes=notes,
    )


def _picture(
    file: Path, size: tuple[int, int], bits: int, max_pixels: int, ground: int
) -> Levels | str:
    """The levels of a file, or why it is no frame of that size."""
    try:
        picture = read(file, max_pixels)
    except ImageError as error:
        return str(error)
    if picture.size != size:
        return f"{shown(file)}: {picture.size[0]}x{picture.size[1]} px, not {size[0]}x{size[1]}"
    return _over(picture, bits, ground)


def _over(picture: Picture, bits: int, ground: int) -> Levels:
    """(h, w, 3) levels, transparent parts of the ground's."""
    alpha = picture.alpha
    if alpha is not None:
        picture = Picture((ground * (1 - alpha) + picture.pixels * alpha).clamp(0, 1))
    return picture.levels(bits)


def _size_in(file: Path) -> tuple[int, int] | None:
    """(width, height) as the header says; None where it cannot be read."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            return int(width), int(height)
    except Exception:  # Pillow raises nearly anything on damaged files
        return None


def _is_deep(file: Path) -> bool:
    """Whether a PNG or TIFF has more than 8 bits a channel, by its header."""
    from impasto.images.deep import has_deep_colours

    with file.open("rb") as stream, Image.open(stream) as image:
        return image.mode.startswith(("I", "F")) or has_deep_colours(image, stream)


def open_animation(path: Path, max_pixels: int, ground: int = 1) -> Footage:
    """A GIF, WebP or PNG that moves; a still picture is one frame. `ground` as in `open_folder`.

    All frames are decoded once to learn their durations. Raises ImageError for what is none,
    ImageTooLarge above `max_pixels` a frame or MAX_FRAMES.
    """
    lengths: list[int] = []
    alpha = False
    with _animation(path, max_pixels) as image:
        size = image.size
        for frame in ImageSequence.Iterator(image):
            frame.load()
            lengths.append(round(float(frame.info.get("duration", 0) or 0)))
            alpha = alpha or frame.has_transparency_data
            if len(lengths) > MAX_FRAMES:
                raise ImageTooLarge(f"{shown(path)}: more than {MAX_FRAMES:,} frames")
    repaired = [length if length >= SHORTEST else USUAL for length in lengths]
    starts = [0, *accumulate(repaired)]
    notes = []
    if repaired != lengths and len(lengths) > 1:
        notes.append(f"frames of less than {SHORTEST} ms are shown for {USUAL}, as in browsers")
    if alpha:
        notes.append(TRANSPARENT[ground])

    def reading(start: int) -> Reading:
        with _animation(path, max_pixels) as image:
            for index, frame in enumerate(ImageSequence.Iterator(image)):
                if index >= start:
                    yield index, _flattened(frame, ground)

    return Footage(
        size=size,
        bits=8,
        times=tuple(starts[:-1]),
        end=starts[-1],
        time_base=MILLISECOND,
        rate=len(lengths) / (starts[-1] * MILLISECOND),
        read=reading,
        notes=tuple(notes),
    )


def _flattened(frame: Image.Image, ground: int) -> Levels:
    """(h, w, 3) uint8, transparent parts of the ground's."""
    if frame.has_transparency_data:
        below = Image.new("RGBA", frame.size, ("black", "white")[ground])
        frame = Image.alpha_composite(below, frame.convert("RGBA"))
    return np.array(frame.convert("RGB"))


@contextmanager
def _animation(path: Path, max_pixels: int) -> Iterator[Image.Image]:
    """An opened animation; errors of Pillow are ImageError."""
    try:
        with Image.open(path, formats=sorted(set(ANIMATIONS.values()))) as image:
            check_size(image.size, max_pixels)
            yield image
    except ImageError as error:
        raise type(error)(f"{shown(path)}: {error}") from error
    except Exception as error:  # Pillow raises nearly anything on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{shown(path)}: damaged animation ({reason}); expected a complete GIF, WebP or PNG"
        ) from error

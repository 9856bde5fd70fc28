"""Colours of a file to sRGB, as its ICC profile says, and the profile that we embed."""

from __future__ import annotations

import functools
import io
import itertools
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

__all__ = ["Conversion", "conversion", "srgb_profile"]

BAND = 256  # rows converted at a time, which bounds the memory of the blend


@functools.cache
def srgb_profile() -> bytes:
    """Our sRGB profile; its date is fixed, so that equal pictures make equal files."""
    raw = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    raw[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    return bytes(raw)


@dataclass(frozen=True)
class Conversion:
    """A colour transform to sRGB from `mode`: Pillow's L, RGB, CMYK or LAB."""

    transform: ImageCms.ImageCmsTransform
    mode: str

    def __call__(self, colours: np.ndarray) -> np.ndarray:
        """(h, w, c) uint8 to (h, w, 3) uint8, or floats in [0, 1] to floats in [0, 1].

        Grey may be given for RGB.
        """
        if self.mode == "RGB":
            colours = np.broadcast_to(colours, (*colours.shape[:2], 3))
        if colours.dtype == np.uint8:
            return self._bytes(colours)
        bands = np.array_split(colours, -(-len(colours) // BAND))
        return np.concatenate([self._blend(band) for band in bands])

    def _bytes(self, colours: np.ndarray) -> np.ndarray:
        flat = colours[..., 0] if self.mode == "L" else colours
        image = Image.frombytes(self.mode, flat.shape[1::-1], np.ascontiguousarray(flat).tobytes())
        return np.asarray(ImageCms.applyTransform(image, self.transform))

    def _blend(self, colours: np.ndarray) -> np.ndarray:
        """Convert the 8-bit colours around each value and blend them linearly.

        Pillow hands only 8 bits to LittleCMS. Blending keeps gradients smooth where rounding the
        pixels first would band them; each value stays within half a level of 8 bits.
        """
        low = np.floor(colours * 255)
        part = colours * np.float32(255) - low
        out = np.zeros((*colours.shape[:2], 3), np.float32)
        for corner in itertools.product((0, 1), repeat=colours.shape[2]):
            weight = np.where(np.array(corner) == 1, part, 1 - part).prod(-1, keepdims=True)
            out += weight * self._bytes(np.minimum(low + corner, 255).astype(np.uint8))
        blended: np.ndarray = out.clip(0, 255) / np.float32(255)
        return blended


def conversion(icc: bytes | None, mode: str) -> Conversion | None:
    """Transform to sRGB of pixels in `mode` (L, RGB, CMYK, LAB) tagged with the profile `icc`.

    None where the pixels are to be taken as they are: without a profile, with one that is broken
    or made for another kind of pixels (people see such files unmanaged too), or with one that
    equals sRGB. An RGB profile on grey pixels is honoured.
    """
    if mode == "LAB":
        return Conversion(_transform(ImageCms.createProfile("LAB"), mode), mode)
    if not icc:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if mode == "L" and profile.profile.xcolor_space.strip() == "RGB":
            mode = "RGB"
        found = Conversion(_transform(profile, mode), mode)
        return None if found.mode == "RGB" and _changes_nothing(found) else found
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _transform(profile: ImageCms._CmsProfileCompatible, mode: str) -> ImageCms.ImageCmsTransform:
    srgb = ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(profile, srgb, mode, "RGB")


def _changes_nothing(found: Conversion) -> bool:
    """Whether no colour of a 16³ grid moves by more than one level: then the profile is sRGB's.

    Profiles of sRGB come in many versions; none of them should cost a level of rounding.
    """
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(64, 64, 3)
    return bool(np.abs(found(grid).astype(int) - grid).max() <= 1)

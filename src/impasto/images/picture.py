"""A picture in memory: its pixels, its levels, its file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto.errors import ImageError, OutputError
from impasto.images.encode import (
    check_writable,
    encoded,
    named_format,
    write_levels,
    write_stream,
)
from impasto.images.levels import planes, unit
from impasto.images.metadata import CHOICES, Metadata, kept
from impasto.images.record import Embedded

__all__ = ["Picture", "channels", "stacked"]

NOTEBOOK = 1024  # pixels


class Picture:
    """A picture in memory, which does not change.

    pixels: (3, h, w) float32, sRGB in [0, 1].
    alpha:  (h, w) float32 in [0, 1], straight (colours are not multiplied by it); None if opaque.
    record: the text embedded in the file, None if there is none.
    metadata: what the file says of the photograph, None if it says nothing.

    `numpy.asarray` makes it an array (h, w, 3 or 4), `torch.as_tensor` a tensor (3 or 4, h, w),
    float32 in [0, 1], with alpha if there is any; a notebook shows it.

    A picture from a file keeps the file's levels, 1 to 8 bytes a pixel, and computes `pixels` and
    `alpha` each time they are asked for, which take 12 and 4. Raises ImageError where a shape or
    type differs.
    """

    def __init__(
        self,
        pixels: Tensor,
        alpha: Tensor | None = None,
        record: str | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        """Check shapes and types, not values: that would read every pixel again."""
        shape = tuple(pixels.shape)
        if len(shape) != 3 or shape[0] != 3 or 0 in shape or pixels.dtype != torch.float32:
            raise ImageError(f"pixels: {pixels.dtype} {shape}; expected float32 (3, h, w)")
        if alpha is not None and (alpha.shape != shape[1:] or alpha.dtype != torch.float32):
            raise ImageError(
                f"alpha: {alpha.dtype} {tuple(alpha.shape)}; expected float32 {shape[1:]}"
            )
        self._pixels: Tensor | None = pixels
        self._alpha, self._record, self._metadata = alpha, record, metadata
        self._levels: np.ndarray | None = None

    @classmethod
    def of_levels(
        cls, levels: np.ndarray, record: str | None = None, metadata: Metadata | None = None
    ) -> Picture:
        """Picture of levels (h, w, 1 to 4), which it keeps: grey or RGB, and alpha if 2 or 4.

        uint8 and uint16 are scaled by their range; float32 is in [0, 1].
        """
        picture = cls.__new__(cls)
        picture._levels, picture._record, picture._metadata = levels, record, metadata
        picture._pixels = picture._alpha = None
        return picture

    def replaced(self, **changes: Tensor | str | Metadata | None) -> Picture:
        """The picture with other `pixels` or `alpha`, `record` or `metadata`."""
        own = {n: getattr(self, n) for n in ("pixels", "alpha", "record", "metadata")}
        return Picture(**{**own, **changes})

    @property
    def pixels(self) -> Tensor:
        """(3, h, w) float32, sRGB in [0, 1]."""
        if self._levels is None:
            assert self._pixels is not None
            return self._pixels
        colours = self._levels.shape[2] - self.has_alpha
        return planes(self._levels[..., :colours])

    @property
    def alpha(self) -> Tensor | None:
        """(h, w) float32 in [0, 1]; None if opaque."""
        if self._levels is None or not self.has_alpha:
            return self._alpha
        return torch.from_numpy(unit(np.ascontiguousarray(self._levels[..., -1])))

    @property
    def record(self) -> str | None:
        """The text embedded in the file, None if there is none."""
        return self._record

    @property
    def metadata(self) -> Metadata | None:
        """What the file says of the photograph: time, artist, copyright, resolution, place."""
        return self._metadata

    @property
    def has_alpha(self) -> bool:
        """Whether there is alpha."""
        return self._alpha is not None if self._levels is None else self._levels.shape[2] in (2, 4)

    @property
    def device(self) -> torch.device:
        """The device of the pixels."""
        return torch.device("cpu") if self._pixels is None else self._pixels.device

    def window(self, rows: slice, columns: slice) -> Picture:
        """The part of the picture in these rows and columns, which shares its memory."""
        if self._levels is not None:
            return Picture.of_levels(self._levels[rows, columns], self._record, self._metadata)
        alpha = None if self._alpha is None else self._alpha[rows, columns]
        return Picture(self.pixels[:, rows, columns], alpha, self._record, self._metadata)

    def rows(self, first: int, stop: int) -> Picture:
        """The rows from `first` to `stop`, which share its memory."""
        return self.window(slice(first, stop), slice(None))

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the picture keeps."""
        if self._levels is not None:
            return self._levels.nbytes
        return self.pixels.nbytes + (0 if self.alpha is None else self.alpha.nbytes)

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.size[1]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.size[0]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), as Pillow counts."""
        if self._levels is not None:
            height, width = self._levels.shape[:2]
        else:
            height, width = self.pixels.shape[1:]
        return int(width), int(height)

    def numpy(self) -> np.ndarray:
        """(h, w, 3) float32 in [0, 1], a copy without alpha."""
        return np.array(self.pixels.detach().cpu().permute(1, 2, 0).numpy(), order="C")

    def pil(self) -> Image.Image:
        """8-bit RGB, or RGBA where there is alpha."""
        return Image.fromarray(self.levels(bits=8))

    to_pil = pil  # its former name

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: ANN401 (of the protocol)
        """(h, w, 3 or 4) in [0, 1], float32 unless `dtype` says otherwise; always a copy.

        Raises ValueError where there may be no copy.
        """
        if copy is False:
            raise ValueError("an array of a Picture is a copy; allow it")
        values = self._values().detach().cpu().permute(1, 2, 0)  # (h, w, c)
        return np.array(values.numpy(), dtype or np.float32, order="C")

    def __dlpack__(self, **options: Any) -> Any:  # noqa: ANN401 (of the protocol)
        """(3 or 4, h, w) float32 in [0, 1], for `torch.as_tensor` and others; a copy."""
        return self._values().detach().clone().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:  # noqa: ANN401 (of the protocol)
        """Kind and number of the device."""
        return self.pixels.__dlpack_device__()

    def _repr_png_(self) -> bytes:
        """What a notebook shows: at most NOTEBOOK px a side, without record and metadata."""
        image = self.pil()
        image.thumbnail((NOTEBOOK, NOTEBOOK))
        return encoded(np.asarray(image), ".png")

    def _values(self) -> Tensor:
        """Pixels, and alpha if there is any: (3 or 4, h, w)."""
        pixels, alpha = self.pixels, self.alpha
        return pixels if alpha is None else torch.cat([pixels, alpha[None].to(pixels.device)])

    def levels(self, bits: int) -> np.ndarray:
        """(h, w, 3 or 4) in 0 to 2^bits - 1, rounded to the nearest without dithering.

        8 `bits` are uint8, 16 are uint16. Alpha, if there is any, is the fourth channel. Raises
        ImageError where a value is NaN or infinite.
        """
        values = self._values()
        if not torch.isfinite(values).all():
            raise ImageError("pixels: some are NaN or infinite; expected values from 0 to 1")
        top = (1 << bits) - 1
        levels = values.detach().clamp(0, 1).mul(top).round_().permute(1, 2, 0)  # (h, w, c)
        kind = np.uint8 if bits == 8 else np.uint16
        return np.ascontiguousarray(levels.cpu().numpy().astype(kind))

    def save(
        self,
        where: str | os.PathLike[str] | BinaryIO,
        bits: int = 8,
        quality: int = 95,
        *,
        format: str = "png",  # noqa: A002 (as Pillow calls it)
        metadata: str = "keep",
    ) -> None:
        """Write to a file in the format that its ending names, all or nothing; or to a stream.

        Args:
            where: a path, or a binary stream, which gets the picture in the `format`.
            bits: 8, or 16 for PNG and TIFF.
            quality: 1 to 100, of JPEG, WebP and AVIF.
            format: of a stream: png, jpg, webp, tiff or avif.
            metadata: what is said of the photograph: keep (time, artist, copyright, resolution),
                all (the place too, though not in TIFF), or none.

        Embeds the sRGB profile, the record as EXIF ImageDescription, and "impasto" as Software.
        JPEG has no transparency: the picture is composited over white. A record above 1 MB is left
        out, and for JPEG one above 64 kB.

        Raises OutputError where it cannot be written, ImageError where a value is NaN or infinite.
        """
        if metadata not in CHOICES:
            raise OutputError(f"metadata is {metadata!r}; expected one of {', '.join(CHOICES)}")
        embedded = Embedded(self.record, kept(self.metadata, metadata))
        if isinstance(where, (str, os.PathLike)):
            check_writable(where, bits, quality, self.size)
            write_levels(self.levels(bits), where, embedded, quality=quality)
        elif callable(getattr(where, "write", None)):
            ending = named_format(format)
            data = encoded(self.levels(bits), ending, embedded, quality=quality)
            write_stream(data, where)
        else:
            raise OutputError(f"{type(where).__name__}: expected a path or a binary stream")


def channels(picture: Picture) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Levels (h, w) of each colour, one if grey and else three, and of alpha, None if opaque.

    They are uint8, uint16, or float32 in [0, 1].
    """
    levels, alpha = picture._levels, picture._alpha
    if levels is not None:
        planes = [levels[..., index] for index in range(levels.shape[2])]
        return (planes[:-1], planes[-1]) if picture.has_alpha else (planes, None)
    colours = [plane.detach().cpu().numpy() for plane in picture.pixels]
    return colours, None if alpha is None else alpha.detach().cpu().numpy()


def stacked(parts: Sequence[Picture]) -> Picture:
    """Pictures of levels of one width and type, one below the other; of one, itself.

    Raises ValueError for a picture that has no levels, as `Picture.of_levels` makes it.
    """
    if len(parts) == 1:
        return parts[0]
    levels = [part._levels for part in parts if part._levels is not None]
    if len(levels) < len(parts):
        raise ValueError("only pictures of levels are put one below the other")
    return Picture.of_levels(np.concatenate(levels))

"""A picture in memory: its levels, its file, its change of size."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from impasto.errors import ImageError
from impasto.images.encode import check_writable, write_levels

__all__ = ["Picture", "cropped", "fit", "integers", "opaque", "resize"]

INVISIBLE = 1e-3  # alpha below which a pixel's own colour says nothing


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in memory.

    pixels: (3, h, w) float32, sRGB in [0, 1].
    alpha:  (h, w) float32 in [0, 1], straight (colours are not multiplied by it); None if opaque.
    record: the text embedded in the file, None if there is none.

    Raises ImageError where a shape or type differs.
    """

    pixels: Tensor
    alpha: Tensor | None = None
    record: str | None = None

    def __post_init__(self) -> None:
        """Check shapes and types, not values: that would read every pixel again."""
        shape, alpha = tuple(self.pixels.shape), self.alpha
        if len(shape) != 3 or shape[0] != 3 or 0 in shape or self.pixels.dtype != torch.float32:
            raise ImageError(f"pixels: {self.pixels.dtype} {shape}; expected float32 (3, h, w)")
        if alpha is not None and (alpha.shape != shape[1:] or alpha.dtype != torch.float32):
            raise ImageError(
                f"alpha: {alpha.dtype} {tuple(alpha.shape)}; expected float32 {shape[1:]}"
            )

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[1])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[2])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), as Pillow counts."""
        return self.width, self.height

    def numpy(self) -> np.ndarray:
        """(h, w, 3) float32 in [0, 1], a copy without alpha."""
        return np.array(self.pixels.detach().cpu().permute(1, 2, 0).numpy(), order="C")

    def to_pil(self) -> Image.Image:
        """8-bit RGB, or RGBA where there is alpha."""
        return Image.fromarray(self.levels(bits=8))

    def levels(self, bits: int) -> np.ndarray:
        """(h, w, 3 or 4) in 0 to 2^bits - 1, rounded to the nearest without dithering.

        8 `bits` are uint8, 16 are uint16. Alpha, if there is any, is the fourth channel. Raises
        ImageError where a value is NaN or infinite.
        """
        planes = self.pixels
        if self.alpha is not None:
            planes = torch.cat([planes, self.alpha[None].to(planes.device)])  # (4, h, w)
        if not torch.isfinite(planes).all():
            raise ImageError("pixels: some are NaN or infinite; expected values from 0 to 1")
        top = (1 << bits) - 1
        levels = planes.detach().clamp(0, 1).mul(top).round_().permute(1, 2, 0)  # (h, w, c)
        kind = np.uint8 if bits == 8 else np.uint16
        return np.ascontiguousarray(levels.cpu().numpy().astype(kind))

    def save(self, path: str | os.PathLike[str], bits: int = 8, quality: int = 95) -> None:
        """Write to a file in the format that the path's ending names, all of it or nothing.

        Embeds the sRGB profile, the record as EXIF ImageDescription, and "impasto" as Software.
        `bits` is 8, or 16 for PNG and TIFF; `quality`, 1 to 100, is for JPEG, WebP and AVIF. JPEG
        has no transparency: the picture is composited over white. A record above 1 MB is left out,
        and for JPEG one above 64 kB.

        Raises OutputError where it cannot be written, ImageError where a value is NaN or infinite.
        """
        check_writable(path, bits, quality, self.size)
        write_levels(self.levels(bits), path, record=self.record, quality=quality)


def integers(picture: Picture, bits: int) -> np.ndarray:
    """The same as `picture.levels`."""
    return picture.levels(bits)


def resize(picture: Picture, size: tuple[int, int]) -> Picture:
    """Change to size (w, h) by Lanczos with antialiasing, in float32, clamped to [0, 1].

    Colours are weighted by alpha, so that those of invisible pixels do not bleed into visible
    ones. Raises ImageError for a side below 1 px.
    """
    if min(size) < 1:
        raise ImageError(f"size {size[0]}x{size[1]}: expected at least 1x1 px")
    if size == picture.size:
        return picture
    pixels = _lanczos(picture.pixels, size)
    if picture.alpha is None:
        return replace(picture, pixels=pixels.clamp_(0, 1))
    alpha = _lanczos(picture.alpha[None], size)[0]
    weighted = _lanczos(picture.pixels * picture.alpha, size)
    visible = alpha > INVISIBLE
    pixels = torch.where(visible, weighted / alpha.clamp_min(INVISIBLE), pixels)
    return replace(picture, pixels=pixels.clamp_(0, 1), alpha=alpha.clamp_(0, 1))


def _lanczos(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """(c, h, w) to (c, size[1], size[0]); Pillow's mode F keeps float precision."""
    sheets = [Image.fromarray(plane) for plane in planes.detach().cpu().numpy()]
    resized = [np.asarray(sheet.resize(size, Image.Resampling.LANCZOS)) for sheet in sheets]
    return torch.from_numpy(np.stack(resized)).to(planes.device)


def cropped(picture: Picture, size: tuple[int, int]) -> Picture:
    """The largest part of the aspect of size (w, h), from the middle."""
    scale = max(size[0] / picture.width, size[1] / picture.height)
    width, height = (
        min(s, max(1, round(t / scale))) for s, t in zip(picture.size, size, strict=True)
    )
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    window = (slice(top, top + height), slice(left, left + width))
    alpha = None if picture.alpha is None else picture.alpha[window]
    return replace(picture, pixels=picture.pixels[:, window[0], window[1]], alpha=alpha)


def fit(picture: Picture, longest: int) -> Picture:
    """Change to a longest side of `longest` px, the aspect kept; the other side is at least 1 px.

    Returns the same object where nothing changes. Raises ImageError for `longest` below 1.
    """
    scale = longest / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return resize(picture, (width, height) if longest >= 1 else (longest, longest))


def opaque(picture: Picture) -> Picture:
    """The picture without alpha: what shows through is painted in the colours around it.

    A pixel is alpha·own + (1 - alpha)·filled, so that colours nobody sees do not matter. Where all
    are invisible, mid-grey. Returns the same object where there is no alpha.
    """
    if picture.alpha is None:
        return picture
    alpha = picture.alpha.to(picture.pixels.device).clamp(0, 1)
    alpha = torch.where(alpha > INVISIBLE, alpha, 0)  # what `resize` leaves there may be anything
    own = picture.pixels * alpha
    pixels = torch.addcmul(own, 1 - alpha, _filled(own, alpha))
    return replace(picture, pixels=pixels.clamp_(0, 1), alpha=None)


def _filled(weighted: Tensor, weight: Tensor) -> Tensor:
    """Colours (3, h, w) everywhere, of those known: w·colour (3, h, w) and w (h, w) in [0, 1].

    Push-pull (Gortler et al. 1996, The Lumigraph, 3.4): what is missing at one scale is taken from
    the next coarser one, whose pixels are weighted means of four, and known once w adds up to 1.
    """
    height, width = weight.shape
    if height == width == 1:
        return weighted / weight if weight > 0 else torch.full_like(weighted, 0.5)
    if weight.min() == 1:
        return weighted
    colours, total = _sums_of_four(weighted), _sums_of_four(weight[None])[0]
    excess = total.clamp_min(1)
    coarse = _filled(colours / excess, total / excess)
    finer = interpolate(coarse[None], scale_factor=2, mode="bilinear")[0, :, :height, :width]
    return torch.addcmul(weighted, 1 - weight, finer)


def _sums_of_four(planes: Tensor) -> Tensor:
    """(c, h, w) -> (c, ⌈h/2⌉, ⌈w/2⌉); there are fewer than four at the end of an odd side."""
    return avg_pool2d(planes, 2, ceil_mode=True, divisor_override=1)

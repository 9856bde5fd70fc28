"""Decoded frames to sRGB: matrix and range, high dynamic range, wide gamut.

As every player does, the R'G'B' of SDR video are taken as sRGB: the two curves differ by less than
the screens that show them. Primaries of BT.601 are taken as those of BT.709.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from impasto.apps.film.hdr import WHITE, Curve, hlg_light, pq_light
from impasto.errors import optional
from impasto.images.levels import eight_bits
from impasto.outputs.timelapse.video import exact_lanczos

__all__ = ["Colour", "colour_of"]

Levels = np.ndarray

MATRICES = {1: (0.2126, 0.0722), 4: (0.3, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114),
            7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}  # fmt: skip
"""Kr and Kb of the matrices of ITU-T H.273, by their numbers."""
RGB, BT709, BT601, BT2020 = 0, 1, 6, 9  # numbers of matrices
FULL = 2  # number of the range from 0
PQ, HLG = 16, 18  # numbers of transfer functions
HD = 720  # rows from which an untagged film is taken as BT.709, below as BT.601

GAMUTS = {
    9: ("BT.2020", ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083),
                    (-0.0182, -0.1006, 1.1187))),  # ITU-R BT.2087
    11: ("P3", ((1.1575, -0.1550, -0.0025), (-0.0415, 1.0456, -0.0041),
                (-0.0181, -0.0786, 1.0967))),
    12: ("P3", ((1.2249, -0.2249, 0.0), (-0.0420, 1.0420, 0.0), (-0.0196, -0.0786, 1.0982))),
}  # fmt: skip
"""Wide primaries by number: name, and the matrix from their linear light to that of BT.709."""

PEAK = 1000.0  # cd/m² of the brightest highlights where the film does not say
ROWS = 64  # at a time, where floats are needed


@dataclass(frozen=True)
class Colour:
    """How a film's frames become sRGB.

    Attributes:
        deep: whether they have more than 8 bits a channel.
        matrix: number of the YUV matrix, ITU-T H.273; 0 for RGB.
        full: whether its levels have the full range.
        transfer: number of the transfer function, where it is PQ or HLG, else 0.
        primaries: number of the primaries, where they are wide, else 0.
        peak: brightest highlights of HDR, cd/m².
        notes: what is done that one may want to know, one line each.
    """

    deep: bool
    matrix: int
    full: bool
    transfer: int = 0
    primaries: int = 0
    peak: float = PEAK
    notes: tuple[str, ...] = ()

    def rgb(self, frame: Any) -> Levels:  # noqa: ANN401 (a VideoFrame)
        """The levels (h, w, 3), sRGB: uint16 if deep, else uint8."""
        levels = self._video_rgb(frame)
        if not (self.transfer or self.primaries):
            return levels if self.deep else eight_bits(levels)
        srgb = _in_bands(levels, self._srgb)
        return srgb if self.deep else eight_bits(srgb)

    def _video_rgb(self, frame: Any) -> Levels:  # noqa: ANN401 (a VideoFrame)
        """R'G'B' of the film (h, w, 3), uint8 or uint16."""
        bits = _bits(frame)
        if _is_rgb(frame):
            return _array(_converted(frame, "rgb24" if bits <= 8 else "rgb48le"), 3)
        if bits <= 8:
            tags = {"src_colorspace": self.matrix or BT709, "src_color_range": 1 + self.full}
            return _array(_converted(frame, "rgb24", dst_color_range=FULL, **tags), 3)
        # limited to limited is a shift of bits, whatever the range is
        yuv = _converted(frame, "yuv444p16le", src_color_range=1, dst_color_range=1)
        planes = _array(yuv, 1)
        top = ((1 << bits) - 1) << (16 - bits)
        return _in_bands(planes, lambda band: self._matrixed(band, top))

    def _matrixed(self, yuv: np.ndarray, top: int) -> np.ndarray:
        """Y'CbCr (n, w, 3) of 16 bits to R'G'B' in [0, 1] (ITU-R BT.709, section 3).

        `top` is the largest level of the full range.
        """
        kr, kb = MATRICES.get(self.matrix, MATRICES[BT709])
        y, cb, cr = np.moveaxis(yuv.astype(np.float32), -1, 0)
        if self.full:
            y, cb, cr = y / top, (cb - 32768) / top, (cr - 32768) / top
        else:
            y, cb, cr = (y - 4096) / 56064, (cb - 32768) / 57344, (cr - 32768) / 57344
        red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
        green = (y - kr * red - kb * blue) / (1 - kr - kb)
        return np.stack([red, green, blue], -1)

    def _srgb(self, levels: np.ndarray) -> np.ndarray:
        """R'G'B' levels (n, w, 3) of HDR or wide gamut to sRGB in [0, 1]."""
        signal = levels.astype(np.float32) / np.float32(np.iinfo(levels.dtype).max)
        if self.transfer:
            nits = pq_light(signal) if self.transfer == PQ else hlg_light(signal)
            light = Curve(self.peak)(nits)
        else:
            light = _srgb_light(signal)
        if self.primaries:
            light = light @ np.array(GAMUTS[self.primaries][1], np.float32).T
        return _srgb_signal(light.clip(0, 1))


def colour_of(frame: Any) -> Colour:  # noqa: ANN401 (a VideoFrame)
    """How the frames of a film become sRGB, by one of them."""
    matrix = int(frame.colorspace)
    if _is_rgb(frame):
        matrix = RGB
    elif matrix not in MATRICES:
        matrix = BT709 if frame.height >= HD else BT601
    transfer = int(frame.color_trc)
    transfer = transfer if transfer in (PQ, HLG) else 0
    primaries = int(frame.color_primaries)
    primaries = primaries if primaries in GAMUTS else (9 if transfer else 0)
    deep, peak = _bits(frame) > 8, _peak(frame)
    notes = [f"{_bits(frame)} bits a channel"] if deep else []
    if transfer:
        name = "PQ" if transfer == PQ else "HLG"
        notes.append(f"HDR ({name}, {peak:.0f} cd/m²) is mapped to SDR by the curve of BT.2390")
    elif primaries:
        notes.append(f"colours of {GAMUTS[primaries][0]} are mapped to sRGB")
    full = int(frame.color_range) == FULL or frame.format.name.startswith("yuvj")
    return Colour(deep, matrix, full, transfer, primaries, peak, tuple(notes))


def _peak(frame: Any) -> float:  # noqa: ANN401 (a VideoFrame)
    """Brightest highlights by the mastering display's metadata, cd/m², at least diffuse white."""
    kinds = optional("av.sidedata.sidedata", "video", "reading a clip").Type
    data = frame.side_data.get(kinds.MASTERING_DISPLAY_METADATA)
    if data is not None:
        numbers = struct.unpack("=22i", bytes(data)[:88])  # AVMasteringDisplayMetadata
        most, unit, known = numbers[18], numbers[19], numbers[21]
        if known and unit and WHITE <= most / unit <= 10_000:
            return float(most / unit)
    return PEAK


def _is_rgb(frame: Any) -> bool:  # noqa: ANN401 (a VideoFrame)
    return bool(frame.format.is_rgb or frame.format.has_palette)


def _bits(frame: Any) -> int:  # noqa: ANN401 (a VideoFrame)
    """Bits of the deepest channel."""
    return max((component.bits for component in frame.format.components), default=8)


def _converted(frame: Any, kind: str, **tags: int) -> Any:  # noqa: ANN401 (a VideoFrame)
    """The frame in another pixel format, chroma by Lanczos, rounded right on every processor."""
    return frame.reformat(format=kind, interpolation=exact_lanczos(), **tags)


def _array(frame: Any, channels: int) -> np.ndarray:  # noqa: ANN401 (a VideoFrame)
    """Levels (h, w, 3) of a frame of one plane of 3 `channels`, or of three planes."""
    planes = []
    for plane in frame.planes:
        kind = np.uint8 if _bits(frame) <= 8 else np.uint16
        rows = np.frombuffer(plane, kind).reshape(frame.height, -1)
        planes.append(rows[:, : frame.width * channels])
    if channels == 1:
        stacked: np.ndarray = np.stack(planes, -1)
        return stacked
    levels: np.ndarray = np.array(planes[0].reshape(frame.height, frame.width, channels))
    return levels


def _in_bands(levels: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """uint16 levels (h, w, 3) of what `change` makes of bands of rows, values in [0, 1]."""
    changed = np.empty(levels.shape, np.uint16)
    for first in range(0, len(levels), ROWS):
        values = change(levels[first : first + ROWS])
        changed[first : first + ROWS] = np.rint(values.clip(0, 1) * 65535)
    return changed


def _srgb_light(signal: np.ndarray) -> np.ndarray:
    """Levels of sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    light: np.ndarray = np.where(
        signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4
    )
    return light


def _srgb_signal(light: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] to sRGB."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)

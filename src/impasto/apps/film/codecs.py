"""The codecs of painted films, the endings of files that hold them, and their quality."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from impasto.errors import OutputError, SettingsError, shown
from impasto.outputs.timelapse.video import Coding

__all__ = ["ANIMATIONS", "CODECS", "CONTAINERS", "FOLDER", "Codec", "codec_for", "coding_of"]

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""FFmpeg's names of the containers, by ending."""

NAMES = {".mp4": "MP4", ".mov": "MOV", ".mkv": "Matroska", ".webm": "WebM"}
ANIMATIONS = {".gif": "gif", ".webp": "webp", ".apng": "apng"}
FOLDER = ("png", "tiff")
"""Formats of the pictures of a folder."""


@dataclass(frozen=True)
class Codec:
    """A codec of video files.

    Attributes:
        encoder, pixels, tag: see `Coding`; `shallow` are the pixels of frames of 8 bits.
        endings: files that hold it.
        options: of the encoder.
        crf: its constant rate factor that cannot be told from the original, and its largest;
            None: its quality is not so chosen.
    """

    encoder: str
    pixels: str
    endings: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    crf: tuple[int, int] | None = None
    tag: str | None = None
    shallow: str | None = None


# AV1 is left out: its encoder, SVT-AV1, gives a process of root real-time priority for good, and
# all that the process starts with it.
VP9 = {"b": "0", "row-mt": "1", "cpu-used": "4", "deadline": "good"}
CODECS = {
    "h264": Codec("libx264", "yuv420p", (".mp4", ".mov", ".mkv"), {"rc-lookahead": "8"}, (18, 51)),
    "h264-10": Codec(
        "libx264", "yuv420p10le", (".mp4", ".mov", ".mkv"), {"rc-lookahead": "8"}, (18, 51)
    ),
    "hevc": Codec(
        "libx265",
        "yuv420p10le",
        (".mp4", ".mov", ".mkv"),
        {"x265-params": "log-level=none"},
        (18, 51),
        "hvc1",
    ),
    "prores": Codec("prores_ks", "yuv422p10le", (".mov", ".mkv"), {"profile": "3"}),
    "vp9": Codec("libvpx-vp9", "yuv420p", (".webm", ".mkv", ".mp4"), VP9, (24, 63)),
    "ffv1": Codec("ffv1", "gbrp16le", (".mkv",), {"level": "3"}, shallow="bgr0"),
}
DEFAULTS = {".mp4": "h264", ".mov": "prores", ".mkv": "ffv1", ".webm": "vp9", **ANIMATIONS}


def codec_for(path: str | os.PathLike[str], codec: str) -> str:
    """The codec's name, or the usual one of the ending for "auto"; no ending is a folder's.

    Raises SettingsError for an unknown codec, OutputError for an ending that is unknown or that
    does not hold it.
    """
    name, ending = shown(path), Path(os.fsdecode(path)).suffix.lower()
    folder = Path(os.fsdecode(path)).is_dir() or not ending
    known = ["auto", *CODECS, *ANIMATIONS.values(), *FOLDER]
    if codec not in known:
        raise SettingsError(f"codec is {codec!r}; expected one of {', '.join(known)}")
    if folder:
        return _held(name, "a folder", "png" if codec == "auto" else codec, FOLDER)
    if ending not in DEFAULTS:
        raise OutputError(
            f"{name}: cannot write {shown(ending)}; expected a name ending in "
            f"{', '.join(DEFAULTS)}, or a folder"
        )
    chosen = DEFAULTS[ending] if codec == "auto" else codec
    if ending in ANIMATIONS:
        return _held(name, f"a {ending} file", chosen, (ANIMATIONS[ending],))
    held = tuple(one for one, kind in CODECS.items() if ending in kind.endings)
    return _held(name, NAMES[ending], chosen, held)


def _held(name: str, container: str, codec: str, held: tuple[str, ...]) -> str:
    """The codec, if it is one of those `held`; OutputError in one line if not."""
    if codec in held:
        return codec
    endings = CODECS[codec].endings if codec in CODECS else ()
    other = f", or a name ending in {', '.join(endings)}" if endings else ""
    raise OutputError(f"{name}: {container} cannot hold {codec}; choose {' or '.join(held)}{other}")


def coding_of(
    codec: str, quality: int | None, bits: int, options: Mapping[str, str] | None = None
) -> Coding:
    """How a video codec is asked for a quality from 1 to 100, for frames of 8 or 16 `bits`.

    The rate factor is worst · √(1 - quality/100); None: what cannot be told from the original.
    ProRes has the profiles LT, standard and HQ for each third of the range; FFV1 is lossless.
    `options` of FFmpeg's encoder come last.
    """
    kind = CODECS[codec]
    if quality is not None and not 1 <= quality <= 100:
        raise SettingsError(f"quality is {quality}; expected 1 to 100")
    own = dict(kind.options)
    if kind.crf:
        usual, worst = kind.crf
        factor = usual if quality is None else round(worst * math.sqrt(1 - quality / 100))
        own["crf"] = str(factor)
    elif codec == "prores" and quality is not None:
        own["profile"] = str(min(3, 1 + 3 * quality // 101))
    pixels = kind.shallow if kind.shallow and bits == 8 else kind.pixels
    return Coding(kind.encoder, pixels, {**own, **(options or {})}, kind.tag)

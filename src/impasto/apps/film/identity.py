"""What makes a film that film: settings that change pixels, and the checksums of all it reads."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from impasto.apps.film.clip import Clip
from impasto.apps.film.masks import MovingMask
from impasto.apps.film.sources import Sources
from impasto.encoder import Encoder, Weights
from impasto.images import file_checksum, pictures_in, read, values_checksum
from impasto.images.names import located
from impasto.settings import FilmSettings, Settings

__all__ = ["identity"]

_LIMITS = ("max_pixels",)  # arguments that change no pixels


def identity(
    clip: Clip, sources: Sources, settings: Settings, film: FilmSettings
) -> dict[str, Any]:
    """Plain values that two films share only if their frames are the same.

    Raises ImageError for a source that cannot be read, OSError for a file that vanished.
    """
    files = {"styles": [_checksum(style) for style in sources.styles]}
    for role, value in sources.arguments.items():
        if role not in _LIMITS:
            several = value if isinstance(value, list) else [value]
            files[role] = [_checksum(source) for source in several]
    keys = {"style_keys": sources.keys.line} if sources.keys else {}
    return {
        "clip": clip.checksum(),
        **files,
        **keys,
        "settings": settings.pixels(),
        "iterations": settings.iterations,
        "film": film.model_dump(mode="json"),
    }


def _checksum(source: Any) -> str:  # noqa: ANN401 (an argument of Run)
    """SHA-256 of a file, of a folder's pictures, or of the values of anything else."""
    if isinstance(source, MovingMask):
        return source.clip.checksum()
    if isinstance(source, (Encoder, Weights)):
        return (source.weights if isinstance(source, Encoder) else source).digest
    if isinstance(source, Tensor):
        return values_checksum(source)
    if not isinstance(source, (str, os.PathLike)):
        picture = read(source)
        return values_checksum(picture.pixels, picture.alpha)
    path = Path(os.fsdecode(located(source)))
    if path.is_file():
        return file_checksum(path)
    sums = [file_checksum(file) for file in pictures_in(path)]
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()

"""Painted frames to a film: a video file with the clip's audio, an animation, or a folder.

with Reel.open("painted.mp4", clip.size, clip.time_base, audio_from=clip) as reel:
    for frame in clip.frames():
        reel.add(painted(frame), frame.pts, duration)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from impasto.apps.film.clip import Clip
from impasto.apps.film.codecs import ANIMATIONS, CODECS
from impasto.apps.film.plan import Plan, Writer
from impasto.images import AtomicFile
from impasto.images.levels import eight_bits, sixteen_bits
from impasto.outputs.timelapse.unfinished import Unfinished

__all__ = ["Reel"]


class Reel(Unfinished):
    """A film in the making; it appears at its path when it is closed, and is complete then.

    As a context manager it is closed at the end of the block, and abandoned if the block raises.
    A folder's pictures appear one by one. An error in `add` or `close` abandons the film and is an
    OutputError in one line; frames that are kept elsewhere stay.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.path)
        self.codec = plan.check()
        self.notes = tuple(plan.notes())
        self._plan = plan
        self._writer: Writer | None = None
        self._draft: AtomicFile | None = None
        self._start = self._end = 0
        self._over = False

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        size: tuple[int, int],
        time_base: Fraction | None = None,
        codec: str = "auto",
        quality: int | None = None,
        **others: Any,  # noqa: ANN401 (fields of Plan)
    ) -> Reel:
        """Begin a film, checked as by `check`.

        Args:
            path: the file or folder; endings and codecs are those of `codecs`.
            size: (width, height) of a painted frame, pixels.
            time_base: seconds of a unit of times; that of `audio_from` if None, else 1/25.
            codec: a name of `codecs.CODECS`, "gif", "webp", "apng", "png", "tiff" or "auto".
            quality: 1 to 100; None: cannot be told from the original.
            others: `rate` (frames a second, on average), `audio_from` (a Clip whose audio is
                copied, trimmed to the frames), `beside` (the source to the left of each frame),
                `bits` (8 or 16, of lossless codecs), `options` (of FFmpeg's encoder).
        """
        return cls(_plan(path, size, time_base, codec, quality, **others))

    @staticmethod
    def check(
        path: str | os.PathLike[str],
        codec: str = "auto",
        size: tuple[int, int] = (64, 64),
        **others: Any,  # noqa: ANN401 (fields of Plan)
    ) -> str:
        """The codec of such a film; raises what `open` would, and writes nothing.

        Raises OutputError for a place, a codec, a size or audio that does not fit, SettingsError
        for an unknown codec or quality, ExtraMissing where PyAV is not installed.
        """
        return _plan(path, size, None, codec, **others).check()

    def add(
        self, levels: np.ndarray, pts: int, duration: int, source: np.ndarray | None = None
    ) -> None:
        """Append a frame (h, w, 3) uint8 or uint16, sRGB, shown from `pts` for `duration` units.

        Times are the clip's, and increase; the film begins with its first frame. `source` is what
        is shown beside it, of any size. Raises OutputError where it cannot be written.
        """
        if self._over:
            raise ValueError("the film is closed")
        if levels.shape != (self._plan.size[1], self._plan.size[0], 3):
            raise ValueError(f"frame {levels.shape}; expected {self._plan.size[::-1]} and 3")
        if self._plan.beside:
            levels = _beside(levels, source)
        with self._abandoned_by(BaseException):
            writer = self._writer or self._begin(pts)
            writer.add(levels, pts - self._start, duration)
            self._end = pts - self._start + duration

    def close(self) -> None:
        """Complete the film and put it in its place; without any frame nothing is written."""
        if self._over:
            return
        with self._abandoned_by(BaseException):
            if self._writer:
                self._writer.close(self._end)
            if self._draft:
                self._draft.publish()
        self._over = True

    def abandon(self) -> None:
        """Delete the unfinished film; a closed one stays, as do the pictures of a folder."""
        if not self._over:
            self._over = True
            if self._writer:
                self._writer.abandon()
            if self._draft:
                self._draft.discard()

    def _begin(self, pts: int) -> Writer:
        self._start = pts
        file = Path(os.fsdecode(self._plan.path))
        if self.codec in CODECS or self.codec in ANIMATIONS.values():
            self._draft = AtomicFile(self._plan.path)
            file = self._draft.file
        self._writer = self._plan.writer(file, pts)
        return self._writer


def _plan(
    path: str | os.PathLike[str],
    size: tuple[int, int],
    time_base: Fraction | None,
    codec: str,
    quality: int | None = None,
    **others: Any,  # noqa: ANN401 (fields of Plan)
) -> Plan:
    clip = others.get("audio_from")
    if time_base is None:
        time_base = clip.time_base if isinstance(clip, Clip) else Fraction(1, 25)
    return Plan(path, size, time_base, codec, quality, **others)


def _beside(levels: np.ndarray, source: np.ndarray | None) -> np.ndarray:
    """The source to the left of a frame, in its size and depth."""
    import cv2

    if source is None:
        raise ValueError("no source; expected one beside each frame")
    same: Callable[[np.ndarray], np.ndarray] = (
        eight_bits if levels.dtype == np.uint8 else sixteen_bits
    )
    height, width, _ = levels.shape
    if source.shape != levels.shape:
        smaller = source.shape[0] > height
        method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        source = np.asarray(cv2.resize(source, (width, height), interpolation=method))
    return np.concatenate([same(source), levels], 1)

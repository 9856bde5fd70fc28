"""What a film is to be, checked before anything is painted, and what writes it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from impasto.apps.film.clip import Clip
from impasto.apps.film.codecs import ANIMATIONS, CODECS, CONTAINERS, codec_for, coding_of
from impasto.apps.film.loose import Flip, Loose
from impasto.apps.film.sound import Sound
from impasto.errors import OutputError, optional, shown
from impasto.images import check_place
from impasto.outputs.timelapse.video import Video

__all__ = ["Plan", "Writer"]

ROUNDED = "times are rounded to milliseconds, which is what {} holds"
USUAL_RATE, MAX_RATE = Fraction(25), 240  # frames a second
EARLY = (".mp4", ".mov")  # containers of times below 0


class Writer(Protocol):
    """A film being written; OSError where that fails."""

    def add(self, levels: np.ndarray, pts: int, duration: int) -> None:
        """Append a frame (h, w, 3)."""

    def close(self, end: int | None = None) -> None:
        """Complete the film, which ends at that time."""

    def abandon(self) -> None:
        """Close it, in whatever state it is."""


@dataclass(frozen=True)
class Plan:
    """What is to be written: see `Reel.open`."""

    path: str | os.PathLike[str]
    size: tuple[int, int]
    time_base: Fraction
    codec: str = "auto"
    quality: int | None = None
    rate: Fraction | None = None
    audio_from: Clip | None = None
    beside: bool = False
    bits: int = 16
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def ending(self) -> str:
        """The ending of the path, in lower case."""
        return Path(os.fsdecode(self.path)).suffix.lower()

    @property
    def whole(self) -> tuple[int, int]:
        """(width, height) of the film: twice as wide with the source beside the painting."""
        return (2 * self.size[0], self.size[1]) if self.beside else self.size

    @property
    def _rate(self) -> Fraction:
        """Frames a second, which encoders plan their bits by; above 240 a time base is no rate."""
        clip = self.audio_from
        rate = self.rate or (clip.rate if clip else 1 / self.time_base)
        return rate.limit_denominator(1001) if rate <= MAX_RATE else USUAL_RATE

    def writer(self, file: Path | io.BytesIO, start: int, *, sound: bool = True) -> Writer:
        """What writes to the file; `start` is the time of the first frame.

        Raises OSError or ValueError where encoder or container cannot do it.
        """
        codec = codec_for(self.path, self.codec)
        if codec not in CODECS:
            assert isinstance(file, Path)
            if codec in ANIMATIONS.values():
                return Flip(file, codec, self.whole, self.time_base)
            return Loose(file, codec)
        audio = None
        if sound and self.audio_from and self.audio_from.audio:
            begin = start * self.audio_from.time_base
            audio = Sound(self.audio_from, begin, early=self.ending in EARLY)
        coding = coding_of(codec, self.quality, self.bits, self.options)
        container = CONTAINERS[self.ending]
        return Video(file, container, self.whole, coding, self.time_base, self._rate, audio)

    def check(self) -> str:
        """The codec; raises what would fail later, before anything is painted.

        Encoder and container are opened in memory.
        """
        codec, name = codec_for(self.path, self.codec), shown(self.path)
        if codec in CODECS or codec in ANIMATIONS.values():
            check_place(self.path, [self.ending])
        if codec not in CODECS:
            if codec not in ANIMATIONS.values():
                Loose.check(Path(os.fsdecode(self.path)))
            return codec
        optional("av", "video", f"writing a {self.ending} film")
        self._check_audio(name)
        coding_of(codec, self.quality, self.bits, self.options)
        try:
            self.writer(io.BytesIO(), 0).abandon()
        except (OSError, ValueError) as error:
            width, height = self.whole
            raise OutputError(
                f"{name}: {codec} cannot be written at {width}x{height} px ({error}); "
                f"choose another codec or size"
            ) from error
        return codec

    def _check_audio(self, name: str) -> None:
        av = optional("av", "video", "copying audio")
        for audio in self.audio_from.audio if self.audio_from else ():
            with av.open(io.BytesIO(), "w", format=CONTAINERS[self.ending]) as container:
                if audio.codec not in container.supported_codecs:
                    raise OutputError(
                        f"{name}: {self.ending} cannot hold the clip's {audio.codec} audio; "
                        f"choose .mp4, .mov or .mkv, or leave the audio out"
                    )

    def notes(self) -> Iterator[str]:
        """What one may want to know of the film, one line each."""
        codec = self.check()
        if self.audio_from and self.audio_from.audio and codec not in CODECS:
            yield f"no audio: {codec} has none"
        if self.ending in (".mkv", ".webm"):
            yield ROUNDED.format(self.ending)
        if codec in CODECS:
            coded = coding_of(codec, None, self.bits).padded(self.whole)
            if coded != self.whole:
                width, height = coded
                yield f"padded to {width}x{height} px: {codec} needs even sides"

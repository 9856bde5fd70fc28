"""A clip painted frame after frame, kept in a work folder, and put together as a film.

clip ── Frame … ── shots ── motion, ahead ──> Seen, Moves
                                                │
canvases painted before ── warped, trusted ──> Moved … ── ShotPainter ──> Painted
                                                                            │
                                      film <── Reel <── Work <── frame, line, canvas
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from impasto.apps.film.ahead import Ahead, Moves, moves
from impasto.apps.film.clip import Clip, Frame
from impasto.apps.film.events import FilmEvent, FrameDone, Shot
from impasto.apps.film.painting import Moved, Painted, ShotPainter
from impasto.apps.film.reel import Reel
from impasto.apps.film.reliability import closest_first
from impasto.apps.film.shots import Seen, shots
from impasto.apps.film.sources import FrameSources, Sources, agreement
from impasto.apps.film.warp import warped
from impasto.apps.film.work import Entry, Work
from impasto.errors import Cancelled, SettingsError
from impasto.images import Picture, resize
from impasto.images.levels import planes
from impasto.objective import StyleCache
from impasto.run.events import Notice
from impasto.run.sizes import canvas_size
from impasto.settings import FilmSettings, Settings

__all__ = ["Film", "check_frame", "settings_of"]

_ENOUGH = 0.995  # of a frame covered: farther canvases could add nothing that is seen
_CARED = 0.5  # confidence from which a pixel counts in a frame's steadiness


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A frame at the film's size: as a picture, and its levels (h, w, 3) uint8 or uint16."""

    frame: Frame
    picture: Picture
    levels: np.ndarray
    sources: FrameSources


@dataclass(frozen=True, eq=False)
class _Remembered:
    """A frame that was painted: its levels, and its canvas (3, h, w), sRGB."""

    levels: np.ndarray
    sources: FrameSources
    canvas: torch.Tensor


class Film:
    """A clip to paint; iterate over `events`, then `write` the film.

    Args:
        clip: what is painted.
        sources: styles, masks and network, shared by all frames.
        settings: of each frame; `size` gives that of the film.
        film: how frames follow one another.
        work: where frames are kept; those that are done there are not painted again.
        span: the frames to paint, from 0; all by default. The first of them begins a shot, unless
            the canvases before it are kept in `work`.

    Raises SettingsError for a span outside the clip, and for frames that are to be seamless.
    """

    def __init__(
        self,
        clip: Clip,
        sources: Sources,
        settings: Settings,
        film: FilmSettings,
        work: Work,
        span: range | None = None,
    ) -> None:
        self.clip, self.work = clip, work
        self.span = range(clip.count) if span is None else span
        if not self.span or self.span.start < 0 or self.span.stop > clip.count:
            raise SettingsError(
                f"frames are {self.span.start}:{self.span.stop}; expected some of the clip's "
                f"{clip.count}"
            )
        if any(settings.wraps):
            raise SettingsError("seamless is for single pictures; leave it out for a film")
        self.settings = settings_of(settings, clip)
        self.size = canvas_size(settings, clip.size)
        self._film, self._sources = film, sources
        self._cache, self._cancelled = StyleCache(), threading.Event()
        self._known: OrderedDict[int, _Remembered] = OrderedDict()
        self._shot, self._first = -1, 0
        self._painter: ShotPainter | None = None

    def cancel(self) -> None:
        """Stop after the frame that is painted, from any thread."""
        self._cancelled.set()

    def events(self) -> Iterator[FilmEvent]:
        """Everything that happens: Shots as they begin, frames as they are done, Notices.

        Frames that are done already are passed over, with their events. Raises Cancelled after
        `cancel`, and what `impasto.Run` and `Work` do.
        """
        for text in self.clip.notes:
            yield Notice(text, "clip")
        missing = {*self.work.missing(self.span)}
        with Ahead(partial(_moves, missing), _in_pairs(self._seen())) as ahead:
            for seen, motion in ahead:
                if self._cancelled.is_set():
                    raise Cancelled("the film was told to stop")
                yield from self._at(seen, motion)

    def write(self, reel: Reel, *, beside: bool = False) -> None:
        """Put the frames together; `beside` shows the clip beside them. OutputError if it fails."""
        with reel:
            for frame in self.clip.frames(self.span.start, self.span.stop):
                ends = (*self.clip.times, self.clip.end)[frame.index + 1]
                source = frame.pixels if beside else None
                reel.add(self.work.read(frame.index), frame.pts, ends - frame.pts, source)

    def _seen(self) -> Iterator[Seen[_Prepared]]:
        """The frames of the span, each in its shot."""
        frames = self.clip.frames(self.span.start, self.span.stop)
        for seen in shots(map(self._prepared, frames), lambda item: item.levels):
            yield replace(seen, index=seen.item.frame.index)

    def _prepared(self, frame: Frame) -> _Prepared:
        picture = resize(Picture(planes(frame.pixels)), self.size)
        bits = 8 * frame.pixels.itemsize
        sources = self._sources.at(frame.index, frame.seconds, self.settings)
        return _Prepared(frame, picture, picture.levels(bits), sources)

    def _at(self, seen: Seen[_Prepared], motion: Moves | None) -> Iterator[FilmEvent]:
        """One frame: passed over, or painted and kept."""
        index, frame = seen.index, seen.item.frame
        entry = self.work.done(index)
        if seen.begins:
            self._begin(index)
            yield Shot(self._shot, index)
        if entry is None:
            painted = self._painted(seen.item, motion)
            entry = self._kept(seen, painted, motion)
        self._remember(index, seen.item, entry)
        for note in frame.notes:
            yield Notice(f"frame {index}: {note}", "clip")
        done, total = index - self.span.start + 1, len(self.span)
        yield FrameDone(entry, done, total, self.work.file(index))

    def _begin(self, index: int) -> None:
        """A new shot: nothing before it holds its frames."""
        self._known.clear()
        self._shot, self._first = self._shot + 1, index
        self._painter = ShotPainter(self.settings, self._film, self._cache)

    def _painted(self, item: _Prepared, motion: Moves | None) -> Painted:
        assert self._painter is not None
        moved = list(self._moved(item, motion)) if motion and self._known else []
        given = item.picture, item.sources
        return self._painter.next(*given, moved) if moved else self._painter.first(*given)

    def _moved(self, item: _Prepared, motion: Moves | None) -> Iterator[Moved]:
        """The canvases painted before where they are now, nearest first, as far as they add."""
        found: list[tuple[int, _Remembered, torch.Tensor, np.ndarray]] = []
        covered = 0.0
        for distance in sorted(self._film.references):
            before = self._known.get(item.frame.index - distance)
            if before is None or covered > _ENOUGH:
                continue
            near = motion if distance == 1 and motion else _motion(item, before)
            found.append((distance, before, warped(before.canvas, near.back), near.trust))
            parts = closest_first([trust for *_, trust in found])
            covered = float(np.sum(parts, axis=0).mean())
        parts = closest_first([trust for *_, trust in found])
        for (distance, before, canvas, _), where in zip(found, parts, strict=True):
            yield Moved(distance, canvas, torch.from_numpy(where), before.sources)

    def _kept(self, seen: Seen[_Prepared], painted: Painted, motion: Moves | None) -> Entry:
        """The frame in the work folder, with the canvases that the next ones need."""
        index, frame = seen.index, seen.item.frame
        before = self._known.get(index - 1)
        apart = trusted = None
        if motion is not None and before is not None:
            apart, trusted = _unsteadiness(painted, before, motion)
        # the canvas first: a frame that is done always has what the next one begins with
        self.work.keep_canvas(index, painted.canvas, self._needed(index))
        return self.work.write(
            index,
            frame.seconds,
            painted.picture.replaced(alpha=None).levels(16),
            shot=self._shot,
            iterations=painted.iterations,
            loss=painted.loss,
            e_warp=apart,
            reliable=trusted,
            seconds=round(painted.seconds, 3),
            notes=(*frame.notes, *([seen.note] if seen.note else [])),
        )

    def _needed(self, index: int) -> set[int]:
        """Frames whose canvases this one and those after it may need; always the shot's first."""
        return {self._first, *range(max(self._first, index - self._reach), index + 1)}

    @property
    def _reach(self) -> int:
        return max(self._film.references)

    def _remember(self, index: int, item: _Prepared, entry: Entry) -> None:
        """Keep what later frames need of this one; of a frame that was done, what was kept."""
        canvas = self.work.canvas(index)
        if canvas is not None:
            self._known[index] = _Remembered(item.levels, item.sources, canvas)
            if index == self._first and self._painter and entry.loss is not None:
                self._painter.begin(item.picture, item.sources, canvas, entry.loss)
        for old in [i for i in self._known if i <= index - self._reach]:
            del self._known[old]


def settings_of(settings: Settings, clip: Clip) -> Settings:
    """Settings of a clip's frames, with the film's size, (width, height), as `size`."""
    size = canvas_size(settings, clip.size)
    # a canvas has the size of its film, for the next frame begins with it
    return settings.replaced(size=size, supersample_below=0)


def check_frame(
    clip: Clip, index: int, sources: Sources, settings: Settings, film: FilmSettings
) -> None:
    """Raise now what would fail when a frame is painted; nothing is written."""
    sized = settings_of(settings, clip)
    for frame in clip.frames(index, index + 1):
        picture = resize(Picture(planes(frame.pixels)), canvas_size(settings, clip.size))
        ShotPainter(sized, film).run(picture, sources.at(index, frame.seconds, sized))


def _in_pairs(
    seen: Iterator[Seen[_Prepared]],
) -> Iterator[tuple[Seen[_Prepared], _Prepared | None]]:
    """Each frame with the one before it in its shot."""
    before: _Prepared | None = None
    for each in seen:
        yield each, None if each.begins else before
        before = each.item


def _moves(
    missing: set[int], pair: tuple[Seen[_Prepared], _Prepared | None]
) -> tuple[Seen[_Prepared], Moves | None]:
    """A frame with its motion from the one before, where it is to be painted."""
    seen, before = pair
    wanted = before is not None and seen.index in missing
    return seen, _motion(seen.item, before) if wanted and before is not None else None


def _motion(now: _Prepared, before: _Prepared | _Remembered) -> Moves:
    """Motion from one frame to another, trusted as far as both are painted alike."""
    found = moves(now.levels, before.levels)
    alike = agreement(now.sources, before.sources, found.back)
    return Moves(found.back, (found.trust * alike).astype(np.float32))


def _unsteadiness(painted: Painted, before: _Remembered, motion: Moves) -> tuple[float, float]:
    """Mean squared difference from the moved frame before, of pixels that are there; their part."""
    there = torch.from_numpy(motion.trust > _CARED)
    difference = painted.canvas.clamp(0, 1) - warped(before.canvas.clamp(0, 1), motion.back)
    apart = difference.square().mean(0)[there]
    return float(apart.mean()) if apart.numel() else 0.0, float(there.float().mean())

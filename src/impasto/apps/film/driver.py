"""A clip painted frame after frame, kept in a work folder, and put together as a film.

clip ── Frame … ── shots ── motion, ahead ──> Following … ── stretches
                                                                │
canvases painted before ── warped, trusted ──> Moved … ── ShotPainter ──> Painted
                                                                             │
                                       film <── Reel <── Work <── frame, line, canvas
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from impasto.apps.film.ahead import Ahead, Moves
from impasto.apps.film.canvases import Canvases
from impasto.apps.film.clip import Clip, Frame
from impasto.apps.film.cuts import Part
from impasto.apps.film.entries import Entry, Kind
from impasto.apps.film.events import FilmEvent, FrameDone, Shot
from impasto.apps.film.loop import not_a_loop
from impasto.apps.film.order import Path, Prepared, followed, in_pairs, paths, stretches
from impasto.apps.film.painting import Moved, Painted, ShotPainter
from impasto.apps.film.reel import Reel
from impasto.apps.film.shots import Seen, shots
from impasto.apps.film.sources import Sources
from impasto.apps.film.work import Canvas, Work
from impasto.errors import Cancelled, SettingsError
from impasto.images import Picture, resize
from impasto.images.levels import planes
from impasto.objective import StyleCache
from impasto.run.events import Notice
from impasto.run.sizes import canvas_size
from impasto.settings import FilmSettings, Settings

__all__ = ["Film", "check_frame", "settings_of"]

_CARED = 0.5  # confidence from which a pixel counts in a frame's steadiness


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
        self._canvases = Canvases(film, clip.count)
        self._shot, self._first, self._done = -1, 0, 0
        self._painter: ShotPainter | None = None
        self._part: Part | None = None

    def part(self, part: Part, work: Work) -> Film:
        """One of its shots, with a view of the work folder for it; `cancel` stops it too."""
        film = copy(self)  # style statistics are shared
        film.work, film.span, film._part = work, part.frames, part
        film._shot, film._canvases = part.number - 1, Canvases(self._film, self.clip.count)
        return film

    def cancel(self) -> None:
        """Stop after the frame that is painted, from any thread."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise Cancelled after `cancel`."""
        if self._cancelled.is_set():
            raise Cancelled("the film was told to stop")

    def levels(self) -> Iterator[np.ndarray]:
        """What tells shots apart: all frames of the clip, (h, w, 3) at the film's size."""
        for frame in self.clip.frames():
            self.check()
            yield self._sized(frame)[1]

    def events(self) -> Iterator[FilmEvent]:
        """Everything that happens: Shots as they begin, frames as they are done, Notices.

        Frames that are done already are passed over, with their events. Raises Cancelled after
        `cancel`, and what `impasto.Run` and `Work` do.
        """
        for text in self.clip.notes:
            yield Notice(text, "clip")
        missing, every = {*self.work.missing(self.span)}, self._film.every
        flows = partial(followed, missing, every)
        self._done = 0
        with Ahead(flows, in_pairs(self._seen()), depth=every + 1) as ahead:
            for stretch in stretches(ahead, every):
                *between, last = zip((each.seen for each in stretch), paths(stretch), strict=True)
                yield from self._held(*last)
                for seen, path in between:
                    yield from self._filled(seen, path)

    def write(self, reel: Reel, *, beside: bool = False) -> None:
        """Put the frames together; `beside` shows the clip beside them. OutputError if it fails."""
        with reel:
            for frame in self.clip.frames(self.span.start, self.span.stop):
                ends = (*self.clip.times, self.clip.end)[frame.index + 1]
                source = frame.pixels if beside else None
                reel.add(self.work.read(frame.index), frame.pts, ends - frame.pts, source)

    def _seen(self) -> Iterator[Seen[Prepared]]:
        """The frames of the span, each in its shot."""
        frames = map(self._prepared, self.clip.frames(self.span.start, self.span.stop))
        if part := self._part:
            for item in frames:
                index = item.frame.index
                begins, note = index == part.frames.start, part.notes.get(index, "")
                yield Seen(index, item, begins, note, 0.0)
            return
        for seen in shots(frames, lambda item: item.levels):
            yield replace(seen, index=seen.item.frame.index)

    def _prepared(self, frame: Frame) -> Prepared:
        sources = self._sources.at(frame.index, frame.seconds, self.settings)
        return Prepared(frame, *self._sized(frame), sources)

    def _sized(self, frame: Frame) -> tuple[Picture, np.ndarray]:
        """A frame at the film's size: as a picture, and its levels (h, w, 3)."""
        picture = resize(Picture(planes(frame.pixels)), self.size)
        return picture, picture.levels(8 * frame.pixels.itemsize)

    def _held(self, seen: Seen[Prepared], path: Path) -> Iterator[FilmEvent]:
        """A frame held by those painted before: passed over, or painted and kept."""
        entry = self._entry(seen)
        if seen.begins:
            self._begin(seen.index)
            yield Shot(self._shot, seen.index)
        if entry is None:
            moved = self._canvases.moved(seen.item, path.before)
            painted = self._painted(seen.item, moved)
            # the canvas first: a frame that is done always has what the next one begins with
            needed = {self._first, *self._canvases.needed()}
            self.work.keep_canvas(seen.index, Canvas(painted.canvas, painted.settled), needed)
            kind: Kind = "held" if moved else "first"
            entry = self._kept(seen, kind, painted, _steadiness(painted, moved, path.before))
        self._remember(seen, entry)
        yield from self._told(seen, entry)

    def _filled(self, seen: Seen[Prepared], path: Path) -> Iterator[FilmEvent]:
        """A frame between the two painted last: passed over, or filled from them and kept."""
        entry = self._entry(seen)
        if entry is None:
            assert self._painter is not None
            moved = self._canvases.beside(seen.index, path)
            painted = self._painter.between(seen.item.picture, seen.item.sources, moved)
            entry = self._kept(seen, "between", painted, _steadiness(painted, moved, path.before))
        yield from self._told(seen, entry)

    def _entry(self, seen: Seen[Prepared]) -> Entry | None:
        """The line of a frame that is done; Cancelled after `cancel`."""
        self.check()
        return self.work.done(seen.index)

    def _begin(self, index: int) -> None:
        """A new shot: nothing before it holds its frames. SettingsError in a loop, after one."""
        self._shot, self._first = self._shot + 1, index
        if self._film.loop and self._shot:
            raise not_a_loop(index)
        self._canvases.clear()
        self._painter = ShotPainter(self.settings, self._film, self._cache)

    def _painted(self, item: Prepared, moved: Sequence[Moved]) -> Painted:
        assert self._painter is not None
        given = item.picture, item.sources
        return self._painter.next(*given, moved) if moved else self._painter.first(*given)

    def _kept(
        self,
        seen: Seen[Prepared],
        kind: Kind,
        painted: Painted,
        steadiness: tuple[float | None, float | None],
    ) -> Entry:
        """The frame in the work folder."""
        frame, (apart, trusted) = seen.item.frame, steadiness
        return self.work.write(
            seen.index,
            frame.seconds,
            painted.picture.replaced(alpha=None).levels(16),
            kind=kind,
            shot=self._shot,
            iterations=painted.iterations,
            loss=painted.loss,
            e_warp=apart,
            reliable=trusted,
            seconds=round(painted.seconds, 3),
            notes=(*frame.notes, *([seen.note] if seen.note else [])),
        )

    def _remember(self, seen: Seen[Prepared], entry: Entry) -> None:
        """Keep what later frames need of this one; of a frame that was done, what was kept."""
        canvas = self.work.canvas(seen.index)
        if canvas is None and self._film.every > 1:  # only frames between may still ask for it
            canvas = Canvas.of(planes(self.work.read(seen.index)))
        self._canvases.remember(seen.item, canvas)
        if seen.begins and canvas is not None and self._painter and entry.loss is not None:
            self._painter.begin(seen.item.picture, seen.item.sources, canvas.pixels, entry.loss)

    def _told(self, seen: Seen[Prepared], entry: Entry) -> Iterator[FilmEvent]:
        for note in seen.item.frame.notes:
            yield Notice(f"frame {seen.index}: {note}", "clip")
        self._done += 1
        yield FrameDone(entry, self._done, len(self.span), self.work.file(seen.index))


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


def _steadiness(
    painted: Painted, moved: Sequence[Moved], motion: Moves | None
) -> tuple[float | None, float | None]:
    """Mean squared difference from the frame painted before, moved, where it shows; that part."""
    if motion is None or not moved or moved[0].distance != 1:
        return None, None
    there = torch.from_numpy(motion.trust > _CARED)
    difference: Tensor = painted.canvas.clamp(0, 1) - moved[0].canvas.clamp(0, 1)
    apart = difference.square().mean(0)[there]
    return float(apart.mean()) if apart.numel() else 0.0, float(there.float().mean())

"""A run as a film of its canvas."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType

from impasto.errors import OutputError, optional, shown
from impasto.images import AtomicFile, Picture, check_place, resize
from impasto.outputs.timelapse.encoders import FILMS, Kind, Size, VideoEncoder
from impasto.outputs.timelapse.pace import Pace
from impasto.run.events import Step

__all__ = ["Timelapse", "check_film", "require"]

SECONDS = 10  # of a film that has all its frames
SLOWEST = 4  # frames a second
HOLD = 2  # seconds that the last picture stays


def check_film(path: str | os.PathLike[str]) -> None:
    """Raise now what would fail later: OutputError for the place, ExtraMissing for a library."""
    _kind(path)


def require(ending: str) -> None:
    """Import the library that a film of this ending needs; ExtraMissing if it is not installed."""
    film = FILMS.get(ending.lower())
    if film and film.needs:
        optional(film.needs, "video", f"writing a {ending} film")


def _kind(path: str | os.PathLike[str]) -> Kind:
    ending = check_place(path, FILMS)
    require(ending)
    return FILMS[ending]


class Timelapse:
    """A film being made: `record` each Step, then `close`.

    Frames are evenly spaced over the planned run, the initial canvas first; wherever the run ends,
    its last canvas is shown. A long run takes about ten seconds. The file appears when the film is
    closed, not before it is whole.

    As a context manager it is closed at the end of the block, and abandoned where that is left by
    an error.

    Args:
        path: the file; `.mp4` is H.264 and needs PyAV; `.gif` and `.webp` are smaller pictures.
        size: (width, height) of the run's last pictures in pixels, by default that of the first.
            Formats have a largest size, to which it is reduced.

    Raises what `check_film` does. After an error in `record` or `close` the film is abandoned and
    ignores what follows, so that the run can go on.
    """

    def __init__(self, path: str | os.PathLike[str], size: Size | None = None) -> None:
        self._path, self._size, self._kind = path, size, _kind(path)
        self._pace = Pace(self._kind.frames - 1)
        self._draft: AtomicFile | None = None
        self._reel: VideoEncoder | None = None
        self._waiting: Step | None = None  # the latest, as long as it was not shown
        self._over = False

    def record(self, step: Step) -> None:
        """Show the step if it is due, or keep it in case it is the last.

        Raises OutputError, once, where the film cannot be written.
        """
        if self._over:
            return
        self._waiting = step
        if self._pace.due(step):
            with self._abandoned_by(Exception):  # an interruption ends the run, not the film
                self._show_waiting()

    def close(self, result: Picture | None = None) -> None:
        """Show the last step, then `result` for two seconds, and put the file in its place.

        Without `result` the last step stays. Without any picture nothing is written.
        """
        if self._over:
            return
        with self._abandoned_by(BaseException):
            self._show_waiting()
            if result:
                self._show(result, self._reel or self._start(result, 0))
            if self._reel and self._draft:
                self._reel.hold(HOLD)
                self._reel.close()
                self._draft.publish()
            self._end()

    def abandon(self) -> None:
        """Leave no trace of the film, unless it is closed."""
        if self._reel:
            self._reel.abandon()
        if self._draft:
            self._draft.discard()
        self._end()

    def __enter__(self) -> Timelapse:
        """The film itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Close, or abandon after an error."""
        if error:
            self.abandon()
        else:
            self.close()

    def _show_waiting(self) -> None:
        if self._waiting:
            picture = self._waiting.picture()
            self._show(picture, self._reel or self._start(picture, self._waiting.total))
            self._waiting = None

    def _show(self, picture: Picture, reel: VideoEncoder) -> None:
        fitted = resize(replace(picture, alpha=None), reel.size)
        reel.add(fitted.levels(8))

    def _start(self, first: Picture, total: int) -> VideoEncoder:
        """The reel, now that the size and the number of iterations are known."""
        size = self._size or first.size
        shrink = min(1, self._kind.longest / max(size))
        width, height = (max(1, round(side * shrink)) for side in size)
        frames = min(total + 1, self._kind.frames)
        self._draft = AtomicFile(self._path)
        fps = max(SLOWEST, round(frames / SECONDS))
        self._reel = self._kind.reel(self._draft.file, (width, height), fps)
        return self._reel

    def _end(self) -> None:
        self._over, self._draft, self._reel, self._waiting = True, None, None, None

    @contextmanager
    def _abandoned_by(self, errors: type[BaseException]) -> Iterator[None]:
        try:
            yield
        except errors as error:
            self.abandon()
            if isinstance(error, OSError):
                why = error.strerror or error
                raise OutputError(f"{shown(self._path)}: {why}; no film was written") from error
            raise

"""A run as a film of its canvas."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from impasto.errors import optional
from impasto.images import AtomicFile, Picture, check_place, resize
from impasto.outputs.sampler import EvenSampler
from impasto.outputs.timelapse.encoders import FILMS, Kind, Size, VideoEncoder
from impasto.outputs.timelapse.unfinished import Unfinished
from impasto.run.events import Step

__all__ = ["Timelapse", "check_film", "require"]

SECONDS = 10  # duration of a film that has all its frames
MIN_FPS = 4  # frames a second
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


class Timelapse(Unfinished):
    """A film in the making: `record` each Step, then `close`.

    Frames are evenly spaced over the planned run, the initial canvas first; wherever the run ends,
    its last canvas is shown. A long run takes about ten seconds. The file appears when the film is
    closed, and is complete then.

    As a context manager it is closed at the end of the block, and abandoned if the block raises.

    Args:
        path: the file; `.mp4` is H.264 and needs PyAV; `.gif` and `.webp` are smaller pictures.
        size: (width, height) of the run's result in pixels, by default that of the first step.
            A format has a maximal size, to which it is reduced.

    Raises what `check_film` does. After an error in `record` or `close` the film is abandoned and
    ignores all further calls, so that the run can go on.
    """

    def __init__(self, path: str | os.PathLike[str], size: Size | None = None) -> None:
        super().__init__(path)
        self._size, self._kind = size, _kind(path)
        self._sampler = EvenSampler(self._kind.frames - 1)
        self._draft: AtomicFile | None = None
        self._encoder: VideoEncoder | None = None
        self._waiting: Step | None = None  # the last step, unless it was shown
        self._over = False

    def record(self, step: Step) -> bool:
        """Show the step if it is due, and return whether it is; else keep it for the end.

        Raises OutputError, once, if the film cannot be written.
        """
        if self._over:
            return False
        self._waiting = step
        due = self._sampler.due(step)
        if due:
            with self._abandoned_by(Exception):  # an interruption ends the run, not the film
                self._show_waiting()
        return due

    def replay(self, steps: Iterable[Step], pictures: Callable[[Step], Picture | None]) -> None:
        """Show steps before a run was resumed, as far as there are `pictures` of them.

        Where the next due step has no picture, the first one after it that has one is shown.
        """
        due = False
        with self._abandoned_by(Exception):
            for step in steps:
                due = self._sampler.due(step) or due
                if due and (picture := pictures(step)):
                    self._show(picture, self._encoder or self._start(picture, step.total))
                    due = False

    def close(self, result: Picture | None = None) -> None:
        """Show the last step, then `result` for two seconds, and put the file in its place.

        Without `result` the last step stays. Without any picture nothing is written.
        """
        if self._over:
            return
        with self._abandoned_by(BaseException):
            self._show_waiting()
            if result:
                self._show(result, self._encoder or self._start(result, 0))
            if self._encoder and self._draft:
                self._encoder.hold(HOLD)
                self._encoder.close()
                self._draft.publish()
            self._end()

    def abandon(self) -> None:
        """Delete the unfinished film; a closed one stays."""
        if self._encoder:
            self._encoder.abandon()
        if self._draft:
            self._draft.discard()
        self._end()

    def _show_waiting(self) -> None:
        if self._waiting:
            step = self._waiting
            picture = step.preview(max(self._kind.fitted(self._size or step.size)))
            self._show(picture, self._encoder or self._start(picture, step.total))
            self._waiting = None

    def _show(self, picture: Picture, encoder: VideoEncoder) -> None:
        fitted = resize(picture.replaced(alpha=None), encoder.size)
        encoder.add(fitted.levels(8))

    def _start(self, first: Picture, total: int) -> VideoEncoder:
        """The encoder, now that the size and the number of iterations are known."""
        frames = min(total + 1, self._kind.frames)
        self._draft = AtomicFile(self._path)
        fps = max(MIN_FPS, round(frames / SECONDS))
        size = self._kind.fitted(self._size or first.size)
        self._encoder = self._kind.encoder(self._draft.file, size, fps)
        return self._encoder

    def _end(self) -> None:
        self._over, self._draft, self._encoder, self._waiting = True, None, None, None

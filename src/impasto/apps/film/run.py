"""A film from its clip to its file, with everything that is written on the way."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from impasto.apps.film.clip import Clip
from impasto.apps.film.driver import Film, check_frame
from impasto.apps.film.entries import Entry
from impasto.apps.film.events import FilmEvent, FrameDone, Shot
from impasto.apps.film.identity import identity
from impasto.apps.film.loop import check_loop
from impasto.apps.film.preview import Preview
from impasto.apps.film.reel import Reel
from impasto.apps.film.report import check_report, write_report
from impasto.apps.film.sharing import Sharing, check_unfinished
from impasto.apps.film.sources import Sources
from impasto.apps.film.story import story_of
from impasto.apps.film.style_keys import StyleKeys
from impasto.apps.film.work import Work
from impasto.apps.leases import Leases
from impasto.errors import ImageError, OutputError, SettingsError, optional, printable, shown
from impasto.images import MAX_PIXELS, Source
from impasto.outputs.names import files_at, real
from impasto.run.events import Notice
from impasto.run.sizes import canvas_size
from impasto.settings import FilmSettings, Settings

__all__ = ["FilmFiles", "FilmResult", "FilmRun", "frames_of"]

_SOURCES = ("protect", "content_masks", "style_masks", "encoder", "init")


@dataclass(frozen=True)
class FilmFiles:
    """What is written beside the film, and how the film is.

    Attributes:
        codec, quality: of the film, as in `Reel.open`.
        beside: show the clip beside the painting.
        work: the folder of painted frames; by default the film's name with `.work`.
        keep_work: keep that folder when the film is whole.
        report: an HTML page about the film.
        preview: a picture file with the frame that was painted last.
    """

    codec: str = "auto"
    quality: int | None = None
    beside: bool = False
    work: str | os.PathLike[str] | None = None
    keep_work: bool = False
    report: str | os.PathLike[str] | None = None
    preview: str | os.PathLike[str] | None = None


@dataclass(frozen=True)
class FilmResult:
    """A film that was written: its file, a line for each frame, its shots, and what made it.

    `here` is false where another process of those that share the film put it together; lines that
    this one did not see before the work folder went are left out.
    """

    path: Path
    entries: tuple[Entry, ...]
    shots: tuple[Shot, ...]
    settings: Settings
    film: FilmSettings
    here: bool = True


class FilmRun:
    """A film: iterate over it for its frames, or over `events`; then `write` it.

    A film that was interrupted goes on with the frames that are painted in the work folder, and
    ends with the same frames, bit for bit.

    Args:
        clip: a video, an animation, or a folder of numbered pictures; or a Clip.
        styles: as `impasto.Run` takes them; or a mapping from times to styles that cross-fade, as
            `StyleKeys.of` takes it: `{0: "a.jpg", 5: ["b.jpg", ("c.jpg", 2)]}`.
        output: the film, or a folder of pictures.
        settings: of each frame; by default the recipe `standard`.
        film: how frames follow one another.
        frames: a range of frames, or "A:B"; all by default.
        fps: frames a second of a folder of pictures.
        max_pixels: larger pictures and frames are refused before they are decoded.
        share: paint it together with all processes, on any machines, that do the same with this
            work folder; each takes shots, and one of them writes the film.
        options: fields of `FilmFiles`; and of `Run`: `protect`, `content_masks`, `style_masks`,
            `encoder`, `init`. Masks may be films or folders of one mask for each frame.

    Raises subclasses of ImpastoError in one line for whatever the caller can mend, before anything
    is written.
    """

    def __init__(
        self,
        clip: str | os.PathLike[str] | Clip,
        styles: Source | Sequence[Source] | Mapping[Any, Any] | StyleKeys,
        output: str | os.PathLike[str],
        settings: Settings | None = None,
        film: FilmSettings | None = None,
        *,
        frames: range | str | None = None,
        fps: float | None = None,
        max_pixels: int = MAX_PIXELS,
        share: bool = False,
        **options: Any,  # noqa: ANN401 (checked here)
    ) -> None:
        optional("av", "video", "a film")
        self.settings, self.film = settings or Settings.of(), film or FilmSettings()
        self.path = Path(os.fsdecode(output))
        self.files, arguments = _divided(options)
        self.clip = clip if isinstance(clip, Clip) else Clip.open(clip, fps, max_pixels)
        self.span = frames_of(frames, self.clip.count)
        self.size = canvas_size(self.settings, self.clip.size)
        arguments["max_pixels"] = max_pixels
        self.sources = Sources.of(styles, arguments, self.clip, max_pixels)
        self._preview = Preview(self.files.preview) if self.files.preview else None
        self._check()
        name = self.files.work or f"{self.path}.work"
        known = identity(self.clip, self.sources, self.settings, self.film)
        check_frame(self.clip, self.span.start, self.sources, self.settings, self.film)
        if share:
            check_unfinished(self.path, name)
        self.work = Work(name, known, self.span)
        self._whose = {"clip": known["clip"], "size": self.size} if share else None
        self._entries: dict[int, Entry] = {}  # of a film that is shared
        self._film = self._begun()

    def __iter__(self) -> Generator[FrameDone, None, None]:
        """Frame after frame; see `events`."""
        return (event for event in self.events() if isinstance(event, FrameDone))

    def events(self) -> Iterator[FilmEvent]:
        """Everything that happens: a Shot as it begins, a FrameDone for each frame, Notices.

        Frames that are done already are told too, and those by other processes of a film that is
        shared. Raises Cancelled after `cancel`, and what `impasto.Run` does. Iterated once more, it
        goes on.
        """
        told = set[str]()
        try:
            for event in self._film.events():
                yield event
                problem = self._previewed(event)
                if problem and problem not in told:
                    yield Notice(f"{problem}; the film goes on", "output")
                    told.add(problem)
        finally:
            self._film = self._begun()

    def cancel(self) -> None:
        """Stop after the frame that is painted, from any thread; the frames so far are kept."""
        self._film.cancel()

    def write(self) -> FilmResult:
        """Put the frames together as the film, with its report; ValueError while one is missing.

        The work folder goes, unless it is kept or only some frames were painted. Raises OutputError
        where a file cannot be written; then it stays. Where the film is shared, one process does
        it, and the others wait until it is done.
        """
        keep = self.files.keep_work or len(self.span) < self.clip.count
        here = True
        if isinstance(self._film, Sharing):
            here = self._film.finish(self.path, self._how(), self._put_together, keep=keep)
        else:
            if missing := self.work.missing(self.span):
                raise ValueError(f"frame {missing[0]} is not painted yet; iterate over the events")
            self._put_together()
            if not keep:
                self.work.remove()
        own = tuple(self._entries[index] for index in self.span if index in self._entries)
        return FilmResult(self.path, own, tuple(_shots(own)), self.settings, self.film, here)

    def _put_together(self) -> None:
        """The film and its report, of frames that are all whole."""
        done = (self.work.done(index) for index in self.span)
        own = list(filter(None, done))
        self._entries.update((entry.index, entry) for entry in own)
        self._whole().write(self._reel(), beside=self.files.beside)
        if self.files.report:
            story = story_of(self.clip, self.sources, self.settings, self.film, own)
            write_report(self.files.report, story, self.work.folder)

    def _how(self) -> list[Any]:
        """What the film at its path depends on beside its frames; plain values."""
        f, span = self.files, self.span
        report = Path(os.fsdecode(f.report)).name if f.report else None
        return [self.path.name, span.start, span.stop, f.codec, f.quality, f.beside, report]

    def _whole(self) -> Film:
        return Film(self.clip, self.sources, self.settings, self.film, self.work, self.span)

    def _begun(self) -> Film | Sharing:
        film = self._whole()
        if self._whose is None:
            return film
        return Sharing(film, self._whose, Leases(self.work.shared), self._entries)

    def _previewed(self, event: FilmEvent) -> str:
        """Show a frame that is done; why that fails, as at a disk that may have space later."""
        try:
            if self._preview and isinstance(event, FrameDone):
                self._preview.show(event)
        except (OutputError, ImageError) as error:  # the picture's, or the frame's own
            return str(error)
        return ""

    def _reel(self) -> Reel:
        f, clip = self.files, self.clip
        how: dict[str, Any] = {"audio_from": clip, "rate": clip.rate, "beside": f.beside}
        return Reel.open(self.path, self.size, clip.time_base, f.codec, f.quality, **how)

    def _check(self) -> None:
        """Raise now what would fail later; nothing is written."""
        self.sources.check(self.settings)
        if self.film.loop:
            check_loop(self.clip, self.span)
        self._reel()
        if self.files.report:
            check_report(self.files.report)
        if self._preview:
            self._preview.check(self.size)
        self._check_collisions()

    def _check_collisions(self) -> None:
        """OutputError for a file that is written over an input or another output."""
        names = [self.clip.path, *self.sources.names()]
        taken = {real(path): "an input" for name in names for path in _with_files(name)}
        for output in (self.path, self.files.report, self.files.preview):
            if output is None:
                continue
            place, *replaced = map(real, _with_files(output))
            if place in taken:
                raise OutputError(f"{shown(output)}: is also {taken[place]}; choose another name")
            if inputs := taken.keys() & set(replaced):
                name = shown(Path(min(inputs)).name)
                raise OutputError(f"{shown(output)}: holds the input {name}; choose another folder")
            taken[place] = "another file of this film"


def frames_of(frames: range | str | None, count: int) -> range:
    """The frames of `A:B`, either of which may be left out; SettingsError for others than those."""
    if frames is None:
        return range(count)
    if isinstance(frames, str):
        first, colon, last = frames.partition(":")
        try:
            span = range(int(first or 0), int(last or count)) if colon else range(0)
        except ValueError:
            span = range(0)
    else:
        span = frames if isinstance(frames, range) else range(0)
    if span.step != 1 or not 0 <= span.start < span.stop <= count:
        raise SettingsError(
            f"frames is {printable(repr(frames))}; expected A:B, within the clip's {count} frames"
        )
    return span


def _with_files(name: str | os.PathLike[str]) -> list[Path]:
    """The path of that name, and the entries of the folder that may be there."""
    path = Path(os.fsdecode(name))
    return [path, *files_at(path)]


def _divided(options: dict[str, Any]) -> tuple[FilmFiles, dict[str, Any]]:
    """Options as files, and as arguments of Run; SettingsError for another name."""
    files = {field.name for field in fields(FilmFiles)}
    for name in options:
        if name not in files and name not in _SOURCES:
            raise SettingsError(
                f"{name} is no option of a film; expected {', '.join((*sorted(files), *_SOURCES))}"
            )
    given = {name: value for name, value in options.items() if value is not None}
    return (
        FilmFiles(**{name: value for name, value in given.items() if name in files}),
        {name: value for name, value in given.items() if name in _SOURCES},
    )


def _shots(entries: Sequence[Entry]) -> Iterator[Shot]:
    """Each shot and its first frame."""
    last = None
    for entry in entries:
        if entry.shot != last:
            yield Shot(entry.shot, entry.index)
        last = entry.shot

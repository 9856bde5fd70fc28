"""A film that several processes paint: what one of them does until all frames are painted.

one reads the clip ──> shots.json <── all    each: take a shot, paint its frames, take the next;
                                             then wait for the others', or go on with theirs
one of them ──> the film

Whoever takes the lease of a shot looks after that whether frames of it are still missing, and then
whether the work folder is still there, in this order: who removes a film removes its header before
its lines. Nobody takes a shot while another process has the lease of the film.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from impasto.apps.film.cuts import Cuts, Part
from impasto.apps.film.driver import Film
from impasto.apps.film.entries import Entry
from impasto.apps.film.events import FilmEvent, FrameDone, Shot
from impasto.apps.film.work import HEADER
from impasto.apps.leases import Lease, LeaseLost, Leases, Lookout, worker_name
from impasto.errors import ImageError, OutputError, shown
from impasto.images import AtomicFile
from impasto.run.events import Notice

__all__ = ["AlreadyThere", "Sharing", "check_unfinished"]

_CUTS = "shots"  # names the lease of the process that reads the clip
_CUTS_FILE = "shots.json"  # what it found
_FILM = "film"  # names the lease of the process that puts the film together
_TICK = 0.2  # seconds until a process that waits hears that it is to stop


class AlreadyThere(OutputError):
    """The film is there, and no work folder of it: nothing is left to share."""


def check_unfinished(path: Path, folder: str | os.PathLike[str]) -> None:
    """AlreadyThere where processes that share the film at `path` have finished it."""
    there = path.is_file() or (path.is_dir() and any(path.iterdir()))
    if there and not os.path.lexists(Path(folder) / HEADER):
        raise AlreadyThere(f"{shown(path)}: is there already; delete it to have it painted again")


class Sharing:
    """Paints a film together with all processes of its work folder.

    Args:
        film: all that is to be painted.
        whose: plain values of the clip and the film, on which its shots depend.
        leases: of the folder `Work.shared`, which is made.
        entries: lines of painted frames, by index, as far as they are known; it is filled.
        worker: what this process is called, for people.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        film: Film,
        whose: Mapping[str, Any],
        leases: Leases,
        entries: dict[int, Entry],
        worker: str | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._film, self._work, self._leases, self.entries = film, film.work, leases, entries
        self._worker, self._sleep = worker or worker_name(), sleep
        self._whose: dict[str, Any] = json.loads(json.dumps(dict(whose)))
        self._lookout, self._waited, self._finishes = Lookout(leases), "", False
        self._told, self._begun, self._notices = set[int](), set[int](), set[str]()
        self._broken = set[int]()  # frames whose files are not as their lines say
        if self._is_on:
            with suppress(OSError):  # which shows at the first look
                leases.folder.mkdir(exist_ok=True)

    def cancel(self) -> None:
        """Stop after the frame that is painted, from any thread."""
        self._film.cancel()

    def events(self) -> Iterator[FilmEvent]:
        """Shots, frames as they are done by any process, Notices; it ends when all are.

        Where another process has put the film together and removed its folder, it ends too. Raises
        Cancelled after `cancel`, and what `impasto.Run` and `Work` do; then other processes go on.
        """
        while self._is_on:
            cuts = self._cuts()
            missing = self._missing(parts := cuts.parts(self._film.span))
            yield from self._news(parts)
            if cuts.whole and not missing:
                return
            names = [part.name for part in missing] + [_CUTS] * (not cuts.whole)
            free, expired = self._look([_FILM, *names])
            may = _FILM in free or self._finishes
            mine = [part for part in missing if may and part.name in free]
            reads = _CUTS in free and self._find(expired)
            if not reads and not (yield from self._one(mine, expired)):
                what = f"{len(missing)} shot{'s' if len(missing) != 1 else ''}"
                what = what if missing else "the shots of the clip"
                yield from self._wait(what, names if may else [_FILM])

    def finish(
        self, path: Path, how: Sequence[Any], write: Callable[[], object], *, keep: bool
    ) -> bool:
        """Put the film together, unless another process does; whether it was this one.

        It returns when the film is at `path`. `how` are plain values on which it depends beside its
        frames. `write` writes it, after all frames are found to be whole; then the work folder goes
        unless it is to be kept. Raises ValueError while frames are not painted.
        """
        self._check_painted()
        while self._is_on and not self._is_made(path, how):
            free, expired = self._look([_FILM])
            lease = self._take(_FILM, expired) if free else None
            if lease is None:
                self._pause()
                continue
            with self._held(lease):
                if self._is_on and not self._is_made(path, how):
                    self._mend(lease)
                    write()
                    lease.check()
                    self._leave(how, keep=keep)
                    return True
        return False

    def _cuts(self) -> Cuts:
        """Where shots begin, as far as it is known."""
        return Cuts.read(self._leases.folder / _CUTS_FILE, self._whose)

    def _find(self, expired: Collection[str]) -> bool:
        """Read the clip for its shots, which others paint meanwhile, unless another does."""
        lease = self._take(_CUTS, expired)
        if lease is None:
            return False
        with self._held(lease):
            found = Cuts.found(self._film.levels(), self._whose)
            for cuts in found if not self._cuts().whole else ():
                lease.check()
                cuts.write(self._leases.folder / _CUTS_FILE)
        return True

    def _one(
        self, parts: Sequence[Part], expired: Collection[str]
    ) -> Generator[FilmEvent, None, bool]:
        """Paint the first of the shots that no other process takes before; whether there is one."""
        for part in parts:
            if lease := self._take(part.name, expired):
                with self._held(lease):
                    if self._missing([part]) and self._is_on:  # in this order; see above
                        yield from self._painted(part, lease)
                return True
        return False

    def _painted(self, part: Part, lease: Lease) -> Iterator[FilmEvent]:
        """A shot whose lease we have; raises LeaseLost where it is another's."""
        work = self._work.part(part.frames, f"{lease.path.stem}.jsonl", lease.check)
        for event in self._film.part(part, work).events():
            if isinstance(event, FrameDone):
                self.entries[event.entry.index] = event.entry
                yield from self._news([part])
            elif isinstance(event, Notice) and event.text not in self._notices:
                self._notices.add(event.text)
                yield event
        self._broken.difference_update(part.frames)
        for index in work.missing(part.frames):
            raise ImageError(f"{shown(self._film.clip.path)}: ends before frame {index}")

    def _missing(self, parts: Iterable[Part]) -> list[Part]:
        """Those of the shots of which a frame is to be painted, by the lines that are there now."""
        self._refresh()
        there = self.entries.keys() - self._broken
        return [part for part in parts if any(index not in there for index in part.frames)]

    def _refresh(self) -> None:
        with self._ending():
            self.entries.update(self._work.entries())

    def _news(self, parts: Iterable[Part]) -> Iterator[FilmEvent]:
        """Frames of these shots that are done and were not told, whoever painted them."""
        for part in parts:
            for index in part.frames:
                if index in self.entries and index not in self._told:
                    if part.number not in self._begun:
                        self._begun.add(part.number)
                        yield Shot(part.number, part.frames.start)
                    self._told.add(index)
                    counts = len(self._told), len(self._film.span)
                    yield FrameDone(self.entries[index], *counts, self._work.file(index))

    @property
    def _is_on(self) -> bool:
        return self._work.is_there

    def _look(self, names: Sequence[str]) -> tuple[list[str], frozenset[str]]:
        """Those that nobody has, and the files of leases that have expired."""
        with self._ending():
            return self._lookout.look(names)
        return [], frozenset()

    def _take(self, name: str, expired: Collection[str]) -> Lease | None:
        with self._ending():
            return self._leases.take(name, self._worker, expired=expired)
        return None

    @contextmanager
    def _held(self, lease: Lease) -> Iterator[None]:
        """Renew a lease, and give it back in the end; the block is left where it is lost."""
        with suppress(LeaseLost), self._ending(), lease:
            try:
                yield
            finally:
                lease.give_back()

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Leave the block by an error silently if the folder, and the work on it, has gone."""
        try:
            yield
        except (OutputError, ImageError):
            if self._is_on:
                raise

    def _wait(self, what: str, names: Sequence[str]) -> Iterator[Notice]:
        """Tell who is waited for, if that is new, and pause."""
        text = self._lookout.waiting(what, names)
        if text != self._waited:
            self._waited = text
            yield Notice(text, "sharing")
        self._pause()

    def _pause(self) -> None:
        """Until the next look at the others; raises Cancelled after `cancel`."""
        rest = self._leases.pause
        while rest > 0:
            self._film.check()
            self._sleep(min(rest, _TICK))
            rest -= _TICK

    def _check_painted(self) -> None:
        """ValueError while there is a frame to paint."""
        self._refresh()
        missing = (index for index in self._film.span if index not in self.entries)
        if self._is_on and (first := next(missing, None)) is not None:
            raise ValueError(f"frame {first} is not painted yet; iterate over the events")

    def _mend(self, lease: Lease) -> None:
        """Paint frames again whose files are not as their lines say, by our lease of the film.

        LeaseLost where another process has taken over, and may have removed the folder.
        """
        self._finishes = True
        try:
            while broken := self._work.missing(self._film.span):
                lease.check()
                if not self._is_on:
                    raise LeaseLost(_FILM)
                self._broken.update(broken)
                for _ in self.events():
                    pass
        finally:
            self._finishes = False

    def _leave(self, how: Sequence[Any], *, keep: bool) -> None:
        """Remove the folder, or leave in it that the film is made."""
        if not keep:
            self._work.remove()
            return
        with AtomicFile(self._mark(how)) as file:
            file.write_text("{}\n")

    def _is_made(self, path: Path, how: Sequence[Any]) -> bool:
        """Whether there is the film of these frames, whose folder was kept."""
        return self._mark(how).exists() and path.exists()

    def _mark(self, how: Sequence[Any]) -> Path:
        """The file that says so."""
        frames = [self.entries[index].sha256 for index in self._film.span]
        digest = hashlib.sha256(json.dumps([*how, frames]).encode()).hexdigest()
        return self._leases.folder / f"{_FILM}.{digest[:16]}.json"

"""What workers of one batch share: a folder beside the manifest, until every pair has ended.

    manifest.shared/
      batch.json        what is painted, so that another batch is refused, and the round's number
      pairs.….json      the indices of the pairs that the manifest did not have as done
      7.0.lease         who paints pair 7; see `impasto.apps.leases`
      7.checkpoint      how far it is
      7.json            how it ended

The folder appears and disappears as a whole, by being renamed, so that a worker finds all of a
round or nothing of it. Whoever takes a lease looks after that whether the pair has ended already
and then whether the round is still on, in this order: at the end of a round `batch.json` is deleted
before the records.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from impasto.apps.batch.layout import Job
from impasto.apps.batch.manifest import Entry
from impasto.apps.leases import Lease, LeaseLost, Leases
from impasto.apps.small_files import ATTEMPTS, PAUSE, create, read, read_whole
from impasto.apps.small_files import replace as write
from impasto.errors import OutputError, SettingsError, shown
from impasto.run.events import Done, Event

__all__ = ["ELSEWHERE", "Paint", "Round"]

ELSEWHERE = "elsewhere"
"""Status of a pair that another worker is at; no record holds it."""

MAX_DEATHS = 5
"""So many workers may die of a pair in a row, without a new checkpoint, until it has failed."""

_NAMED = 6  # differences that a message names

Paint = Callable[[Path, Callable[[Event], None]], Entry]
"""Paints with a checkpoint at that path; the function, called at each event, may raise."""


@dataclass(frozen=True)
class Round:
    """One batch in a folder, from the first worker to the end of the last pair; plain values.

    Attributes:
        id: a random number in hexadecimal digits, which each record has.
        worker: the name of this worker, for people.
        leases: those of its folder.
        expired: files of leases that may be taken over.
    """

    id: str
    worker: str
    leases: Leases
    expired: frozenset[str] = frozenset()

    @classmethod
    def joined(cls, leases: Leases, batch: Mapping[str, Any], worker: str) -> Round:
        """The round that is on in the folder, or a new one.

        `batch` says by name what all workers must agree on. Raises SettingsError where they do
        not, OutputError where the folder cannot be made or is damaged.
        """
        folder = leases.folder
        try:
            for attempt in range(ATTEMPTS):  # another worker may begin or end a round meanwhile
                if attempt:
                    time.sleep(PAUSE)
                mark = read(folder / "batch.json")
                if mark is None and not _founded(folder, batch):
                    continue
                mark = mark or read(folder / "batch.json") or {}
                if isinstance(mark.get("round"), str):
                    _check_same(folder, mark.get("batch"), batch)
                    return cls(mark["round"], worker, leases)
        except OSError as error:
            raise _unwritable(folder, error) from error
        raise OutputError(f"{shown(folder)}: damaged; delete it when no worker uses it any more")

    @property
    def is_on(self) -> bool:
        """Whether this round has not ended."""
        path = self.leases.folder / "batch.json"
        mark = read(path)
        # a server that fails to read it for once does not end the round
        return os.path.lexists(path) if mark is None else mark.get("round") == self.id

    def check(self) -> None:
        """LeaseLost if this round, and all its leases, have ended."""
        if not self.is_on:
            raise LeaseLost(self.id)

    def agreed(self, find: Callable[[], Iterable[int]], count: int) -> list[int]:
        """The indices of the pairs to paint: those that the first worker to ask did find.

        There are `count` pairs in all. Raises OutputError where the list is damaged.
        """
        path = self.leases.folder / f"pairs.{self.id}.json"  # never that of another round
        known = read_whole(path)
        if known is None and not path.exists():
            try:
                create(path, {"waiting": sorted(find())})
            except OSError as error:
                raise _unwritable(path.parent, error) from error
            known = read_whole(path)
        found = (known or {}).get("waiting")
        if not isinstance(found, list) or not all(type(n) is int and 0 <= n < count for n in found):
            raise OutputError(f"{shown(path)}: damaged; delete {shown(path.parent)}")
        return found

    def record(self, job: Job) -> Entry | None:
        """How a pair ended in this round; None if it has not, or the record is not one of ours."""
        record = read(self._file(job, "json"))
        if record is None or record.pop("round", None) != self.id:
            return None
        entry = Entry.of(record)
        return entry if entry and _is_of(entry, job) else None

    def painted(self, job: Job, paint: Paint) -> Entry:
        """Paint a job if no other worker is at it; its entry, else one that is ELSEWHERE.

        A pair that has ended gives its entry, whoever painted it. Raises OutputError where nothing
        can be written in the folder, and KeyboardInterrupt; the lease is given back then.
        """
        if ended := self.record(job):
            return ended
        checkpoint = self._file(job, "checkpoint")
        with self.ending(), suppress(LeaseLost):
            lease = self.leases.take(
                self.lease_of(job), self.worker, progress=_age(checkpoint), expired=self.expired
            )
            if lease:
                return self._with(lease, job, paint, checkpoint)
        return _elsewhere(job)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Leave the block by an OutputError silently if the round, and its folder, have ended."""
        try:
            yield
        except OutputError:
            if self.is_on:
                raise

    def lease_of(self, job: Job) -> str:
        """The name of a job's lease."""
        return str(job.index)

    def end(self) -> None:
        """Remove the folder, in one step for everybody else; OutputError where that fails."""
        folder = self.leases.folder
        gone = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
        try:
            folder.rename(gone)
        except FileNotFoundError:
            return  # another worker was faster
        except OSError as error:
            raise _unwritable(folder, error) from error
        for left in folder.parent.glob(f".{folder.name}.*"):  # by others that were killed here too
            with suppress(OSError):
                (left / "batch.json").unlink(missing_ok=True)
            shutil.rmtree(left, ignore_errors=True)

    def _with(self, lease: Lease, job: Job, paint: Paint, checkpoint: Path) -> Entry:
        """The entry of a job whose lease we have; raises LeaseLost too."""
        with lease:
            try:
                ended = self.record(job)
                self.check()  # after the record; see above
                return ended or self._painted(job, paint, lease, checkpoint)
            except BaseException:
                lease.give_back()
                raise

    def _painted(self, job: Job, paint: Paint, lease: Lease, checkpoint: Path) -> Entry:
        def guard(event: Event) -> None:
            if lease.is_lost or isinstance(event, Done):  # then files are written
                lease.check()

        if lease.deaths < MAX_DEATHS:
            entry = paint(checkpoint, guard)
        else:
            error = f"{lease.deaths} workers in a row ended while they painted it"
            entry = replace(_elsewhere(job), status="failed", error=error)
        if isinstance(entry.raised, (LeaseLost, KeyboardInterrupt)):
            raise entry.raised
        lease.check()
        entry = replace(entry, worker=self.worker)
        try:
            write(self._file(job, "json"), {**entry.line(), "round": self.id})
        except OSError as error:
            raise _unwritable(self.leases.folder, error) from error
        checkpoint.unlink(missing_ok=True)
        return entry

    def _file(self, job: Job, ending: str) -> Path:
        return self.leases.folder / f"{job.index}.{ending}"


def _founded(folder: Path, batch: Mapping[str, Any]) -> bool:
    """Make the folder of a new round; whether there was none."""
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    draft.mkdir()
    try:
        create(draft / "batch.json", {"round": secrets.token_hex(16), "batch": batch})
        draft.rename(folder)
    except FileNotFoundError:  # somebody cleaned up
        return False
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True


def _check_same(folder: Path, known: object, batch: Mapping[str, Any]) -> None:
    """SettingsError that names what differs between two batches, the first one from a file."""
    flat = _flat(known if isinstance(known, Mapping) else {})
    ours = _flat(json.loads(json.dumps(batch)))
    other = sorted(name for name in {*flat, *ours} if flat.get(name) != ours.get(name))
    if other:
        raise SettingsError(
            f"{shown(folder.parent)}: is being painted with other {', '.join(other[:_NAMED])}; "
            f"give the same command, choose another --output, or delete {shown(folder)}"
        )


def _unwritable(folder: Path, error: OSError) -> OutputError:
    reason = error.strerror or error
    return OutputError(f"{shown(folder)}: {reason}; workers must be able to create files there")


def _flat(batch: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a batch by name, and the fields of its settings as such parts."""
    settings = batch.get("settings")
    fields = settings if isinstance(settings, Mapping) else {"settings": settings}
    return {**{name: value for name, value in batch.items() if name != "settings"}, **fields}


def _is_of(entry: Entry, job: Job) -> bool:
    """Whether a record, whoever wrote it, is a job's, with fields that can be shown."""
    texts = (entry.error, entry.worker)
    return (
        (entry.output, entry.index) == (job.name, job.index)
        and entry.status in ("done", "failed")
        and all(text is None or isinstance(text, str) for text in texts)
    )


def _elsewhere(job: Job) -> Entry:
    """What can be said of a job that another worker is at."""
    names = (str(job.pair.content), str(job.pair.style), job.name)
    return Entry(job.index, *names, None, None, ELSEWHERE, {}, "", 0.0)


def _age(checkpoint: Path) -> str:
    """What differs once a checkpoint is replaced."""
    try:
        return str(checkpoint.stat().st_mtime_ns)
    except OSError:
        return ""

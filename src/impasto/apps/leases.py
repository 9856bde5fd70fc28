"""Leases: which worker is at what, told by files that all workers of one folder see.

The lease of `7` is the file `7.0.lease`. Whoever creates it has it, and renews it by setting its
time of change, every BEAT seconds, also during a long evaluation. If it is not renewed for EXPIRY
seconds, another worker takes over by creating `7.1.lease`, and so on: the highest number counts.
No lease is ever renamed or deleted, so that two workers which both find one expired cannot take a
new one from each other: one of them creates the next number, the other fails. Who gives a lease
back sets its time to 0, and it is free at once.

A worker that was only slow, such as one on a machine that slept, sees the next number. It looks
after each step, and again before it writes the picture and the record, and lets go. Should it come
too late all the same, it replaces a whole file by another whole file of the same run.

Time is the folder's. The age of a lease is the difference of two times that the file server
sets: that of the lease, and that of a file which the looking worker has created just now. No
machine's clock is compared with another's. As the server's clock may be set forward, a worker must
also have seen the lease unchanged for two beats, by its own stopwatch; as it may be set back, a
lease that it has seen unchanged for EXPIRY has expired whatever its time.

Of the file system it is assumed that to create a hard link fails where the name exists, or, where
there are no links, that exclusive creation does (`O_EXCL`); that a name which a folder got or lost
is seen once the looking worker has itself created a file there; and that attributes are current
once a file is opened. NFS gives all of these. Its caches may be up to a minute old elsewhere, which
is why EXPIRY is two. Nothing relies on locks, on appending, on the processes of another machine.
"""

from __future__ import annotations

import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.apps.small_files import create, read
from impasto.errors import OutputError, printable, shown

__all__ = ["BEAT", "EXPIRY", "Lease", "LeaseLost", "Leases", "Lookout", "worker_name"]

BEAT = 15.0  # seconds
EXPIRY = 120.0

_LOOKS = 3  # at the others' leases, in a beat
_NAMED = 3  # workers that a line names
_LONGEST = 4096  # bytes of a lease; a longer one is not ours


class LeaseLost(Exception):
    """Another worker has taken over; what this one has of the matter is not to be written."""


@dataclass(frozen=True)
class Leases:
    """The leases of a folder; plain values, so that any process can take them.

    Args:
        folder: the folder, which exists.
        beat: seconds from one renewal to the next.
        expiry: seconds without renewal after which a lease is another's to take.
    """

    folder: Path
    beat: float = BEAT
    expiry: float = EXPIRY

    @property
    def pause(self) -> float:
        """Seconds between two looks at the leases of others."""
        return self.beat / _LOOKS

    def take(
        self, name: str, worker: str = "", *, progress: str = "", expired: Collection[str] = ()
    ) -> Lease | None:
        """The lease of `name`; None where another worker has it.

        `worker` is for people. `progress` is anything that changes as the matter gets on. `expired`
        are the files of leases which a `Lookout` has found expired.

        Raises OutputError where the folder cannot be written.
        """
        path, number = self.newest(name)
        before = _facts(path) if path else {}
        deaths = _whole(before.get("deaths"))
        if path and not _is_given_back(path):
            if path.name not in expired:
                return None
            deaths = deaths + 1 if before.get("progress") == progress else 0
        lease = Lease(self, name, number, deaths)
        facts = {"id": lease.id, "worker": worker, "deaths": deaths, "progress": progress}
        with self._told():
            return lease if create(lease.path, facts) else None

    def newest(self, name: str, number: int = 0) -> tuple[Path | None, int]:
        """The file of the lease of `name` with the highest number, and the next number.

        `number` is one that is known to be there, or 0.
        """
        found = None
        while os.path.lexists(path := self.file(name, number)):
            found, number = path, number + 1
        return found, number

    def file(self, name: str, number: int) -> Path:
        """The file of a lease."""
        return self.folder / f"{name}.{number}.lease"

    def now(self) -> float:
        """The folder's time; names that others made or removed are seen after this."""
        path = self.folder / f".clock.{secrets.token_hex(8)}.tmp"
        with self._told():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            try:
                os.utime(path)
                return path.stat().st_mtime
            finally:
                path.unlink()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """OSError becomes OutputError."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{shown(self.folder)}: {error.strerror or error}; workers must be able to create "
                f"files there"
            ) from error


class Lease:
    """A lease that this process has: a context in which a thread renews it.

    Attributes:
        id: a random number in hexadecimal digits.
        deaths: how many workers in a row let it expire without any progress.
    """

    def __init__(self, leases: Leases, name: str, number: int, deaths: int) -> None:
        self._leases, self._name, self._number = leases, name, number
        self.path, self.id, self.deaths = leases.file(name, number), secrets.token_hex(16), deaths
        self._is_lost, self._ended = False, threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        """Begin to renew it."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Renew it no more; it is not given back."""
        self._ended.set()
        self._thread.join()

    @property
    def is_lost(self) -> bool:
        """Whether the last renewal, or `check`, found that another worker has taken over."""
        return self._is_lost

    def check(self) -> None:
        """Look now; LeaseLost where another worker has taken over or the file is gone."""
        after, facts = self._leases.file(self._name, self._number + 1), read(self.path, _LONGEST)
        # a server that fails to read it for once does not end it
        ours = facts.get("id") == self.id if facts else os.path.lexists(self.path)
        self._is_lost = self._is_lost or not ours or os.path.lexists(after)
        if self._is_lost:
            raise LeaseLost(self._name)

    def renew(self) -> None:
        """Set its time to the folder's; LeaseLost where it is another's now."""
        self.check()
        with suppress(OSError):  # a server that does not answer now may answer at the next beat
            os.utime(self.path)

    def give_back(self) -> None:
        """Let another worker take it at once, if it is not another's already."""
        self._ended.set()
        with suppress(OSError, LeaseLost):  # then it expires
            self.check()
            os.utime(self.path, (0, 0))

    def _beat(self) -> None:
        with suppress(LeaseLost):
            while not self._ended.wait(self._leases.beat):
                self.renew()


class Lookout:
    """What one worker sees of leases, look after look.

    Args:
        leases: the folder's.
        stopwatch: seconds that pass here, from any beginning.
    """

    def __init__(self, leases: Leases, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._leases, self._stopwatch = leases, stopwatch
        self._numbers: dict[str, int] = {}
        self._seen: dict[Path, tuple[float, float]] = {}  # time of change, since when by us

    def look(self, names: Iterable[str]) -> tuple[list[str], frozenset[str]]:
        """Those of the names that nobody has, and the files of leases that have expired.

        Raises OutputError where the folder cannot be written.
        """
        now, free, expired = self._leases.now(), list[str](), set[str]()
        for name in names:
            path = self._newest(name)
            if path is None or _is_given_back(path):
                free.append(name)
            elif self._has_expired(path, now):
                free.append(name)
                expired.add(path.name)
        return free, frozenset(expired)

    def holders(self, names: Iterable[str]) -> list[str]:
        """The workers that have these, each once."""
        paths = filter(None, map(self._newest, names))
        return sorted({str(_facts(path).get("worker", "")) for path in paths})

    def waiting(self, what: str, names: Collection[str]) -> str:
        """A line on who is waited for: "waiting for 3 shots at node7:411, node8:40"."""
        workers = self.holders(names)
        more = ["…"] if len(workers) > _NAMED else []
        return f"waiting for {what} at {', '.join([*workers[:_NAMED], *more]) or 'others'}"

    def _newest(self, name: str) -> Path | None:
        path, number = self._leases.newest(name, self._numbers.get(name, 0))
        self._numbers[name] = max(0, number - 1)
        return path

    def _has_expired(self, path: Path, now: float) -> bool:
        changed, here = _changed(path), self._stopwatch()
        before, since = self._seen.get(path, (None, here))
        since = since if before == changed else here
        self._seen[path] = (changed, since)
        age, watched, limit = now - changed, here - since, self._leases.expiry
        return watched >= 2 * self._leases.beat and max(age, watched) > limit


def worker_name() -> str:
    """What this process is called in leases and records: host and process."""
    return f"{printable(platform.node()) or 'somewhere'}:{os.getpid()}"


def _changed(path: Path) -> float:
    """The time of change; infinity where the file is gone."""
    with suppress(OSError):  # to open it brings the attributes up to date, which stat may not do
        os.close(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)))
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")


def _is_given_back(path: Path) -> bool:
    return _changed(path) == 0


def _facts(path: Path) -> dict[str, Any]:
    """What a lease says; nothing where it is none."""
    return read(path, _LONGEST) or {}


def _whole(value: object) -> int:
    """A number of deaths, whoever wrote it."""
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0

"""Atomic files: checked before the work begins, and replaced as a whole when it ends."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType

from impasto.errors import OutputError, shown

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None  # type: ignore[assignment]  # Windows has none

__all__ = ["AtomicFile", "check_place", "parts_of", "resolved"]

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def check_place(path: str | os.PathLike[str], endings: Collection[str]) -> str:
    """The ending of `path`, one of `endings`, in lower case.

    Raises OutputError if the ending is another or no file can be written there.
    """
    name, expected = shown(path), f"expected a name ending in {', '.join(endings)}"
    ending = Path(os.fsdecode(path)).suffix
    try:
        target = resolved(path)
        if target.is_dir():
            raise OutputError(f"{name}: a folder; {expected}")
        if ending.lower() not in endings:
            got = shown(ending) or "without ending"
            raise OutputError(f"{name}: cannot write {got}; {expected}")
        _check_folder(name, target)
    except OSError as error:  # a name too long, a folder that may not be searched
        raise OutputError(f"{name}: {error.strerror}; choose another place") from error
    return ending.lower()


def _check_folder(name: str, target: Path) -> None:
    folder = shown(target.parent)
    if not target.parent.is_dir():
        raise OutputError(f"{name}: folder {folder} does not exist; create it first")
    if target.exists() and not (target.is_file() and os.access(target, os.W_OK)):
        raise OutputError(f"{name}: exists and is not a writable file; choose another name")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{name}: folder {folder} is not writable; choose another folder")


def resolved(path: str | os.PathLike[str]) -> Path:
    """The file itself where `path` is a link, so that the link stays and its target is replaced.

    Raises OutputError for a link to itself, and for a link to a name with another ending: that
    file holds something else, and is neither to be written nor to be deleted.
    """
    name = shown(path)
    try:
        given = Path(os.fsdecode(path))
        target = Path(os.path.realpath(given))
        with suppress(FileNotFoundError, NotADirectoryError):
            given.stat()  # realpath passes over a circle of links
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OutputError(f"{name}: a link to itself; choose another name") from error
        raise OutputError(f"{name}: {error.strerror}; choose another place") from error
    except ValueError as error:  # a NUL in the path
        raise OutputError(f"{name}: {error}; expected a path to write to") from error
    if given.is_symlink() and target.suffix.lower() != given.suffix.lower():
        raise OutputError(
            f"{name}: a link to {shown(target)}, which has another ending; choose another name"
        )
    return target


class AtomicFile:
    """A temporary file beside `path` that replaces it once it is complete.

        with AtomicFile(path) as file:  # a Path
            file.write_bytes(encoded)

    A reader sees the old file or the new one, never a part. Leaving the block publishes; leaving it
    by an error discards, and an OSError becomes OutputError. Without a block, call `publish` or
    `discard`.

    A killed process leaves its temporary file behind, which may be gigabytes. The next AtomicFile
    of the same path removes it (see `_remove_stale`).

    A writer that replaces the file by another, which has no lock, gets the path of a file in a
    folder of its own with `replaced`.
    """

    def __init__(self, path: str | os.PathLike[str], *, replaced: bool = False) -> None:
        self._name, self._target = shown(path), resolved(path)
        self._lock: int | None = None
        self._content: Path
        _remove_stale(self._target)
        self.file = self._target  # until there is another
        while self._lock is None:
            self._create()
        self._content = self.file
        if replaced:
            with self._or_discard():
                parts_of(self.file).mkdir()
            self._content = parts_of(self.file) / self._target.name

    def publish(self) -> None:
        """Replace the file at `path`; OutputError where that fails."""
        with self._or_discard():
            with self._content.open("r+b") as stream:
                os.fsync(stream.fileno())
            if fcntl is None:  # where an open file cannot be renamed
                self._unlock()
            self._content.replace(self._target)
            if self._content != self.file:
                self._remove()
            self._unlock()  # not before: an unlocked file counts as left behind

    def discard(self) -> None:
        """Remove the temporary file; the file at `path` stays as it was."""
        self._unlock()
        self._remove()

    def __enter__(self) -> Path:
        """The path of the file to fill."""
        return self._content

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Publish, or discard after an error."""
        if error is None:
            return self.publish()
        self.discard()
        return self._report(error)

    def _create(self) -> None:
        """Create and lock the file; it may have been removed before it was locked."""
        self.file = self._target.with_name(f"{_prefix(self._target)}{secrets.token_hex(8)}.tmp")
        with self._or_discard():
            self._lock = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            _lock(self._lock)
            if not self.file.exists():
                self._unlock()

    def _remove(self) -> None:
        _remove_folder(self.file)
        with suppress(OSError):
            self.file.unlink()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _or_discard(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # an interruption too
            self.discard()
            self._report(error)
            raise

    def _report(self, error: BaseException) -> None:
        if isinstance(error, OSError):
            why = error.strerror or error
            raise OutputError(f"{self._name}: {why}; nothing was written") from error


def _prefix(target: Path) -> str:
    """How the names of the temporary files of `target` begin that this system writes.

    The name is cut, because a folder takes 255 bytes and a character may be four; the digest keeps
    cut names apart.
    """
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]
    return f".{target.name[:40]}.{digest}.{_system()}."


@cache
def _system() -> str:
    """Eight digits of the running kernel, shared by its containers; "unknown" without /proc."""
    try:
        return BOOT_ID.read_text("ascii").strip()[:8]
    except (OSError, UnicodeError):
        return "unknown"


def _remove_stale(target: Path) -> None:
    """Remove the temporary files of `target` that processes of this system left when killed.

    A file in use is locked, and a lock is seen by all containers of a kernel, whose number is part
    of the name. Files of other systems stay, because their locks may not be seen here.
    """
    if fcntl is None or _system() == "unknown":
        return
    prefix = _prefix(target)
    with suppress(OSError):
        for file in target.parent.iterdir():
            if file.name.startswith(prefix) and file.name.endswith(".tmp"):
                _remove_unlocked(file)


def _remove_unlocked(file: Path) -> None:
    """Remove a file that nobody has locked; it may vanish at any time."""
    with suppress(OSError):
        descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_folder(file)
            file.unlink()
        finally:
            os.close(descriptor)


def parts_of(file: Path) -> Path:
    """The folder beside a temporary file for what its writer needs; it is removed with the file."""
    return file.with_suffix(".parts")


def _remove_folder(file: Path) -> None:
    folder = parts_of(file)
    if not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)


def _lock(descriptor: int) -> None:
    """Lock a file as long as its descriptor is open; file systems without locks go without."""
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)

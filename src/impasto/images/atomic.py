"""Places to write to: refused early, and replaced whole."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from impasto.errors import OutputError
from impasto.images.decode import shown

__all__ = ["AtomicFile", "check_place"]


def check_place(path: str | os.PathLike[str], endings: Collection[str]) -> str:
    """The ending of `path`, one of `endings`, in lower case.

    Raises OutputError if the ending is another or no file can be written there.
    """
    name, expected = shown(path), f"expected a name ending in {', '.join(endings)}"
    ending = Path(os.fsdecode(path)).suffix
    try:
        target = _target(path)
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


def _target(path: str | os.PathLike[str]) -> Path:
    """The file itself where `path` is a link, so that the link stays."""
    try:
        return Path(os.path.realpath(os.fsdecode(path)))
    except (OSError, ValueError) as error:
        raise OutputError(f"{shown(path)}: {error}; expected a path to write to") from error


_LEFT = re.compile(r"([1-9][0-9]{0,9})\.[0-9a-f]{8}\.tmp")


def _lives(process: int) -> bool:
    """Whether there is a process of that number, be it somebody else's."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


class AtomicFile:
    """An empty file beside `path`, renamed to it once whole: a reader sees the old or the new.

        with Draft(path) as file:  # a Path
            file.write_bytes(encoded)

    Leaving the block publishes; leaving it by an error discards, and an OSError becomes
    OutputError. Without a block, call `publish` or `discard`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._name, self._target = shown(path), _target(path)
        # The name is cut, for a folder takes 255 bytes, and a character may be four.
        unique = f".{self._target.name[:40]}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
        self.file = self._target.with_name(unique)
        with self._or_discard():
            self.file.touch(exist_ok=False)

    @staticmethod
    def sweep(path: str | os.PathLike[str]) -> None:
        """Remove what drafts of `path` left behind when their processes were killed.

        A draft of a print is gigabytes. Those of processes that live stay, and where that cannot
        be known all do.
        """
        if os.name != "posix":
            return
        target = _target(path)
        start = f".{target.name[:40]}."
        with suppress(OSError):
            for file in target.parent.iterdir():
                found = _LEFT.fullmatch(file.name.removeprefix(start))
                if found and file.name.startswith(start) and not _lives(int(found[1])):
                    file.unlink(missing_ok=True)

    def publish(self) -> None:
        """Put the file in its place; OutputError where that fails."""
        with self._or_discard():
            with self.file.open("r+b") as stream:
                os.fsync(stream.fileno())
            self.file.replace(self._target)

    def discard(self) -> None:
        """Remove the file, as if nothing had happened."""
        with suppress(OSError):
            self.file.unlink()

    def __enter__(self) -> Path:
        """The path of the file to fill."""
        return self.file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Publish, or discard after an error."""
        if error is None:
            return self.publish()
        self.discard()
        return self._report(error)

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

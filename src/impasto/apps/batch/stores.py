"""Files in object stores by their addresses, such as `s3://bucket/photos`, by way of fsspec.

A file is read as a whole and written as a whole. That is all that stores have in common: nothing is
appended, locked, renamed, or created for only one of several that try.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from impasto.apps.lines import as_line, objects_in
from impasto.errors import (
    ExtraMissing,
    ImageError,
    ImpastoError,
    OutputError,
    SettingsError,
    brief,
    optional,
    printable,
)
from impasto.images import located
from impasto.images.folders import names_picture, natural
from impasto.images.held import MAX_BYTES

__all__ = ["Place", "StoredLines", "Url", "place_of"]

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_WEB = ("http", "https")
_PIECE = 1 << 20  # bytes read at a time
_REST = 19  # times as long as lines were written, until they are written again


@dataclass(frozen=True, order=True)
class Url:
    """The address of a file or folder in a store; it behaves like a path as far as names go."""

    text: str

    def __str__(self) -> str:
        """The address itself."""
        return self.text

    def __truediv__(self, name: str | PurePosixPath) -> Url:
        """The address of what is called so in this folder."""
        return Url(f"{self.text.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """The last part."""
        return self._path.name

    @property
    def stem(self) -> str:
        """The last part without its ending."""
        return self._path.stem

    @property
    def suffix(self) -> str:
        """The ending of the last part."""
        return self._path.suffix

    @property
    def parent(self) -> Url:
        """The folder that it is in."""
        return Url(self.text.rstrip("/").rpartition("/")[0])

    @property
    def scheme(self) -> str:
        """What stands before `://`."""
        return self.text.partition("://")[0]

    @property
    def _path(self) -> PurePosixPath:
        return PurePosixPath(self.text.partition("://")[2])

    def check(self) -> None:
        """SettingsError for a scheme that nobody knows, ExtraMissing without its library."""
        self._opened()

    def version(self) -> str | None:
        """What differs once the file is replaced; None where there is none."""
        with suppress(ImpastoError), _told(self, ImageError):
            store, path = self._opened()
            return str(store.ukey(path))
        return None

    def exists(self) -> bool:
        """Whether there is a file; OutputError where the store does not answer."""
        with _told(self, OutputError):
            store, path = self._opened()
            return bool(store.isfile(path))

    def pictures(self, prefix: str = "", excluded: Collection[Any] = ()) -> list[Url]:
        """The pictures of a folder, as `pictures_in` has them; or the one picture that it is.

        Raises ImageError if there are none.
        """
        with _told(self, ImageError):
            store, path = self._opened()
            if not prefix and store.isfile(path):
                return [self]
            files = _files_in(store, path)
        names = [PurePosixPath(name) for name in files if names_picture(name, prefix)]
        found = [self / name for name in sorted(names, key=natural)]
        if found := [url for url in found if url not in excluded]:
            return found
        named = f" whose name begins with {printable(prefix)}" if prefix else ""
        raise ImageError(f"{printable(self)}: holds no picture{named}; expected a folder of some")

    def files(self) -> set[Url]:
        """The files in this folder; none where there is no such folder. Raises OutputError."""
        with _told(self, OutputError):
            store, path = self._opened()
            with suppress(FileNotFoundError):
                return {self / name for name in _files_in(store, path)}
        return set()

    def fetch(self, folder: Path, longest: int = MAX_BYTES) -> Path:
        """A copy in a folder, which is made; ImageError above so many bytes, or where it fails."""
        target = folder / self.name
        with _told(self, ImageError):
            store, path = self._opened()
            folder.mkdir(parents=True, exist_ok=True)
            with store.open(path, "rb") as source, target.open("xb") as copy:
                while piece := source.read(_PIECE):
                    if copy.tell() + len(piece) > longest:
                        raise ImageError(
                            f"{printable(self)}: over {longest:,} bytes; expected a smaller file"
                        )
                    copy.write(piece)
        return target

    def read(self) -> bytes | None:
        """All of a file; None where there is none. Raises OutputError where that fails."""
        with _told(self, OutputError):
            store, path = self._opened()
            if not store.exists(path):
                return None
            data: bytes = store.cat_file(path)
            return data

    def write(self, data: bytes) -> None:
        """Replace the file by one that holds `data`; OutputError where that fails."""
        with _told(self, OutputError):
            store, path = self._made()
            store.pipe_file(path, data)

    def put(self, file: Path) -> None:
        """Replace it by a copy of a file of this machine; OutputError where that fails."""
        with _told(self, OutputError):
            store, path = self._made()
            store.put_file(str(file), path)

    def _made(self) -> tuple[Any, str]:
        """The store and the path in it, in a folder that exists where stores have folders."""
        store, path = self._opened()
        store.makedirs(path.rpartition("/")[0], exist_ok=True)
        return store, path

    def _opened(self) -> tuple[Any, str]:
        """The store, without what it remembers of it, and the path in it."""
        core = optional("fsspec.core", "remote", "an address of a store")
        name = printable(self)
        try:
            store, path = core.url_to_fs(self.text)
        except ImportError as error:
            raise ExtraMissing(f"{name}: {brief(printable(error))}") from error
        except ValueError as error:
            raise SettingsError(f"{name}: {brief(printable(error))}; expected s3://…") from error
        store.invalidate_cache()
        return store, path


Place: TypeAlias = Path | Url


def place_of(name: str) -> Place:
    """The file or folder that a name stands for, here or in a store.

    `file://…` is a path. Raises SettingsError for an address of the web, and for what is no address
    of one store; ExtraMissing without its library.
    """
    found = _ADDRESS.match(name)
    if not found or found[1].lower() == "file":
        return Path(located(name))
    shown = printable(name)
    if found[1].lower() in _WEB:
        raise SettingsError(f"{shown}: a batch reads no pages of the web; save it as a file")
    if "::" in name or "?" in name or not name[found.end() :].strip("/"):
        raise SettingsError(
            f"{shown}: expected a scheme, then one path, such as s3://bucket/photos"
        )
    url = Url(name.rstrip("/"))
    url.check()
    return url


class StoredLines:
    """A file of JSON objects in a store, one a line; see `impasto.apps.lines.Lines`.

    Stores cannot append. New lines are added to those that are there, and all of them are written:
    of two that do so at the same time one wins. The longer that takes, the rarer it is done, so
    that it never takes more than a twentieth of the time, however many lines there are.
    """

    def __init__(self, url: Url) -> None:
        self._url = url
        self._waiting: list[bytes] = []
        self._due = 0.0  # when they are to be written

    def append(self, values: Mapping[str, Any]) -> None:
        """Add a line, in the store after the next `flush`; OutputError where that fails."""
        self._waiting.append(as_line(values))
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Write the lines that wait; OutputError where that fails, and they wait on."""
        if not self._waiting:
            return
        began = time.monotonic()
        known = self._url.read() or b""
        whole = known if known.endswith(b"\n") or not known else known + b"\n"
        self._url.write(whole + b"".join(self._waiting))
        self._waiting.clear()
        now = time.monotonic()
        self._due = now + _REST * (now - began)

    def rewrite(
        self, records: Iterable[Mapping[str, Any]], check: Callable[[], object] = lambda: None
    ) -> None:
        """Replace the file by one with these objects, and no others; see `Lines`."""
        data = b"".join(map(as_line, records))
        check()
        self._url.write(data)
        self._waiting.clear()

    def touch(self) -> None:
        """Write the file as it is, so that a place that cannot be written is known before work."""
        self._url.write(self._url.read() or b"")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The objects in the order of their lines, once all are written; see `Lines`."""
        self.flush()
        yield from objects_in((self._url.read() or b"").splitlines())


def _files_in(store: Any, path: str) -> list[str]:  # noqa: ANN401 (a file system of fsspec)
    """The names of the files in a folder of a store."""
    entries = store.ls(path, detail=True)
    return [PurePosixPath(entry["name"]).name for entry in entries if entry["type"] == "file"]


@contextmanager
def _told(url: Url, kind: type[ImpastoError]) -> Iterator[None]:
    """Whatever a store's library raises, as an error of this kind in one line."""
    try:
        yield
    except ImpastoError:
        raise
    except Exception as error:  # each library has errors of its own
        reason = json.dumps(str(error)).strip('"') or type(error).__name__
        raise kind(
            f"{printable(url)}: {type(error).__name__}: {brief(printable(reason))}"
        ) from error

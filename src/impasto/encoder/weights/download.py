"""Downloads of original weights: https only, resumed after a cut, checked, put in place whole.

pooch does less here: it neither resumes half a gigabyte after a cut, nor ends a connection that
brings a byte now and then.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from impasto.encoder.weights.originals import Original
from impasto.errors import WeightsError, optional, printable
from impasto.images.connections import Connections

__all__ = ["Progress", "fetch"]

Progress = Callable[[int, int], None]
"""Called with the number of bytes that have come, and of those in all."""

_ATTEMPTS = 5
_PATIENCE = 30.0  # seconds without a byte, until a connection counts as cut
_WINDOW, _MIN_BYTES = 60.0, 300_000  # so many seconds without so many bytes: it counts as cut too
_REASON = 200  # characters of what a server or a library says, at most


def fetch(
    original: Original,
    progress: Progress = lambda _, __: None,
    tls: ssl.SSLContext | None = None,
) -> bool:
    """Download `original` to its place in the cache; False if the right file is there already.

    An interrupted download stays beside that place as `….part`, and the next call resumes it. `tls`
    says which servers to trust, by default those that the system trusts.

    Raises WeightsError where there is no connection, where the server refuses, for a file of
    another length or checksum, for a folder that cannot be written, and while another process
    fetches the same file.
    """
    try:
        with _alone(original):
            if original.path.is_file():
                original.check()
                return False
            with _client(tls) as client:
                _Download(original, client, progress).run()
    except OSError as error:
        raise WeightsError(
            f"{printable(original.path)}: cannot be written ({error.strerror}); "
            f"set IMPASTO_CACHE to a folder that can"
        ) from error
    return True


@contextmanager
def _alone(original: Original) -> Iterator[None]:
    """Only one process at a time fetches a file; the lock ends with the process that holds it."""
    filelock = optional("filelock", "formats", "fetching weights")
    original.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(f"{original.path}.lock", timeout=0):
            yield
    except filelock.Timeout as error:
        raise WeightsError(
            f"{original.name}: another process is fetching it; wait until that has ended"
        ) from error


def _client(tls: ssl.SSLContext | None) -> Any:  # noqa: ANN401 (of an optional library)
    return optional("httpx", "formats", "fetching weights").Client(
        verify=tls or True,
        timeout=_PATIENCE,
        follow_redirects=True,
        event_hooks={"request": [_require_https]},  # of every redirect too
        headers={"Accept-Encoding": "identity"},  # so that lengths and ranges are the file's
    )


def _require_https(request: Any) -> None:  # noqa: ANN401 (of an optional library)
    if request.url.scheme != "https":
        raise WeightsError(
            f"{_short(request.url)}: plain {_short(request.url.scheme)} is refused; expected https"
        )


def _short(text: object) -> str:
    """The beginning of a text that others wrote, on one line."""
    return printable(str(text)[:_REASON])


class _Cut(Exception):
    """The connection ended before the file did; its bytes are kept."""


class _Pace:
    """Ends a connection that is too slow, in whatever it does, while the context lasts.

    `count` is the number of bytes of the file that have come.
    """

    def __init__(self) -> None:
        self.count, self.slow = 0, False
        self.connections = Connections()
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Pace":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before = 0
        while not self._over.wait(_WINDOW):
            self.slow = self.count - before < _MIN_BYTES
            before = self.count
            if self.slow:
                self.connections.end()


@dataclass(frozen=True)
class _Download:
    """One download: appended to `partial` until it is whole, then renamed."""

    original: Original
    client: Any
    progress: Progress

    @property
    def partial(self) -> Path:
        return self.original.path.with_name(f"{self.original.path.name}.part")

    def run(self) -> None:
        """Fetch the whole file, over several connections if necessary, and put it in place."""
        for _ in range(_ATTEMPTS):
            cut = self._connect()
            if cut is None:
                return self._accept()
        again = f"impasto weights fetch {self.original.name}"
        raise self._failure(f"cut {_ATTEMPTS} times ({cut}); to resume, {again}")

    def _connect(self) -> str | None:
        """Append the missing bytes over one connection; why it ended too early, or None."""
        httpx = optional("httpx", "formats", "fetching weights")
        with _Pace() as pace:
            try:
                self._append(pace)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                raise self._failure(f"no connection ({error})") from error
            except (httpx.TransportError, _Cut) as error:
                slow = f"fewer than {_MIN_BYTES} bytes came in {_WINDOW:g} s"
                return slow if pace.slow else str(error) or type(error).__name__
            except httpx.HTTPError as error:
                raise self._failure(str(error)) from error
        return None

    def _append(self, pace: _Pace) -> None:
        there = self.partial.stat().st_size if self.partial.exists() else 0
        size = self.original.size
        if there == size:
            return
        wanted = {"Range": f"bytes={there}-"} if 0 < there < size else {}
        watched = {"trace": pace.connections.trace}
        with self.client.stream(
            "GET", self.original.url, headers=wanted, extensions=watched
        ) as answer:
            done = self._start(answer, there)
            with self.partial.open("r+b" if done else "wb") as file:
                file.seek(done)
                for chunk in answer.iter_raw():
                    done += len(chunk)
                    pace.count += len(chunk)
                    if done > size:
                        break
                    file.write(chunk)
                    self.progress(done, size)
        if done > size:
            self.partial.unlink()
            raise self._failure(f"longer than the {size} bytes that were published")
        if done < size:
            raise _Cut(f"{done} of {size} bytes came")

    def _start(self, answer: Any, there: int) -> int:  # noqa: ANN401 (of an optional library)
        """Offset of the body of `answer` in the file: `there` if the server resumes."""
        status, answered_range = answer.status_code, answer.headers.get("Content-Range", "")
        if status == 200:
            return 0
        if status == 206 and answered_range == self._range(there):
            return there
        if status in (206, 416):  # another part than the one asked for, or none
            self.partial.unlink(missing_ok=True)
            raise _Cut(f"the server does not resume at {there}")
        if status == 429 or status >= 500:
            raise _Cut(f"the server answers {status} {answer.reason_phrase}")
        raise self._failure(f"the server answers {status} {answer.reason_phrase}")

    def _range(self, there: int) -> str:
        size = self.original.size
        return f"bytes {there}-{size - 1}/{size}"

    def _accept(self) -> None:
        if fault := self.original.fault(self.partial):
            self.partial.unlink()
            raise self._failure(f"not the published file ({fault}), and removed; try again")
        self.partial.replace(self.original.path)

    def _failure(self, what: str) -> WeightsError:
        source, folder = self.original.url, printable(self.original.path.parent)
        return WeightsError(
            f"{self.original.name}: {_short(what)}; or put {source} into {folder} by other means"
        )

"""The studio as a program: a port, a server, a browser, and a clean end.

impasto studio ── lock the folder ── bind ── uvicorn(site) ── Ctrl-C ── children end ── unlock
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from platformdirs import user_data_path
from starlette.types import ASGIApp

from impasto.apps.studio.guard import is_local
from impasto.apps.studio.headers import TimedHeaders
from impasto.errors import OutputError, SettingsError, shown

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # Windows has none

__all__ = ["address", "bound", "default_folder", "locked", "serve", "token_for"]

PORT = 7860
_CONNECTIONS = 512  # at once; the next gets 503
_GRACE = 5  # seconds that answers under way have when the studio ends
_LEAST_TOKEN = 8  # characters
_LOCK = ".lock"  # the file by which a studio holds its folder


def default_folder() -> Path:
    """Where jobs and pictures are kept unless a folder is named."""
    return user_data_path("impasto", appauthor=False) / "studio"


def token_for(host: str, given: str | None) -> str | None:
    """The token of a studio at a host: as given, made for a host that others reach, or none.

    Raises SettingsError for one that is short.
    """
    if given is not None and len(given) < _LEAST_TOKEN:
        raise SettingsError(f"token has {len(given)} characters; expected at least {_LEAST_TOKEN}")
    return given or (None if is_local(host) else secrets.token_urlsafe(24))


def bound(host: str, port: int) -> socket.socket:
    """A socket at the address; port 0 is any free one. SettingsError where it is not to be had."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = found[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError, OverflowError) as error:
        raise SettingsError(f"host is {host!r}: {error}") from error
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"port {port} of {host} is not free ({error.strerror}); choose another port, or 0 for "
            f"any that is"
        ) from error
    return listening


def address(host: str, listening: socket.socket, token: str | None = None) -> str:
    """The address to open in a browser."""
    name = host.strip("[]")
    if name in ("0.0.0.0", "::"):
        name = socket.gethostname()
    port = listening.getsockname()[1]
    return (
        f"http://{f'[{name}]' if ':' in name else name}:{port}/{f'?token={token}' if token else ''}"
    )


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """The folder, created, and locked by this process; the system unlocks it when that dies.

    Raises OutputError where another studio has it, where it cannot be written, and where it holds
    files and has never been a studio's.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = [path.name for path in folder.iterdir()]
        if names and _LOCK not in names:
            raise OutputError(
                f"{shown(folder)}: holds other files; choose an empty or a new folder"
            )
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutputError(f"{shown(folder)}: {error.strerror}; choose another folder") from error
    try:
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OutputError(
                    f"{shown(folder)}: another studio works in this folder; end it, or choose "
                    f"another folder"
                ) from error
        yield folder
    finally:
        os.close(descriptor)


def serve(
    app: ASGIApp,
    listening: socket.socket,
    ready: Callable[[], object],
    ending: Callable[[], object] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called when the first request can be answered.

    `ending` is called when the server is about to end, and lets go of answers without an end.

    Requests under way have a few seconds then, and the application's lifespan ends its processes.
    """
    server = _Server(
        uvicorn.Config(
            app,
            http=TimedHeaders,
            ws="none",
            lifespan="on",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            log_level="error",
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=20,
            timeout_graceful_shutdown=_GRACE,
        ),
        ready,
        ending,
    )
    with listening, suppress(KeyboardInterrupt):  # uvicorn raises the signal again at its end
        server.run([listening])
    if server.failed:
        raise OutputError("the studio could not start; the lines above say why")


class _Server(uvicorn.Server):
    """A server that tells when it is ready."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], object], ending: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self._ready, self._ending = ready, ending

    @property
    def failed(self) -> bool:
        """Whether it ended before it had begun."""
        return not self.started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and tell."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell, and end."""
        self._ending()
        await super().shutdown(sockets)


def open_browser(url: str) -> None:
    """Open the page in a browser, if there is one; the program does not wait for it."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

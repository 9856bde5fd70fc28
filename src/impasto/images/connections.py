"""The connections of an HTTP client, to end them from another thread."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

__all__ = ["Connections"]


class Connections:
    """Those that a request of httpx has made, through its extension `trace`."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._ended = False

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Called by httpx for each event of a request: a new socket is one to end."""
        stream = info.get("return_value")
        if event.endswith(("connect_tcp.complete", "start_tls.complete")) and stream is not None:
            self._sockets.append(stream.get_extra_info("socket"))
            if self._ended:
                self.end()

    def end(self) -> None:
        """End all of them, whatever they wait for, and those that are still to be made."""
        self._ended = True
        for each in self._sockets:
            with suppress(OSError):  # it has ended, or TLS has taken it over
                socket.socket.shutdown(each, socket.SHUT_RDWR)

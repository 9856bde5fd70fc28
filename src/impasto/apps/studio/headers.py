"""Connections whose requests do not come: the server's own, with a limit of time for headers."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["TimedHeaders"]

_PATIENCE = 20.0  # seconds that the head of a request may take, the first byte included


class TimedHeaders(H11Protocol):
    """Closes a connection that has not sent the head of a request in time.

    Bodies have a limit of their own (see `bodies`), and so has a connection that is kept alive.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a transport of TCP
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take it in; wait for the rest of a head, and no longer once it is whole."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)
        self._let_go()

    def _wait(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._let_go()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(_PATIENCE, self.transport.close)

    def _let_go(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

"""One stream of events for all viewers, with bounded memory however slow they read.

    Feed.publish ──> Viewer: a few events that must be told, and for each job its newest step

A viewer that does not read costs what it holds already. One that fell behind gets `hello`, which
has everything, in place of what it missed.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, NamedTuple

__all__ = ["MAX_VIEWERS", "Event", "Feed", "TooManyViewers", "Viewer"]

MAX_VIEWERS = 64
KEPT = 256  # events that are told again to who comes back, and that a viewer may be behind
HEARTBEAT = 15.0  # seconds
STALLED = 60.0  # seconds without reading, after which a viewer gives way to another

Snapshot = Callable[[], dict[str, Any]]


class TooManyViewers(Exception):
    """There are as many viewers as the studio serves."""


class Event(NamedTuple):
    """An event of that kind; `text` is its data as JSON."""

    number: int
    kind: str
    text: str


class Viewer:
    """What one viewer has not read yet. All calls are under the feed's lock, but `wait`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._woken = loop, asyncio.Event()
        self._told: deque[Event] = deque()
        self._steps: OrderedDict[str, Event] = OrderedDict()
        self.behind = False
        self.closed = False
        self.read_at = time.monotonic()

    def offer(self, event: Event, job: str | None) -> None:
        """One more event; of the steps of one `job` the newest alone is kept."""
        if job is not None:
            self._steps.pop(job, None)
            self._steps[job] = event
            if len(self._steps) > KEPT:
                self._steps.popitem(last=False)
        else:
            self._told.append(event)
        if len(self._told) > KEPT:
            self.fall_behind()

    def fall_behind(self) -> None:
        """Forget everything: the viewer gets `hello` next."""
        self._told.clear()
        self._steps.clear()
        self.behind = True

    def taken(self) -> list[Event]:
        """What there is to read, in the order of numbers; nothing of it is kept."""
        found = sorted([*self._told, *self._steps.values()])
        self._told.clear()
        self._steps.clear()
        self.read_at = time.monotonic()
        return found

    @property
    def waiting(self) -> int:
        """Events that are held for it."""
        return len(self._told) + len(self._steps)

    def wake(self) -> None:
        """Let `wait` return, from any thread."""
        with suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self._woken.set)

    async def wait(self, seconds: float) -> bool:
        """Whether there was something before the time was over."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        finally:
            self._woken.clear()
        return True


class Feed:
    """The events of a studio, numbered from 1; `publish` may be called from any thread.

    Args:
        snapshot: the data of `hello`; called without the feed's lock.
        watched: called when the number of viewers changes.
        most: viewers at a time.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        watched: Callable[[int], object] = lambda _: None,
        most: int = MAX_VIEWERS,
    ) -> None:
        self._snapshot, self._watched, self._most = snapshot, watched, most
        self._lock = threading.Lock()
        self._epoch = secrets.token_hex(4)  # numbers of another server mean nothing here
        self._number = 0
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._steps: dict[str, Event] = {}
        self._viewers: list[Viewer] = []
        self._closed = False

    @property
    def viewers(self) -> int:
        """How many there are."""
        return len(self._viewers)

    def publish(self, kind: str, data: object, step_of: str | None = None) -> None:
        """Tell an event to all viewers; `step_of` is the job of which it is the newest step."""
        text = json.dumps(data)
        with self._lock:
            self._number += 1
            event = Event(self._number, kind, text)
            if step_of is None:
                self._kept.append(event)
            else:
                self._steps[step_of] = event
            for viewer in self._viewers:
                viewer.offer(event, step_of)
        for viewer in tuple(self._viewers):
            viewer.wake()

    def forget(self, job: str) -> None:
        """Keep no step of a job that is gone."""
        with self._lock:
            self._steps.pop(job, None)

    def join(self, last: str | None = None) -> Viewer:
        """A new viewer, who goes on after the event with the id `last`; TooManyViewers."""
        viewer = Viewer(asyncio.get_running_loop())
        with self._lock:
            if self._closed:
                raise TooManyViewers
            if len(self._viewers) >= self._most:
                self._drop_stalled()
            self._catch_up(viewer, last)
            self._viewers.append(viewer)
        self._watched(self.viewers)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """The viewer is gone."""
        with self._lock, suppress(ValueError):
            self._viewers.remove(viewer)
        self._watched(self.viewers)

    async def stream(self, viewer: Viewer) -> AsyncIterator[bytes]:
        """The viewer's events as server-sent events, until the feed closes or the viewer leaves."""
        try:
            yield b"retry: 1000\n\n"
            while True:
                for chunk in self._chunks(viewer):
                    yield chunk
                if self._closed or viewer.closed:
                    return
                if not await viewer.wait(HEARTBEAT):
                    yield b": still here\n\n"
        finally:
            self.leave(viewer)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for viewer in tuple(self._viewers):
            viewer.wake()

    def _chunks(self, viewer: Viewer) -> list[bytes]:
        """What the viewer has not read, one chunk an event."""
        with self._lock:
            behind, viewer.behind = viewer.behind, False
            number = self._number
            events = viewer.taken()
        if behind:  # what was published since is told after it, once more perhaps
            hello = Event(number, "hello", json.dumps(self._snapshot()))
            events = [hello, *(event for event in events if event.number > number)]
        return [self._encoded(event) for event in events]

    def _encoded(self, event: Event) -> bytes:
        head = f"id: {self._epoch}-{event.number}\nevent: {event.kind}\n"
        return f"{head}data: {event.text}\n\n".encode()

    def _catch_up(self, viewer: Viewer, last: str | None) -> None:
        """Give a viewer what came after `last`; all of it, as `hello`, where that is not known."""
        epoch, _, number = (last or "").partition("-")
        known = epoch == self._epoch and number.isdigit() and int(number[:18]) <= self._number
        first = self._kept[0].number if self._kept else self._number + 1
        dropped = len(self._kept) == KEPT
        if not known or (dropped and int(number[:18]) + 1 < first):
            viewer.behind = True
            return
        for event in self._kept:
            if event.number > int(number):
                viewer.offer(event, None)
        for job, event in self._steps.items():
            if event.number > int(number):
                viewer.offer(event, job)

    def _drop_stalled(self) -> None:
        """Make room by the viewer that has not read for longest; TooManyViewers if all read."""
        stalled = min(self._viewers, key=lambda viewer: viewer.read_at)
        if not stalled.waiting or time.monotonic() - stalled.read_at < STALLED:
            raise TooManyViewers
        stalled.closed = True
        self._viewers.remove(stalled)

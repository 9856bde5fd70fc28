"""A painting that goes on while the notebook stays in use, and takes up changes of its settings."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from impasto.apps.notebook.plain import watch
from impasto.apps.studio.canvases import Canvas
from impasto.apps.studio.continuing import continued
from impasto.errors import Cancelled, ImpastoError
from impasto.images import Picture, Source
from impasto.objective import StyleCache
from impasto.run import Result, Run
from impasto.run.events import Event, Step
from impasto.run.sizes import canvas_size
from impasto.run.sources import Sources
from impasto.settings import Settings

__all__ = ["Listener", "Live", "State"]

State = Literal["painting", "done", "stopped", "failed"]

_BLINK = 0.2  # seconds between two looks for Ctrl-C


class Listener(Protocol):
    """Hears of a painting, in its thread."""

    def opened(self, run: Run) -> None:
        """A run is about to begin: the first, or one that goes on from a canvas."""

    def heard(self, event: Event) -> None:
        """What happens in it."""

    def ended(self, state: State, error: BaseException | None) -> None:
        """Nothing is painted any more, until a change."""


class Live:
    """A painting under way, and what it came to.

    It has the attributes of a Result, for which it waits.

    Args:
        sources: the pictures.
        settings: what to do at first.
        arguments: the other arguments of Run.

    Raises what Run raises.
    """

    def __init__(self, sources: Sources, settings: Settings, arguments: Mapping[str, Any]) -> None:
        self._sources = sources
        self._arguments = {"cache": StyleCache(), **arguments}
        self._usual = self._asked = settings
        self._canvas: Canvas | None = None
        self._run: Run | None = self._made()
        inputs = self._run.inputs
        self._shape = inputs.originals.shape
        self._lock = threading.Condition()  # of everything below
        self._listener: Listener = _Silent()
        self._thread: threading.Thread | None = None
        self._stopped = self._adjusted = False
        self._result: Result | None = None
        self._error: BaseException | None = None

    def __repr__(self) -> str:
        """One line, which a notebook shows where a cell ends with `live(…)`."""
        if not self.done():
            return "a painting under way; result() waits for it"
        if self._error is not None:
            return f"a painting that failed: {self._error}"
        size = self._result.image.size if self._result else (0, 0)
        return f"a painting of {size[0]} × {size[1]} px; result() gives it"

    @property
    def settings(self) -> Settings:
        """The settings that are asked for now."""
        return self._asked

    @property
    def image(self) -> Picture:
        """The finished picture; see `result`."""
        return self.result().image

    @property
    def steps(self) -> tuple[Step, ...]:
        """A Step (without canvas) for each iteration since the last change; see `result`."""
        return self.result().steps

    def done(self) -> bool:
        """Whether nothing is painted any more."""
        with self._lock:
            return self._thread is None

    def result(self, timeout: float | None = None) -> Result:
        """The Result, once painting has ended; of a stopped one as far as it came.

        While a cell waits here, the notebook hears neither buttons nor sliders; Ctrl-C and the
        notebook's own interrupt stop the painting. Raises what ended the painting, Cancelled where
        it was stopped before there was a canvas, TimeoutError after `timeout` seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        try:
            with self._lock:
                while self._thread is not None:
                    left = _BLINK if end is None else min(_BLINK, end - time.monotonic())
                    if left <= 0:
                        raise TimeoutError(f"the picture is not painted after {timeout} seconds")
                    self._lock.wait(left)
                if self._error is not None:
                    raise self._error
                assert self._result is not None
                return self._result
        except KeyboardInterrupt:
            self.stop()
            raise

    def stop(self) -> None:
        """End the painting within a tile, and keep the picture as it is; from any thread."""
        with self._lock:
            self._stopped, self._adjusted = True, False
            if self._thread is not None and self._run is not None:
                self._run.cancel()

    def change(self, **settings: Any) -> None:  # noqa: ANN401 (fields of Settings, checked there)
        """Go on from the canvas with other settings; None takes back what was asked for at first.

        Without any, a stopped painting goes on. Returns at once, from any thread. Raises
        SettingsError for a setting that does not exist or does not fit.
        """
        given = {n: getattr(self._usual, n, v) if v is None else v for n, v in settings.items()}
        with self._lock:
            self._asked = self._asked.replaced(**given)
            self._stopped = False
            if self._thread is None:
                self._begin()
            else:
                self._adjusted = True
                if self._run is not None:
                    self._run.cancel()

    def close(self) -> None:
        """Stop, and wait for the thread to end."""
        self.stop()
        if (thread := self._thread) is not None:
            thread.join()

    def start(self, listener: Listener) -> None:
        """Paint in a thread that tells the listener."""
        self._listener = listener
        with self._lock:
            self._begin()

    def watched(self, every: int) -> None:
        """Paint now, watched as `watch` shows it."""
        run, self._run = self._run, None
        assert run is not None
        for _ in watch(run, every):
            pass
        self._canvas, self._result = Canvas.of(run), run.result()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._paint, daemon=True, name="painting")
        atexit.register(self.close)  # a thread of torch must not outlive the interpreter
        self._thread.start()

    def _paint(self) -> None:
        """The thread: run after run, until one ends that nothing was changed in."""
        while True:
            self._error = self._painted()
            with self._lock:
                if self._adjusted:
                    self._adjusted = False
                    continue
                state: State = "stopped" if self._stopped else "done"
                self._listener.ended("failed" if self._error else state, self._error)
                self._thread = None
                atexit.unregister(self.close)
                self._lock.notify_all()
                return

    def _painted(self) -> BaseException | None:
        """Paint one run to its end, and keep its canvas and picture; the error that ended it."""
        try:
            run = self._run or self._made()
            with self._lock:
                self._run = run
                if self._stopped or self._adjusted:
                    run.cancel()
            self._listener.opened(run)
            for event in run.events():
                self._listener.heard(event)
            if canvas := Canvas.of(run):
                self._canvas, self._result = canvas, run.result()
            if self._result is None:
                return Cancelled("stopped before there was a canvas; paint again")
        except ImpastoError as error:
            return error.with_traceback(None)  # which would keep the run's memory
        except Exception as error:  # `result` raises it in the notebook
            return error
        finally:
            with self._lock:
                self._run = None
        return None

    def _made(self) -> Run:
        """The first run, or the one that goes on from the canvas with what is asked for now."""
        sources, settings = self._sources, self._asked
        init: Source | None = sources.init
        if self._canvas is not None:
            size = canvas_size(settings, self._shape)
            settings, init = continued(settings, size, self._canvas.begun), self._canvas.pixels
        return Run(
            sources.content,
            list(sources.styles),
            settings,
            init=init,
            protect=sources.protect,
            content_masks=sources.content_masks,
            style_masks=sources.style_masks,
            **self._arguments,
        )


class _Silent:
    """Nobody listens."""

    def opened(self, run: Run) -> None:
        """Nothing."""

    def heard(self, event: Event) -> None:
        """Nothing."""

    def ended(self, state: State, error: BaseException | None) -> None:
        """Nothing."""

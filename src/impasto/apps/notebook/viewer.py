"""Between a painting and the page that shows it: what is told when, and what the page asks for."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Sequence
from typing import Any

from impasto.apps.notebook.painting import Live, State
from impasto.apps.notebook.view import View
from impasto.apps.studio.pace import Leg, Pace
from impasto.errors import ImpastoError, SettingsError, optional
from impasto.images import Picture
from impasto.outputs.report.history import preview
from impasto.run import Run
from impasto.run.events import Event, Notice, Step
from impasto.settings import Settings
from impasto.settings.schedule import Stage
from impasto.settings.variants import COLOUR_MODES

__all__ = ["SLIDERS", "Viewer", "thinned"]

SLIDERS = ("strength", "style_scale", "content_weight", "colour", "colour_strength")
"""The settings that the page may change."""

PREVIEW = 640  # px, the longest side
MOST = 240  # points of the curve
_QUALITY = 88  # of JPEG
_MIN_PAUSE = 0.3  # seconds between previews
_RATIO = 60  # of the time between two previews to what one takes: under 2 %
_UNSEEN = 4.0  # seconds until the next preview, where the page does not say that it has the last
_STEPS = 0.1  # seconds between steps that are told
_CHANGING = "Going on with your change…"

Point = tuple[int, int, float]


class Viewer:
    """Shows a painting in the notebook, and does what the page asks for.

    Previews are pictures of the newest canvas, and at most one is under way to the page: a slow
    connection gets fewer, and none that is old.
    """

    def __init__(self, painting: Live) -> None:
        self._painting = painting
        self._lock = threading.RLock()  # of the traits: the page speaks in the kernel's own thread
        self._points: list[Point] = []
        self._base = 0  # iterations of the runs before
        self._pace = Pace(())
        self._stages: tuple[Stage, ...] = ()
        self._stage = 0
        self._seconds = 0.0  # of the run, at its last step
        self._latest: Step | None = None  # until it is shown
        self._seen, self._told_at, self._shown_at, self._pause = True, 0.0, 0.0, 0.0
        usual = values_of(painting.settings)
        colours = list(COLOUR_MODES.names())
        self.view = View(usual=usual, values=usual, colours=colours)
        self.view.on_msg(self._said)
        optional("IPython.display", "notebook", "the stage").display(self.view)

    def opened(self, run: Run) -> None:
        """Show the photograph, and what is planned."""
        stages = run.inputs.stages
        pace = Pace([Leg(stage.size, stage.iterations) for stage in stages], self._pace.rate)
        with self._lock:
            self._stages, self._pace, self._stage = stages, pace, 0
            self._base = self._points[-1][0] if self._points else 0
            self._seconds, self._pause = 0.0, 0.0
            if not self.view.before and (original := run.inputs.content):
                self.view.before = jpeg(preview(original, PREVIEW))
            begun = {"iteration": 0, "done": 0, "total": run.total, "left": None}
            self._tell(state="painting", stages=len(stages), note="", error="", **begun)

    def heard(self, event: Event) -> None:
        """Tell what happens, now and then."""
        match event:
            case Stage():
                self._stage, self._told_at = self._stages.index(event), 0.0
            case Step():
                self._step(event)
            case Notice():
                self._tell(note=event.text)

    def ended(self, state: State, error: BaseException | None) -> None:
        """Show the last picture, and why it is the last."""
        words = "" if error is None else str(error)
        if error is not None and not isinstance(error, ImpastoError):
            words = f"{type(error).__name__}: {words}"
        with self._lock, self.view.hold_sync():
            if self._latest is not None:
                self._tell(**self._line(self._latest))
                self._show(self._latest)
            note = self.view.progress.get("note", "")
            note = "" if note == _CHANGING else note  # it was stopped before it began
            self._tell(state=state, error=words, left=None, note=note)

    def _step(self, step: Step) -> None:
        spent, self._seconds = step.seconds - self._seconds, step.seconds
        if step.iteration:
            self._pace.note(self._stage, spent)
        self._points.append((self._base + step.done, step.scale, step.loss))
        self._latest, now = step, time.monotonic()
        with self._lock, self.view.hold_sync():
            if now - self._told_at >= _STEPS:
                self._told_at = now
                self._tell(**self._line(step))
            unseen = 0.0 if self._seen else _UNSEEN
            if now - self._shown_at >= max(self._pause, unseen):
                self._show(step)

    def _show(self, step: Step) -> None:
        began = time.monotonic()
        self.view.preview = jpeg(step.preview(PREVIEW))
        self.view.curve = thinned(self._points)
        self._latest, self._seen, self._shown_at = None, False, time.monotonic()
        self._pause = max(_MIN_PAUSE, _RATIO * (self._shown_at - began))

    def _line(self, step: Step) -> dict[str, Any]:
        return {
            "stage": self._stage + 1,
            "size": list(step.size),
            "iteration": step.iteration,
            "iterations": self._stages[self._stage].iterations,
            "done": step.done,
            "total": step.total,
            "left": self._pace.remaining(self._stage, step.iteration),
            "loss": step.loss,
        }

    def _tell(self, **facts: object) -> None:
        with self._lock:
            self.view.progress = {**self.view.progress, **facts}

    def _said(self, _: object, message: object, __: object) -> None:
        """The page asks for something; what is wrong with it is shown there."""
        try:
            match message:
                case {"kind": "seen"}:
                    self._seen = True
                    return
                case {"kind": "stop"}:
                    self._painting.stop()
                case {"kind": "go on"}:
                    self._painting.change()
                case {"kind": "change", "settings": dict(settings)} if {*settings} <= {*SLIDERS}:
                    self._tell(note=_CHANGING)
                    self._painting.change(**settings)
                case _:
                    raise SettingsError("the page asks for what this version does not know")
        except ImpastoError as error:
            self._tell(note=str(error))
        with self._lock:
            self.view.values = values_of(self._painting.settings)
            self.view.heard += 1


def values_of(settings: Settings) -> dict[str, Any]:
    """What the sliders show, as JSON."""
    plain = settings.model_dump(mode="json", include={*SLIDERS})
    return {name: plain[name] for name in SLIDERS}


def thinned(points: Sequence[Point], most: int = MOST) -> list[Point]:
    """At most `most` points and the last one, evenly spaced."""
    every = -(-len(points) // most) or 1
    kept = list(points[::every])
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def jpeg(picture: Picture) -> bytes:
    """A picture as a JPEG's bytes."""
    encoded = io.BytesIO()
    picture.pil().convert("RGB").save(encoded, "JPEG", quality=_QUALITY)
    return encoded.getvalue()

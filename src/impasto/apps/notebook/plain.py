"""A run watched without widgets: canvas and curves as one picture, updated in place."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from impasto.errors import SettingsError, optional
from impasto.images import Picture
from impasto.outputs.report.curves import draw_curves
from impasto.outputs.report.figure import figure
from impasto.outputs.report.history import PREVIEW, RunHistory
from impasto.outputs.report.layout import Box, Placed
from impasto.outputs.report.words import summary
from impasto.run import Run
from impasto.run.events import Notice, Step

__all__ = ["watch"]

CURVES = (640, 320)  # width and minimum height in pixels
GAP = 24  # pixels between canvas and curves
DPI = 96


def watch(run: Iterable[Step], every: int = 10) -> Iterator[Step]:
    """Yield each Step of the run, and show canvas and curves every so many iterations.

    The last Step is shown however the run ends, before an error, Ctrl-C or a `break` passes on.
    Where nothing can show pictures, as in a script, nothing is shown. A Run's notices are printed
    on stderr.

    Raises SettingsError for `every` below 1, and ExtraMissing without IPython and matplotlib.
    """
    if every < 1:
        raise SettingsError(f"every is {every}; expected 1 or more iterations between updates")
    for library in ("IPython", "matplotlib"):
        optional(library, "notebook", "watching a run")
    return _watched(run, every)


def _watched(run: Iterable[Step], every: int) -> Iterator[Step]:
    screen = Screen()
    try:
        for step in _told(run):
            screen.note(step)
            if step.done % every == 0:
                screen.update()
            yield step
    except BaseException:
        with suppress(Exception):  # the error that ended the run is the one to raise
            screen.update()
        raise
    screen.update()


def _told(run: Iterable[Step]) -> Iterator[Step]:
    """The Steps of a run; prints the notices between them."""
    for event in run.events() if isinstance(run, Run) else run:
        if isinstance(event, Notice):
            print("warning:", event.text, file=sys.stderr)
        elif isinstance(event, Step):
            yield event


class Screen:
    """One output of a notebook's cell, which shows the latest step and all losses so far."""

    def __init__(self) -> None:
        ipython = optional("IPython", "notebook", "watching a run")
        shows = optional("IPython.display", "notebook", "watching a run").display
        self._display = shows if ipython.get_ipython() else None
        self._output: Any = None
        self._history = RunHistory(None, None, snapshots=0)
        self._latest: Step | None = None  # until it is shown

    def note(self, step: Step) -> None:
        """Add a step."""
        self._history.record(step)
        self._latest = step

    def update(self) -> None:
        """Show the latest step, unless it is shown already."""
        step, self._latest = self._latest, None
        if step is None or self._display is None:
            return
        panel = Panel(self._history, step.preview(PREVIEW))
        if self._output is None:
            self._output = self._display(panel, display_id=True)
        else:
            self._output.update(panel)


class Panel:
    """A canvas beside the curves of its run, as a picture; in a terminal, one line of words."""

    def __init__(self, history: RunHistory, canvas: Picture) -> None:
        self._words = summary(history.steps, history.scales)
        self._png = _drawn(history, canvas)

    def _repr_png_(self) -> bytes:
        return self._png

    def __repr__(self) -> str:
        """One line."""
        return self._words


def _drawn(history: RunHistory, canvas: Picture) -> bytes:
    width, height = canvas.width + GAP + CURVES[0], max(canvas.height, CURVES[1])
    curves = Box(canvas.width + GAP, 0, CURVES[0] - GAP // 2, height)
    with figure(width, height, DPI) as drawing:
        drawing.picture(Placed(canvas, (), Box(0, 0, *canvas.size)), width=0)
        draw_curves(drawing, history, curves)
        return drawing.png()

"""The picture before it is finished, at the result's place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.errors import OutputError
from impasto.outputs.base import Option, Output, Size

if TYPE_CHECKING:
    from impasto.run.run import Run

__all__ = ["PreviewOutput"]

_FIRST = 6  # iterations of a scale; earlier canvases are too faint to show
_MIN_PAUSE = 1.0  # seconds
_RATIO = 20  # of the time between two previews to the time that one takes


class PreviewOutput(Output):
    """Overwrites the result's file with the current canvas, from the first seconds on.

    Each has the result's size, so that a viewer of the file sees one picture become clearer.
    """

    options = (Option("preview", bool, "Show the unfinished picture in the result's file."),)
    resumable = True
    in_batch = False
    announced = False

    def paths(self, iterations: int) -> Iterator[Path]:
        """None of its own: the file is the picture's."""
        yield from ()

    def check(self, size: Size | None) -> None:
        """OutputError for a stream; the picture's output checks a file."""
        if self.target.stream:
            raise OutputError("preview: standard output takes one picture; name a file with -o")

    def begin(self, run: Run, *, continues: bool) -> None:
        """Show the first canvas that is worth it."""
        self._run, self._due = run, 0.0  # seconds of the run

    def handle(self, event: Any) -> None:  # noqa: ANN401 (any event)
        """Save the canvas of a Step at the result's size, if it is time."""
        from impasto.images import resize
        from impasto.run.events import Step

        if not isinstance(event, Step) or event.iteration < _FIRST or event.seconds < self._due:
            return
        started = time.perf_counter()
        self.target.save(resize(self._run.picture(event), self._run.inputs.size))
        spent = time.perf_counter() - started
        self._due = event.seconds + max(_MIN_PAUSE, _RATIO * spent)

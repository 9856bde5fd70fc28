"""A picture every few iterations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.outputs.base import Option, Output, Size

if TYPE_CHECKING:
    from impasto.run.run import Run

__all__ = ["IntermediatesOutput"]

_NAME = "{stem}.{iteration:04d}{suffix}"
_LARGEST = 9_999_999  # iteration, for the longest name


class IntermediatesOutput(Output):
    """The canvas after every `save_every` iterations, in files of their own beside the picture."""

    options = (
        Option("save_every", int, "Also save every N iterations; 0 never.", "N", minimum=0),
        Option(
            "intermediate",
            str,
            "Name of these pictures, with {stem}, {suffix} and {iteration}.",
            fields=("iteration",),
            on_command_line=False,
        ),
    )
    resumable = True
    announced = False

    @property
    def every(self) -> int:
        """Iterations from one picture to the next."""
        return int(self.values["save_every"])

    def at(self, iteration: int) -> Path:
        """The file of the picture after so many iterations."""
        template = str(self.values.get("intermediate", _NAME))
        return self.target.beside(template, iteration=iteration)

    def paths(self, iterations: int) -> Iterator[Path]:
        """The pictures of a run of so many iterations, without the last, which is the result."""
        yield from map(self.at, range(self.every, iterations, self.every))

    def check(self, size: Size | None) -> None:
        """OutputError where a picture of `size` (w, h), if known, cannot be written."""
        self.target.check(self.at(_LARGEST), size)

    def begin(self, run: Run, *, continues: bool) -> None:
        """Remember the run, which makes pictures of steps."""
        self._run = run

    def handle(self, event: Any) -> None:  # noqa: ANN401 (any event)
        """Save the canvas of a Step, if it is time."""
        from impasto.run.events import Step

        if not isinstance(event, Step) or event.done >= event.total:
            return
        # iteration 0 of a scale repeats the last canvas of the scale before
        if event.iteration > 0 and event.done % self.every == 0:
            self.target.save(self._run.picture(event), self.at(event.done))

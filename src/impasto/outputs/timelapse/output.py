"""The timelapse of a run as one of its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.outputs.base import Option, Output

if TYPE_CHECKING:
    from impasto.run import Result, Run

__all__ = ["TimelapseOutput"]


class TimelapseOutput(Output):
    """The canvas from the first step to the last, as a film."""

    options = (
        Option("timelapse", Path, "The run as a film: .mp4, .gif, .webp or none.", metavar="FILE"),
    )
    endings = (".mp4", ".gif", ".webp")

    def require(self) -> None:
        """ExtraMissing for a library that is not installed."""
        from impasto.outputs.timelapse.film import require

        require(self.path.suffix)

    def begin(self, run: Run, *, continues: bool) -> None:
        """Begin the film."""
        from impasto.outputs.timelapse.film import Timelapse

        self._film = Timelapse(self.path, run.inputs.size)

    def handle(self, event: Any) -> None:  # noqa: ANN401
        """Record a Step; OutputError where the film cannot be written."""
        from impasto.run.events import Step

        if isinstance(event, Step):
            self._film.record(event)

    def finish(self, result: Result | None) -> None:
        """End the film with the result; OutputError where it cannot be written."""
        if result:
            self._film.close(result.image)
        else:
            self._film.abandon()

"""The timelapse of a run as one of its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.outputs.base import Option, Output, Size

if TYPE_CHECKING:
    from impasto.run import Result, Run

__all__ = ["TimelapseOutput"]

_KEPT = 1920  # longest side of a kept frame, pixels


class TimelapseOutput(Output):
    """The canvas from the first step to the last, as a film.

    While a run writes checkpoints, its frames are kept beside the film at no more than 1920 px a
    side. If the run is resumed, the film is made from these and the frames that follow. Without
    them it begins where the run was resumed.
    """

    options = (
        Option("timelapse", Path, "The run as a film: .mp4, .gif, .webp or none.", metavar="FILE"),
    )
    resumable = True

    def require(self) -> None:
        """ExtraMissing for a library that is not installed."""
        from impasto.outputs.timelapse.film import require

        require(self.path.suffix)

    def check(self, size: Size | None) -> None:
        """OutputError where no such film can be written."""
        from impasto.outputs.timelapse.film import check_film

        check_film(self.path)

    def extra_bytes(self, size: Size) -> int:
        """Memory that the video encoder holds for a result of `size` (w, h), bytes."""
        from impasto.outputs.timelapse.encoders import FILMS

        return FILMS[self.path.suffix.lower()].extra_bytes(size)

    def begin(self, run: Run, *, continues: bool) -> None:
        """Begin the film, with the kept frames of a run that was resumed."""
        from impasto.outputs.kept import KeptPictures
        from impasto.outputs.timelapse.film import Timelapse

        self._film, self._continues = Timelapse(self.path, run.inputs.size), continues
        self._kept = KeptPictures(self.path)
        if not run.earlier:
            self._kept.remove()  # another run's
        self._film.replay(run.earlier, self._kept.get)

    def handle(self, event: Any) -> None:  # noqa: ANN401 (any event)
        """Record a Step; OutputError where the film, or a kept frame, cannot be written."""
        from impasto.run.events import Step

        if isinstance(event, Step) and self._film.record(event) and self._continues:
            self._kept.add(event, event.preview(_KEPT))

    def finish(self, result: Result | None) -> None:
        """End the film with the result; OutputError where it cannot be written."""
        if result:
            self._film.close(result.image)
        else:
            self._film.abandon()

    def settle(self, *, complete: bool) -> None:
        """Delete the kept frames of a complete run."""
        if complete:
            self._kept.remove()

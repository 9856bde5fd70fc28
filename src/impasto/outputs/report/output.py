"""The report of a run as one of its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.outputs.base import Option, Output, Size

if TYPE_CHECKING:
    from impasto.run import Result, Run

__all__ = ["ReportOutput"]


class ReportOutput(Output):
    """Pictures and curves of the run, on a sheet or a page.

    While a run writes checkpoints, the pictures are kept beside the report, so that it is whole if
    the run is resumed. Without them it has all losses, and pictures from there on.
    """

    options = (
        Option(
            "report", Path, "Pictures and curves of the run: .png, .html or none.", metavar="FILE"
        ),
    )
    resumable = True

    def require(self) -> None:
        """ExtraMissing for a library that is not installed."""
        from impasto.outputs.report.writing import require

        require(self.path.suffix)

    def check(self, size: Size | None) -> None:
        """OutputError where no such report can be written."""
        from impasto.outputs.report.writing import check_report

        check_report(self.path)

    def extra_bytes(self, size: Size) -> int:
        """Memory of the pictures that a history holds, bytes."""
        from impasto.outputs.report.history import BYTES

        return BYTES

    def begin(self, run: Run, *, continues: bool) -> None:
        """Begin its history, with the steps and the kept snapshots of a run that was resumed."""
        from impasto.outputs.kept import KeptPictures
        from impasto.outputs.report.history import RunHistory

        self._run, self._continues = run, continues
        self._history = RunHistory(run.inputs.content, run.inputs.style)
        self._kept = KeptPictures(self.path)
        if not run.earlier:
            self._kept.remove()  # another run's
        self._history.replay(run.earlier, self._kept.get)

    def handle(self, event: Any) -> None:  # noqa: ANN401 (any event)
        """Record a Step; OutputError where a snapshot that is to be kept cannot be written."""
        from impasto.run.events import Step

        snapshot = self._history.record(event) if isinstance(event, Step) else None
        if snapshot and self._continues:
            self._kept.add(snapshot.step, snapshot.picture)

    def finish(self, result: Result | None) -> None:
        """Write the report; OutputError where that fails."""
        from impasto.outputs.report.writing import write_report

        if result is None:
            return
        origins = self._run.inputs.origins
        names = [origins[role]["name"] for role in ("content", "style") if role in origins]
        title = " in the style of ".join(names)
        settings = result.settings.model_dump()
        facts = {name: str(value) for name, value in settings.items()}
        write_report(self._history, self.path, result.image, title=title, facts=facts)

    def settle(self, *, complete: bool) -> None:
        """Delete the kept snapshots of a complete run."""
        if complete:
            self._kept.remove()

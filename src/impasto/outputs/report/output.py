"""The report of a run as one of its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.outputs.base import Option, Output

if TYPE_CHECKING:
    from impasto.run import Result, Run

__all__ = ["ReportOutput"]


class ReportOutput(Output):
    """Pictures and curves of the run, on a sheet or a page."""

    options = (
        Option(
            "report", Path, "Pictures and curves of the run: .png, .html or none.", metavar="FILE"
        ),
    )
    endings = (".png", ".html")

    def require(self) -> None:
        """ExtraMissing for a library that is not installed."""
        from impasto.outputs.report.writing import require

        require(self.path.suffix)

    def begin(self, run: Run, *, continues: bool) -> None:
        """Begin its history."""
        from impasto.outputs.report.history import RunHistory

        self._run = run
        self._history = RunHistory(run.inputs.content, run.inputs.style)

    def handle(self, event: Any) -> None:  # noqa: ANN401
        """Record a Step."""
        from impasto.run.events import Step

        if isinstance(event, Step):
            self._history.record(event)

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

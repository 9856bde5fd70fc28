"""A run told afterwards: a sheet or a page of pictures and curves.

Step, Step, … ── RunHistory.record ──> losses, a few pictures ── write_report ──> .png, .html
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.outputs.report.history import RunHistory
    from impasto.outputs.report.writing import REPORTS, check_report, write_report

__all__ = ["REPORTS", "RunHistory", "check_report", "write_report"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (loaded late, since torch takes seconds)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "history" if name == "RunHistory" else "writing"
    return getattr(import_module(f"{__name__}.{module}"), name)

"""A run told afterwards: a sheet or a page of pictures and curves.

Step, Step, … ── Story ── note ──> losses, a few pictures ── write ──> .png, .html
"""

from impasto.outputs.report.story import RunHistory
from impasto.outputs.report.writing import REPORTS, check_report, write_report

__all__ = ["REPORTS", "RunHistory", "check_report", "write_report"]

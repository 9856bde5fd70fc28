"""A history written to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from impasto.errors import optional
from impasto.images import AtomicFile, Picture, check_place
from impasto.outputs.report.history import RunHistory
from impasto.outputs.report.page import page
from impasto.outputs.report.sheet import sheet

__all__ = ["REPORTS", "Report", "check_report", "require", "write_report"]


@dataclass(frozen=True)
class Report:
    """A format of reports: the function that makes the file's bytes, and the libraries it needs."""

    make: Callable[[RunHistory, Picture, str, Mapping[str, str]], bytes]
    needs: tuple[str, ...]


REPORTS = {
    ".png": Report(sheet, ("matplotlib",)),
    ".html": Report(page, ("matplotlib", "jinja2")),
}


def check_report(path: str | os.PathLike[str]) -> None:
    """Raise now what would fail later: OutputError for the place, ExtraMissing for a library."""
    _report(path)


def require(ending: str) -> None:
    """Import the libraries that a report of this ending needs; ExtraMissing for a missing one."""
    report = REPORTS.get(ending.lower())
    for library in report.needs if report else ():
        optional(library, "report", f"writing a {ending} report")


def _report(path: str | os.PathLike[str]) -> Report:
    ending = check_place(path, REPORTS)
    require(ending)
    return REPORTS[ending]


def write_report(
    history: RunHistory,
    path: str | os.PathLike[str],
    result: Picture,
    *,
    title: str = "",
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write a report in the format of the path's ending, atomically.

    `.png` is a sheet of pictures and curves; `.html` a page, which also has the result at its full
    size and a table of `facts`, such as the settings.

    Raises OutputError where it cannot be written, ExtraMissing for a library it needs.
    """
    encoded = _report(path).make(history, result, title, facts or {})
    with AtomicFile(path) as file:
        file.write_bytes(encoded)

"""Stories to files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from impasto.extras import optional
from impasto.images import Draft, Picture, check_place
from impasto.report.page import page
from impasto.report.sheet import sheet
from impasto.report.story import Story

__all__ = ["REPORTS", "Report", "check_report", "write"]


@dataclass(frozen=True)
class Report:
    """A kind of report: how to make its file's bytes, and with which libraries."""

    make: Callable[[Story, Picture, str, Mapping[str, str]], bytes]
    needs: tuple[str, ...]


REPORTS = {
    ".png": Report(sheet, ("matplotlib",)),
    ".html": Report(page, ("matplotlib", "jinja2")),
}


def check_report(path: str | os.PathLike[str]) -> None:
    """Raise what would go wrong later: OutputError for the place, ExtraMissing for a library."""
    _report(path)


def _report(path: str | os.PathLike[str]) -> Report:
    ending = check_place(path, REPORTS)
    for library in REPORTS[ending].needs:
        optional(library, "report", f"writing a {ending} report")
    return REPORTS[ending]


def write(
    story: Story,
    path: str | os.PathLike[str],
    result: Picture,
    title: str,
    facts: Mapping[str, str],
) -> None:
    """Write the report that the path's ending names; see `Story.write`."""
    encoded = _report(path).make(story, result, title, facts)
    with Draft(path) as file:
        file.write_bytes(encoded)

"""Markdown for pages that scripts write: tables, and help texts as paragraphs."""

import re
from collections.abc import Iterable, Iterator

NOTE = "*Written from the code by `scripts/write_reference.py`.*"


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table, and an empty line."""
    heads = list(columns)
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join(':--' for _ in heads)} |"
    for row in rows:
        cells = (re.sub(r"\s+", " ", str(cell)).replace("|", r"\|") for cell in row)
        yield f"| {' | '.join(cells)} |"
    yield ""


def plain(text: str | None) -> str:
    """A help text or docstring as Markdown; Rich's marks are taken out."""
    paragraphs = re.sub(r"\\(?=\[)", "", (text or "").replace("\f", "")).strip().split("\n\n")
    joined = [" ".join(part.split()) for part in paragraphs]
    return "\n\n".join(re.sub(r"([*<])(?![^`]*`)", r"\\\1", part) for part in joined)

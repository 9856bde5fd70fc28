"""Lines, tables and JSON for the terminal: harmless, and of bounded length whatever they hold."""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from impasto.errors import ImageError, brief, printable

__all__ = ["one_line", "print_json", "print_parts", "print_table"]

_MAX_ROWS = 200
_MAX_PARTS = 50
_MAX_CELL = 2000  # characters
_MAX_DEPTH = 3  # no record of ours is nested deeper


def one_line(text: object) -> str:
    """The text as one printable line of bounded length."""
    return brief(printable(" ".join(str(text).split())))


def print_json(value: object) -> None:
    """Print plain values as one line of JSON; ImageError where they are nested too deep for it."""
    try:
        line = json.dumps(value, allow_nan=False)
    except RecursionError:
        raise ImageError("the record is nested too deep to print") from None
    print(line)


def print_parts(record: Mapping[str, Any]) -> None:
    """Print each part of a record under its name; at most so many parts, and rows of each."""
    console = Console(soft_wrap=True)
    for part, values in islice(record.items(), _MAX_PARTS):
        console.print(Text(_bounded(printable(part)), style="bold"))
        print_table(values if isinstance(values, dict) else {part: values}, console)
    if len(record) > _MAX_PARTS:
        console.print(Text(f"… and {len(record) - _MAX_PARTS} more; --json prints all"))


def print_table(values: Mapping[str, Any], console: Console | None = None) -> None:
    """Print names and values in two columns; at most so many rows, and characters of each."""
    table = Table.grid(padding=(0, 2))
    for name, value in islice(values.items(), _MAX_ROWS):
        table.add_row(Text(f"  {_bounded(printable(name))}"), Text(_bounded(_cell(value))))
    if len(values) > _MAX_ROWS:
        table.add_row(Text("  …"), Text(f"and {len(values) - _MAX_ROWS} more; --json prints all"))
    (console or Console(soft_wrap=True)).print(table)


def _cell(value: object, depth: int = _MAX_DEPTH) -> str:
    """A value in words; "…" for what is nested deeper."""
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        items = islice(value.items(), _MAX_ROWS)
        return ", ".join(f"{printable(k)}={_cell(v, depth - 1)}" for k, v in items)
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(item, depth - 1) for item in value[:_MAX_ROWS])
    return f"{value:g}" if isinstance(value, float) else printable(value)


def _bounded(text: str) -> str:
    return text if len(text) <= _MAX_CELL else f"{text[:_MAX_CELL]}…"

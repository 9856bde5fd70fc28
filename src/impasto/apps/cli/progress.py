"""How a run is shown: a progress bar for people, JSON lines for programs, or nothing.

Each is a context manager for a run that gives a function of its events.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from impasto.apps.cli.printing import one_line
from impasto.errors import OutputError

if TYPE_CHECKING:
    from impasto.run.events import Event
    from impasto.run.run import Run

__all__ = ["Show", "Shown", "bar", "event_line", "json_line", "json_lines", "silent", "warn"]

Show = Callable[["Event"], None]
Shown = Callable[["Run"], AbstractContextManager[Show]]


@contextmanager
def bar(run: "Run") -> Iterator[Show]:
    """A bar on stderr with scale, iterations, loss and time left; notices above it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("painting", total=run.total, loss="…")

    def show(event: "Event") -> None:
        from impasto.run.events import Notice, Step

        if isinstance(event, Notice):
            warn(event.text)
        elif isinstance(event, Step):
            progress.start()  # not before the first step, so that an error stands alone
            doing = f"painting {max(event.size)} px"
            progress.update(task, description=doing, completed=event.done, loss=f"{event.loss:.4g}")

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def json_lines(run: "Run") -> Iterator[Show]:
    """One JSON object an event on stdout; see `event_line`."""
    yield lambda event: json_line(event_line(event))


class Told(Protocol):
    """An event of a run or of a film."""

    def line(self) -> dict[str, object]:
        """Plain values by name."""


def event_line(event: Told) -> dict[str, Any]:
    """An event as plain values: `event` is its class, such as stage or step, then its fields."""
    return {"event": type(event).__name__.lower(), **event.line()}


def json_line(record: Mapping[str, Any]) -> None:
    """Print a record; OutputError if nobody reads it any more."""
    try:
        print(json.dumps(record), flush=True)
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (till the end)
        raise OutputError("standard output was closed by its reader") from None


@contextmanager
def silent(run: "Run") -> Iterator[Show]:
    """Nothing but notices, as lines on stderr."""
    yield _notices_alone


def _notices_alone(event: "Event") -> None:
    from impasto.run.events import Notice

    if isinstance(event, Notice):
        warn(event.text)


def warn(text: str) -> None:
    """Print a notice as one line on stderr."""
    print("warning:", one_line(text), file=sys.stderr)

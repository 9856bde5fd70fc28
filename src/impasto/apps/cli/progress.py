"""How a run is shown: a progress bar for people, JSON lines for scripts, or nothing."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from impasto.errors import OutputError, printable

if TYPE_CHECKING:
    from impasto.run.events import Event
    from impasto.run.run import Run

__all__ = ["Shown", "bar", "json_line", "json_lines", "silent", "warn"]

Shown = Callable[["Run"], AbstractContextManager[Callable[["Event"], None]]]


@contextmanager
def bar(run: "Run") -> "Iterator[Callable[[Event], None]]":
    """A bar on stderr: iterations, loss, time left."""
    columns = (
        TextColumn("painting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("painting", total=run.total, loss="…")

    def show(event: "Event") -> None:
        from impasto.run.events import Step

        warn(event)
        if isinstance(event, Step):
            progress.start()  # not before the first step, so that an error stands alone
            progress.update(task, completed=event.done, loss=f"{event.loss:.4g}")

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def json_lines(run: "Run") -> "Iterator[Callable[[Event], None]]":
    """One JSON object a step on stdout, as in a trace file; notices on stderr."""

    def show(event: "Event") -> None:
        from impasto.run.events import Step

        warn(event)
        if isinstance(event, Step):
            json_line(event.line())

    yield show


def json_line(record: Mapping[str, Any]) -> None:
    """Print a record; OutputError where nobody reads it any more."""
    try:
        print(json.dumps(record), flush=True)
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (till the end)
        raise OutputError("standard output was closed by its reader") from None


@contextmanager
def silent(run: "Run") -> "Iterator[Callable[[Event], None]]":
    """Nothing but notices."""
    yield warn


def warn(event: "Event") -> None:
    """Print a notice as one line on stderr."""
    from impasto.run.events import Notice

    if isinstance(event, Notice):
        print("warning:", printable(" ".join(event.text.split())), file=sys.stderr)

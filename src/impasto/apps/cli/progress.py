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

from impasto.errors import OutputError

if TYPE_CHECKING:
    from impasto.run.events import Step
    from impasto.run.run import Run

__all__ = ["Shown", "bar", "json_line", "json_lines", "silent"]

Shown = Callable[["Run"], AbstractContextManager[Callable[["Step"], None]]]


@contextmanager
def bar(run: "Run") -> "Iterator[Callable[[Step], None]]":
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

    def show(step: "Step") -> None:
        progress.start()  # not before the first step, so that an error stands alone
        progress.update(task, completed=step.done, loss=f"{step.loss:.4g}")

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def json_lines(run: "Run") -> "Iterator[Callable[[Step], None]]":
    """One JSON object a step on stdout, as in a trace file."""
    yield lambda step: json_line(step.line())


def json_line(record: Mapping[str, Any]) -> None:
    """Print a record; OutputError where nobody reads it any more."""
    try:
        print(json.dumps(record), flush=True)
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (till the end)
        raise OutputError("standard output was closed by its reader") from None


@contextmanager
def silent(run: "Run") -> "Iterator[Callable[[Step], None]]":
    """Nothing."""
    yield lambda _: None

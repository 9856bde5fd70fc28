"""How a run is shown: a progress bar for people, JSON lines for scripts, or nothing."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable

    from impasto.run import Step

__all__ = ["bar", "json_lines", "silent", "trace_file"]

Shown = "Iterator[Callable[[Step], None]]"


@contextmanager
def bar(total: int) -> "Iterator[Callable[[Step], None]]":
    """A bar on stderr: iteration, loss, time left."""
    columns = (
        TextColumn("painting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("painting", total=total, loss="…")

    def show(step: "Step") -> None:
        progress.start()  # not before the first step, so that an error stands alone
        progress.update(task, completed=step.iteration, loss=f"{step.loss:.4g}")

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def json_lines(total: int) -> "Iterator[Callable[[Step], None]]":
    """One JSON object a step on stdout, as in a trace file."""

    def show(step: "Step") -> None:
        _write_line(sys.stdout, step)

    yield show


@contextmanager
def silent(total: int) -> "Iterator[Callable[[Step], None]]":
    """Nothing."""
    yield lambda _: None


@contextmanager
def trace_file(file: TextIO | None) -> "Iterator[Callable[[Step], None]]":
    """One JSON object a step into an open file, each flushed so that a kill loses none."""
    if file is None:
        yield lambda _: None
        return
    with file:
        yield lambda step: _write_line(file, step)


def _write_line(file: TextIO, step: "Step") -> None:
    print(json.dumps(step.line()), file=file, flush=True)

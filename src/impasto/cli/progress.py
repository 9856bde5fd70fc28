"""How a run is shown: a progress bar for people, JSON lines for scripts, or nothing."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from impasto.errors import OutputError

if TYPE_CHECKING:
    from impasto.run import Run
    from impasto.step import Step

__all__ = ["bar", "check_trace", "json_lines", "silent", "trace_file"]


@contextmanager
def bar(run: "Run") -> "Iterator[Callable[[Step], None]]":
    """A bar on stderr: iteration, loss, time left."""
    columns = (
        TextColumn("painting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("painting", total=run.settings.iterations, loss="…")

    def show(step: "Step") -> None:
        progress.start()  # not before the first step, so that an error stands alone
        progress.update(task, completed=step.iteration, loss=f"{step.loss:.4g}")

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def json_lines(run: "Run") -> "Iterator[Callable[[Step], None]]":
    """One JSON object a step on stdout, as in a trace file."""

    def show(step: "Step") -> None:
        try:
            _write_line(sys.stdout, step)
        except BrokenPipeError:
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (till the end)
            raise OutputError("standard output was closed by its reader") from None

    yield show


@contextmanager
def silent(run: "Run") -> "Iterator[Callable[[Step], None]]":
    """Nothing."""
    yield lambda _: None


def check_trace(path: Path) -> None:
    """Raise OutputError if a trace cannot be written to `path`; an older one stays untouched."""
    if path.is_dir():
        raise OutputError(f"{path}: cannot be written (a folder); expected a file name")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot be written (no folder {path.parent}); create it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OutputError(f"{path}: cannot be written (no permission); choose another place")


@contextmanager
def trace_file(path: Path | None) -> "Iterator[Callable[[Step], None]]":
    """One JSON object a step into a file, opened at the first and flushed so that none is lost."""
    file: TextIO | None = None

    def note(step: "Step") -> None:
        nonlocal file
        if path is None:
            return
        try:
            file = file or path.open("w", encoding="utf-8")
            _write_line(file, step)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error

    try:
        yield note
    finally:
        if file:
            with suppress(OSError):  # what could not be flushed was reported above
                file.close()


def _write_line(file: TextIO, step: "Step") -> None:
    print(json.dumps(step.line()), file=file, flush=True)

"""How a batch is shown: a progress bar for people, JSON lines for programs, or nothing.

Each is a context manager for a batch that gives two functions: one of a job and an event of its
run, one of the Entry that a job ends with.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeGuard

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from impasto.apps.cli.progress import event_line, json_line, warn

if TYPE_CHECKING:
    from impasto.apps.batch import Batch, Entry, Job
    from impasto.run.events import Event, Notice

__all__ = ["Shown", "bar", "json_lines", "silent"]

HOUR = 3600.0  # seconds over which the speed is averaged

Watch = Callable[["Job", "Event"], None]
Note = Callable[["Entry"], None]
Shown = Callable[["Batch"], AbstractContextManager[tuple[Watch, Note]]]


@contextmanager
def bar(batch: "Batch") -> Iterator[tuple[Watch, Note]]:
    """A bar on stderr with the pairs, the iterations of the last one seen, and the time left.

    A pair counts as one. Those that are skipped or fail take little time, so they leave the total.
    """
    columns = (
        TextColumn("pairs {task.fields[pairs]}"),
        BarColumn(),
        TextColumn("{task.fields[doing]}"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True), speed_estimate_period=HOUR)
    ended, parts = Counter[bool](), dict[int, float]()
    task = progress.add_task("", total=len(batch), pairs=f"0/{len(batch)}", doing="…")

    def watch(job: "Job", event: "Event") -> None:
        from impasto.run.events import Step

        if _tells_of_sharing(event):
            progress.start()
            return progress.update(task, doing=event.text)
        if not isinstance(event, Step):
            return _notices_alone(job, event)
        progress.start()  # not before the first step, so that an error stands alone
        parts[job.index] = event.done / max(1, event.total)
        completed = ended[True] + sum(parts.values())
        doing = f"iteration {event.done}/{event.total}"
        return progress.update(task, completed=completed, doing=doing)

    def note(entry: "Entry") -> None:
        ended[entry.status == "done"] += 1
        parts.pop(entry.index, None)
        progress.update(
            task,
            completed=ended[True] + sum(parts.values()),
            total=len(batch) - ended[False],
            pairs=f"{ended.total()}/{len(batch)}",
        )

    try:
        yield watch, note
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def json_lines(batch: "Batch") -> Iterator[tuple[Watch, Note]]:
    """One JSON object a pair on stdout, as in the manifest, and one a notice."""
    yield _notice_line, lambda entry: json_line({"event": "pair", **entry.line()})


@contextmanager
def silent(batch: "Batch") -> Iterator[tuple[Watch, Note]]:
    """Nothing but notices, as lines on stderr."""
    yield _notices_alone, lambda _: None


def _notice_line(job: "Job", event: "Event") -> None:
    from impasto.run.events import Notice

    if isinstance(event, Notice):
        json_line({**event_line(event), "output": job.name})


def _notices_alone(job: "Job", event: "Event") -> None:
    from impasto.run.events import Notice

    if isinstance(event, Notice) and not _tells_of_sharing(event):
        warn(f"{job.name}: {event.text}")


def _tells_of_sharing(event: "Event") -> "TypeGuard[Notice]":
    """Whether it tells that this worker waits for others, which is no warning."""
    from impasto.run.events import Notice

    return isinstance(event, Notice) and event.kind == "sharing"
